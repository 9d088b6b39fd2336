/** Tells the emitter which of the users it named are offline, so that it can reach them otherwise. */
import type { Recipients } from '../log/entry.ts';
import type { OutgoingEvent, Published, Publisher } from '../publish/publisher.ts';
import type { Roster } from './roster.ts';

/** Users named in one answer at most. */
export const MAX_OFFLINE_TOLD = 1_000;

/** A publisher whose answers name who is offline, where that is asked for. */
export class AbsenteesPublisher implements Publisher {
  readonly #publisher: Publisher;
  readonly #users: Roster;

  constructor(publisher: Publisher, users: Roster) {
    this.#publisher = publisher;
    this.#users = users;
  }

  publish(event: OutgoingEvent): Published | Promise<Published> {
    const published = this.#publisher.publish(event);
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
    return this.#publisher.publishAll(events);
  }

  #told(to: Recipients, published: Published): Published {
    const offline = this.#offline(to);
    return offline.length === 0 ? published : { ...published, offline };
  }

  #offline(to: Recipients): string[] {
    const offline: string[] = [];
    for (const user of typeof to === 'object' ? to : to === undefined ? [] : [to]) {
      if (this.#users.stateOf(user) !== 'offline') continue;
      offline.push(user);
      if (offline.length === MAX_OFFLINE_TOLD) break;
    }
    return offline;
  }
}
