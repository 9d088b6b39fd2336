/** Tells the emitter which of the users it named are offline, so that it can reach them otherwise. */
import type { Heard } from '../hub/heard.ts';
import type { Recipients } from '../log/entry.ts';
import type { OutgoingEvent, Published, Publisher } from '../publish/publisher.ts';
import type { Presence, Roster } from './roster.ts';

/** Users named in one answer at most. */
export const MAX_OFFLINE_TOLD = 1_000;

/** Where these users are, elsewhere, in their order. Never rejects. */
export type Elsewhere = (users: readonly string[]) => Promise<Heard<Presence>>;

export interface AbsenteesOptions {
  readonly publisher: Publisher;
  /** Who is here. */
  readonly users: Roster;
  /** Undefined: there is no other machine. */
  readonly elsewhere: Elsewhere | undefined;
}

/** A publisher whose answers name who is offline, where that is asked for. */
export class AbsenteesPublisher implements Publisher {
  readonly #options: AbsenteesOptions;

  constructor(options: AbsenteesOptions) {
    this.#options = options;
  }

  publish(event: OutgoingEvent): Published | Promise<Published> {
    const published = this.#options.publisher.publish(event);
    if (event.to === undefined || event.namesOffline !== true) return published;
    // Not before every thread has it: who came meanwhile gets it.
    return published instanceof Promise
      ? published.then((late) => this.#told(event.to, late))
      : this.#told(event.to, published);
  }

  /** Of many it is not told who is offline. */
  publishAll(
    events: readonly OutgoingEvent[],
  ): readonly Published[] | Promise<readonly Published[]> {
    return this.#options.publisher.publishAll(events);
  }

  #told(to: Recipients, published: Published): Published | Promise<Published> {
    const offline = this.#offline(to);
    if (offline.length === 0) return published;
    const { elsewhere } = this.#options;
    if (elsewhere === undefined) return { ...published, offline };
    return elsewhere(offline).then((heard) => withAbsent(published, offline, heard));
  }

  #offline(to: Recipients): string[] {
    const offline: string[] = [];
    for (const user of typeof to === 'object' ? to : to === undefined ? [] : [to]) {
      if (this.#options.users.stateOf(user) !== 'offline') continue;
      offline.push(user);
      if (offline.length === MAX_OFFLINE_TOLD) break;
    }
    return offline;
  }
}

function withAbsent(
  published: Published,
  absent: readonly string[],
  { answers, unheard }: Heard<Presence>,
): Published {
  const offline = absent.filter((_, i) => answers[i] === 'offline');
  if (offline.length === 0) return published;
  return { ...published, offline, ...(unheard === undefined ? {} : { complete: false }) };
}
