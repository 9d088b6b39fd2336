/** A number that two different events share once in four thousand million times. */
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

// The end of each text counts as well, with what is no character.
function add(start: number, text: string): number {
  let hash = start;
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), PRIME);
  return Math.imul(hash ^ 0x10000, PRIME);
}
