/**
 * Who comes and goes on all nodes, for a receiver that is to be told once. Each node says it of itself; those
 * that have a receiver keep account of all, each for itself, and one of them tells.
 *
 *   hubs ─▶ bulletins ──tidings.n.b──▶ everybody ─▶ rosters, with the grace ─▶ turn ─▶ webhooks of one node
 */
import type { OnAttendance } from '../hub/attendance.ts';
import type { Link } from '../nats/connect.ts';
import { Whereabouts } from '../presence/whereabouts.ts';
import { type Bulletin, bulletinShape } from './bulletins.ts';
import { Everybody, type Present } from './everybody.ts';
import { listen } from './listening.ts';
import type { Beat, Members } from './members.ts';
import { BULLETIN_SUBJECT } from './subjects.ts';
import { Turn, type Whose } from './turn.ts';

/** Longest bulletin that is read, in bytes. */
const MAX_BULLETIN_BYTES = 786_432;

/** To be told to the receiver. */
export interface Tell {
  /** `isAgain`: another node may have told it. */
  readonly change: (change: Parameters<OnAttendance>, isAgain: boolean) => void;
  /** The node that told is lost, with what it had not told yet. */
  readonly lost: (node: string) => void;
}

export interface ComingsOptions {
  readonly link: Link;
  readonly members: Members;
  /** How long one that left is away, in seconds. */
  readonly graceSeconds: number;
  /** All who are on a node; undefined when it does not answer. Never rejects. */
  readonly ask: (node: string) => Promise<Present | undefined>;
  readonly tell: Tell;
  readonly onFault: (error: Error) => void;
}

export class Comings {
  readonly #options: ComingsOptions;
  readonly #turn: Turn;
  readonly #whereabouts: Whereabouts;
  readonly #everybody: Everybody;
  #isOn = false;
  /** Who told when last somebody looked. */
  #teller: string | undefined;

  constructor(options: ComingsOptions) {
    this.#options = options;
    const { link, graceSeconds, ask, tell, onFault } = options;
    this.#turn = new Turn({ whose: () => this.#whose, tell: tell.change });
    this.#whereabouts = new Whereabouts({
      graceSeconds,
      onChange: (...change) => this.#turn.note(change),
    });
    this.#everybody = new Everybody({ ask, tell: this.#whereabouts.tell });
    listen(link.connection, BULLETIN_SUBJECT, {
      shape: bulletinShape,
      maxBytes: MAX_BULLETIN_BYTES,
      take: (bulletin) => this.#take(bulletin),
      onFault,
    });
  }

  /** It may be this node's turn from now on. */
  start(): void {
    this.#isOn = true;
    this.#whereabouts.start();
    this.#settle();
  }

  /** It is not this node's turn any more. */
  stop(): void {
    this.#isOn = false;
    this.#whereabouts.stop();
  }

  /** A node lives. */
  heard({ node, newest }: Beat): void {
    this.#everybody.lives(node, newest);
    this.#settle();
  }

  /** A node has said farewell, or is lost. */
  gone(node: string, isLost: boolean): void {
    this.#everybody.gone(node);
    if (isLost && node === this.#teller && this.#whose === 'ours') this.#options.tell.lost(node);
    this.#settle();
  }

  get #whose(): Whose {
    const { own, teller } = this.#options.members;
    if (this.#isOn) return teller === own ? 'ours' : 'others';
    return teller === own || teller === undefined ? 'nobodys' : 'others';
  }

  #settle(): void {
    this.#turn.settle();
    this.#teller = this.#options.members.teller;
  }

  #take(bulletin: Bulletin): void {
    // Of others it would never be known that they are gone. What this one says counts when it is heard again.
    if (this.#options.members.has(bulletin.node)) this.#everybody.take(bulletin);
  }
}
