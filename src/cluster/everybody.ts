/**
 * Who is on which node, for a node that tells a receiver: kept up by bulletins, and by the whole list of
 * a node that is new, or of which a bulletin did not come. The nodes a name is on count like threads.
 */
import type { Attendee, OnAttendance } from '../hub/attendance.ts';
import type { Bulletin } from './bulletins.ts';

/** All who are on a node, as of one of its bulletins. */
export interface Present {
  readonly n: number;
  readonly users: readonly string[];
  readonly channels: readonly string[];
}

/** Bulletins that are kept while a node is asked; with more it is asked again. */
const MAX_EARLY = 100;

interface Known {
  n: number;
  readonly names: Readonly<Record<Attendee, Set<string>>>;
  /** Undefined unless it is being asked: what came meanwhile. */
  early: Bulletin[] | undefined;
}

export interface EverybodyOptions {
  /** Undefined when it does not answer. Never rejects. */
  readonly ask: (node: string) => Promise<Present | undefined>;
  /** A name is on one node more, or on one less. */
  readonly tell: OnAttendance;
}

export class Everybody {
  readonly #options: EverybodyOptions;
  readonly #nodes = new Map<string, Known>();

  constructor(options: EverybodyOptions) {
    this.#options = options;
  }

  /** A node lives, and this is the newest of its bulletins. */
  lives(node: string, newest: number): void {
    const known = this.#known(node);
    if (known.n < newest) this.#ask(node, known);
  }

  take(bulletin: Bulletin): void {
    const known = this.#known(bulletin.node);
    if (known.early !== undefined) {
      if (known.early.length < MAX_EARLY) known.early.push(bulletin);
      return;
    }
    if (bulletin.n === known.n + 1) this.#apply(known, bulletin);
    else if (bulletin.n > known.n) this.#ask(bulletin.node, known);
  }

  /** Nobody is on it any more. */
  gone(node: string): void {
    const known = this.#nodes.get(node);
    if (known === undefined) return;
    this.#nodes.delete(node);
    this.#replace(known, { users: [], channels: [] });
  }

  #known(node: string): Known {
    const known = this.#nodes.get(node);
    if (known !== undefined) return known;
    const names = { user: new Set<string>(), channel: new Set<string>() };
    // Before its first bulletin nobody is there.
    const made: Known = { n: 0, names, early: undefined };
    this.#nodes.set(node, made);
    return made;
  }

  #ask(node: string, known: Known): void {
    if (known.early !== undefined) return;
    known.early = [];
    void this.#options.ask(node).then((present) => {
      const early = known.early ?? [];
      known.early = undefined;
      if (this.#nodes.get(node) !== known || present === undefined) return;
      this.#replace(known, present);
      known.n = present.n;
      for (const bulletin of early) this.take(bulletin);
    });
  }

  #apply(known: Known, { n, changes }: Bulletin): void {
    known.n = n;
    for (const { what, name, isHere } of changes) this.#set(known, what, { name, isHere });
  }

  #replace(known: Known, { users, channels }: Omit<Present, 'n'>): void {
    const now: Record<Attendee, Set<string>> = { user: new Set(users), channel: new Set(channels) };
    for (const what of ['user', 'channel'] as const) {
      for (const name of now[what]) this.#set(known, what, { name, isHere: true });
      for (const name of known.names[what])
        if (!now[what].has(name)) this.#set(known, what, { name, isHere: false });
    }
  }

  #set(known: Known, what: Attendee, { name, isHere }: { name: string; isHere: boolean }): void {
    const names = known.names[what];
    if (names.has(name) === isHere) return;
    if (isHere) names.add(name);
    else names.delete(name);
    this.#options.tell(what, name, isHere);
  }
}
