/** A place for events of all nodes that keeps none of them. */
import type { Replica } from '../../src/publish/replica.ts';

export const emptyStore = (): Replica => ({
  head: 0,
  isBehind: false,
  startBehind: () => {},
  admit: () => {},
  append: () => {},
  audience: () => 0,
  lost: () => {},
});
