/** What a test starts stands on what it started before, so it ends in the opposite order. */
import { Cleanup } from '../../bench/support/cleanup.ts';
import type { Owner } from './sse-client.ts';

const ends = new WeakMap<Owner, Cleanup>();

/**
 * Ends a thing after the test, once all that was started after it has ended: `t.after` alone goes in the
 * order of the start, and a server whose NATS has gone first waits for it as it leaves.
 */
export function undo(t: Owner, end: () => void | Promise<void>): void {
  let cleanup = ends.get(t);
  if (cleanup === undefined) {
    const own = new Cleanup();
    ends.set(t, own);
    t.after(() => own.close());
    cleanup = own;
  }
  cleanup.after(end);
}
