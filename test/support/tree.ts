/** Channels in a tree, and prefixes above some of them, at random. */
import type { Random } from './prng.ts';

export interface Tree {
  readonly names: readonly string[];
  readonly prefixes: readonly string[];
}

/** Names whose stars and slashes mean something else than one might think. */
const ODD = ['a', 'a/', 'b', 'b*', 'a/*/c'];

/** `count` names of up to ten levels, and about as many prefixes of up to eight; some may be above none of them. */
export function randomTree(random: Random, count: number): Tree {
  const names = new Set(ODD);
  const prefixes = new Set<string>();
  while (names.size < count) {
    const levels = Array.from({ length: 1 + random.below(10) }, () => random.pick(['a', 'b', 'c']));
    names.add(levels.join('/'));
    const depth = 1 + random.below(Math.min(levels.length, 8));
    prefixes.add(`${levels.slice(0, depth).join('/')}/*`);
  }
  return { names: [...names], prefixes: [...prefixes] };
}
