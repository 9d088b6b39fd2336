/** What a thread knows of the places of its streams; the main thread counts them. */
import type { Stream } from '../hub/stream.ts';
import type { Owner, Refusal } from '../public/admission.ts';
import type { Guest, Guests } from '../public/guests.ts';

export interface RemoteGuestsOptions {
  readonly ask: (id: number, owner: Owner) => void;
  readonly tellLeft: (guest: Guest) => void;
  /** Ends a stream for a newer one. */
  readonly replace: (stream: Stream) => void;
}

export class RemoteGuests implements Guests {
  readonly #options: RemoteGuestsOptions;
  readonly #asking = new Map<number, (entry: Guest | Refusal) => void>();
  readonly #streams = new Map<Guest, Stream>();
  readonly #guests = new Map<Stream, Guest>();
  #lastQuestion = 0;

  constructor(options: RemoteGuestsOptions) {
    this.#options = options;
  }

  enter({ user, address }: Owner): Promise<Guest | Refusal> {
    this.#lastQuestion += 1;
    const id = this.#lastQuestion;
    this.#options.ask(id, { user, address });
    return new Promise((resolve) => this.#asking.set(id, resolve));
  }

  /** The main thread has answered. */
  answered(id: number, entry: Guest | Refusal): void {
    this.#asking.get(id)?.(entry);
    this.#asking.delete(id);
  }

  /** The main thread has given the place to another. */
  evicted(guest: Guest): void {
    const stream = this.#streams.get(guest);
    if (stream !== undefined) this.#options.replace(stream);
  }

  opened(guest: Guest, stream: Stream): void {
    this.#streams.set(guest, stream);
    this.#guests.set(stream, guest);
  }

  left(guest: Guest): void {
    this.#options.tellLeft(guest);
  }

  closed(stream: Stream): void {
    const guest = this.#guests.get(stream);
    if (guest === undefined) return;
    this.#guests.delete(stream);
    this.#streams.delete(guest);
    this.#options.tellLeft(guest);
  }
}
