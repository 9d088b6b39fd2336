/**
 * Names in NATS. An event for one channel lies under the channel's own subject, a `/` in its name
 * being a level, so that all channels below a prefix are one wildcard; an event for several lies once
 * under a subject for such events.
 *
 *   orders/17     ──▶ tidings.e.c.orders.17          below orders/ ──▶ tidings.e.c.orders.>
 *   Zoë, and two  ──▶ tidings.e.m
 */

/** The stream that holds all events. Installations that share NATS servers have accounts of their own. */
export const STREAM = 'TIDINGS';

/** All that the stream takes. */
export const ALL_EVENTS = 'tidings.e.>';

/** The stream, and its only subject, of the record that says which epoch it is. */
export const EPOCH_STREAM = 'TIDINGS_EPOCH';
export const EPOCH_SUBJECT = 'tidings.epoch';

const ONE_CHANNEL = 'tidings.e.c.';
export const SEVERAL_CHANNELS = 'tidings.e.m';

/** Where an event for these channels lies. */
export const subjectOf = (channels: readonly string[]): string =>
  channels.length === 1 ? ONE_CHANNEL + tokensOf(channels[0]!) : SEVERAL_CHANNELS;

/** Where all events lie that are for one channel whose name begins with this stem, which ends with a slash. */
export const subjectBelow = (stem: string): string =>
  `${ONE_CHANNEL}${tokensOf(stem.slice(0, -1))}.>`;

/** A name as levels of a subject; no two names have the same. */
export const tokensOf = (name: string): string => name.split('/').map(encodeLevel).join('.');

// Names hold no control characters, so that of an empty level is nobody else's.
const encodeLevel = (level: string): string =>
  level === '' ? '=00' : level.replace(OTHERS, asHex);

const OTHERS = /[^A-Za-z0-9_-]/gu;

const asHex = (character: string): string =>
  [...Buffer.from(character)]
    .map((byte) => `=${byte.toString(16).toUpperCase().padStart(2, '0')}`)
    .join('');
