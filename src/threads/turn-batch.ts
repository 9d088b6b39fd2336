/** What one thread tells another: all of a turn of the loop in one message, as each message wakes a thread. */

export class TurnBatch<T> {
  readonly #send: (items: readonly T[]) => void;
  #items: T[] = [];

  constructor(send: (items: readonly T[]) => void) {
    this.#send = send;
  }

  add(item: T): void {
    if (this.#items.length === 0) setImmediate(() => this.tell());
    this.#items.push(item);
  }

  /** Tells what there is to be told, now. */
  tell(): void {
    if (this.#items.length === 0) return;
    const items = this.#items;
    this.#items = [];
    this.#send(items);
  }
}
