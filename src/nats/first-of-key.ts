/** Keys of emits, as NATS compares them, and what it has stored under one beside an event that it takes for the same. */
import { createHash } from 'node:crypto';
import { fingerprint } from '../publish/fingerprint.ts';
import type { EventKey, OutgoingEvent } from '../publish/publisher.ts';
import { decodeRecord } from './event-record.ts';

/** An emit, and how its own event is known again. */
export interface Keyed {
  readonly event: OutgoingEvent;
  readonly origin: string;
  readonly ticket: number;
}

/** `own`: this very emit, sent before. `same`: what another emit said too. `other`: another event. */
export type Likeness = 'own' | 'same' | 'other';

/** `stored`: undefined when the stream has dropped it: then nobody can tell any more, and it counts as the same. */
export function likenessOf(stored: Uint8Array | undefined, keyed: Keyed): Likeness {
  const record = stored && decodeRecord(stored);
  if (record === undefined) return 'same';
  if (record.origin === keyed.origin && record.ticket === keyed.ticket) return 'own';
  return fingerprint(record) === fingerprint(keyed.event) ? 'same' : 'other';
}

/**
 * The message id of an emit with a key. NATS compares ids over the whole stream: the channels have to be in
 * them. As a digest, since it takes 64 KB for a head, and a hundred long names are more.
 */
export function keyedId(channels: readonly string[], { name, line }: EventKey): string {
  // Neither names nor keys hold line ends, and what follows the channels has two lines.
  const text = [...channels]
    .sort()
    .concat(name, String(line ?? ''))
    .join('\n');
  return `k:${createHash('sha256').update(text).digest('base64url')}`;
}
