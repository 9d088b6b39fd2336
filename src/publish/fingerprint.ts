/** A number that two different events share once in four thousand million times. */
import { idempotencyMismatch } from '../errors.ts';
import type { OutgoingEvent } from './publisher.ts';

const OFFSET = 0x811c9dc5;
const PRIME = 0x01000193;

/** Over what of an event its emitter has a say in, but for the key. A 32-bit integer (FNV-1a over UTF-16). */
export function fingerprint({ body, channels, to }: OutgoingEvent): number {
  let hash = add(OFFSET, body);
  for (const channel of channels) hash = add(hash, channel);
  hash = add(hash, ''); // where the users begin
  if (typeof to === 'string') return add(hash, to);
  for (const user of to ?? []) hash = add(hash, user);
  return to === undefined ? hash : add(hash, '');
}

/**
 * Of each of these events the place of the first with its key, its own without one; lines of an upload have
 * theirs apart. @throws TidingsError `IDEMPOTENCY_MISMATCH` when those of one key are not the same
 */
export function placesByKey(events: readonly OutgoingEvent[]): number[] {
  const first = new Map<string, number>();
  return events.map((event, index) => {
    const { key } = event;
    if (key === undefined || key.line !== undefined) return index;
    const place = first.get(key.name);
    if (place === undefined) first.set(key.name, index);
    else if (fingerprint(events[place]!) !== fingerprint(event)) throw idempotencyMismatch();
    return place ?? index;
  });
}

// The end of each text counts as well, with what is no character.
function add(start: number, text: string): number {
  let hash = start;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return Math.imul(hash ^ 0x10000, PRIME);
}
