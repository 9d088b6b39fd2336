/** Owner of what a benchmark starts: the same shape as node:test's context, so both share helpers. */
export class Cleanup {
  readonly #undo: (() => void | Promise<void>)[] = [];

  after(fn: () => void | Promise<void>): void {
    this.#undo.push(fn);
  }

  /** Undoes in reverse order, all of it even if some of it fails. Idempotent. */
  async close(): Promise<void> {
    const undo = this.#undo.pop();
    if (undo === undefined) return;
    try {
      await undo();
    } finally {
      await this.close();
    }
  }
}

/** Runs `body` with an owner of its own, and closes that whatever happens. */
export async function withCleanup<T>(body: (owner: Cleanup) => Promise<T>): Promise<T> {
  const owner = new Cleanup();
  try {
    return await body(owner);
  } finally {
    await owner.close();
  }
}
