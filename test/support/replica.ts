/** A place for events of all nodes that keeps none of them. */
import type { Replica } from '../../src/nats/follower.ts';

export const emptyStore = (): Replica => ({
  head: 0,
  startBehind: () => {},
  admit: () => {},
  append: () => {},
  audience: () => 0,
  lost: () => {},
});
