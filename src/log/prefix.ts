/**
 * Channels by prefix: `orders/*` stands for every channel whose name begins with `orders/`, however deep.
 * Nobody emits to it; whoever is on it gets what is emitted to those.
 */

/** Slashes in a prefix at most: how often an emit looks for prefixes above its channel. */
export const MAX_PREFIX_LEVELS = 8;

export const isPrefix = (name: string): boolean => name.endsWith('/*');

/** What the names of all channels below a prefix begin with, and how prefixes are found. */
export const stemOf = (prefix: string): string => prefix.slice(0, -1);

/** How many slashes a name has. */
export const levelsOf = (name: string): number => name.split('/').length - 1;

const NONE: readonly string[] = [];

/** The stems of all prefixes above a channel, shortest first. A prefix is below none. */
export function stemsOf(name: string): readonly string[] {
  let at = name.indexOf('/');
  if (at < 0 || isPrefix(name)) return NONE;
  const stems: string[] = [];
  for (; at >= 0 && stems.length < MAX_PREFIX_LEVELS; at = name.indexOf('/', at + 1))
    stems.push(name.slice(0, at + 1));
  return stems;
}
