/** What a message from the network must look like: each shape gives the value back, typed, or throws. */

export type Shape<T> = (value: unknown) => T;

/** A message is not what it should be. */
export class Misshapen extends Error {}

/** A string of at most so many UTF-16 units. */
export const text =
  (maxLength: number): Shape<string> =>
  (value) => {
    if (typeof value === 'string' && value.length <= maxLength) return value;
    throw new Misshapen(`no text of at most ${maxLength} characters`);
  };

/** A whole number that is not negative. */
export const count: Shape<number> = (value) => {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new Misshapen('no count');
};

export const number: Shape<number> = (value) => {
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  throw new Misshapen('no number');
};

export const flag: Shape<boolean> = (value) => {
  if (typeof value === 'boolean') return value;
  throw new Misshapen('neither true nor false');
};

export const oneOf =
  <T extends string>(...words: readonly T[]): Shape<T> =>
  (value) => {
    const word = words.find((candidate) => candidate === value);
    if (word !== undefined) return word;
    throw new Misshapen(`none of ${words.join(', ')}`);
  };

/** Undefined where there is nothing: JSON leaves those members out. */
export const maybe =
  <T>(shape: Shape<T>): Shape<T | undefined> =>
  (value) =>
    value === undefined || value === null ? undefined : shape(value);

export const listOf =
  <T>(shape: Shape<T>, most: number): Shape<T[]> =>
  (value) => {
    if (Array.isArray(value) && value.length <= most) return value.map((one) => shape(one));
    throw new Misshapen(`no list of at most ${most}`);
  };

/** An object with these members; others are left out. */
export const record =
  <T extends object>(members: { readonly [K in keyof T]-?: Shape<T[K]> }): Shape<T> =>
  (value) => {
    if (typeof value !== 'object' || value === null) throw new Misshapen('no object');
    const found = {} as T;
    for (const name of Object.keys(members) as (keyof T)[])
      found[name] = members[name]((value as Record<keyof T, unknown>)[name]);
    return found;
  };

/** What one shape or, when it is not that, another makes of it. */
export const either =
  <A, B>(first: Shape<A>, second: Shape<B>): Shape<A | B> =>
  (value) => {
    try {
      return first(value);
    } catch {
      return second(value);
    }
  };

/** The value of a JSON text. @throws Misshapen */
export function parseAs<T>(shape: Shape<T>, json: string): T {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Misshapen('no JSON');
  }
  return shape(value);
}
