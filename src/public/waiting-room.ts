/** Where requests wait for what others have to say about them, before they become streams. */

/**
 * Requests that wait at once in one thread. Each has a connection, and holds the head of its request: 16 KB
 * at most. Further ones are told to come back.
 */
export const MAX_WAITING = 10_000;

export class WaitingRoom {
  readonly #seats: number;
  #taken = 0;

  constructor(seats: number) {
    this.#seats = seats;
  }

  get isFull(): boolean {
    return this.#taken >= this.#seats;
  }

  /** Takes a seat until `answer`, which must not fail, is there; false when there is none. */
  seat(answer: Promise<void>): boolean {
    if (this.isFull) return false;
    this.#taken += 1;
    void answer.then(() => {
      this.#taken -= 1;
    });
    return true;
  }
}
