/** A place for events whose order is made elsewhere, on several machines. */
import type { EntryStore } from './publisher.ts';

export interface Replica extends EntryStore {
  /** So much is still to be handed on that no more should come for a moment. */
  readonly isBehind: boolean;
  /** Everything through this number is gone; before anything else. */
  startBehind(head: number): void;
  /** Events through this number are gone before they came: streams that have had less are told. */
  lost(through: number): void;
}
