/** Where in a token a value is: the name of a claim, or a JSON Pointer (RFC 6901) to what lies within one. */

export interface ClaimPath {
  /** As it was written. */
  readonly text: string;
  /** From the outermost member inwards; at least one. */
  readonly steps: readonly string[];
}

type Json = Readonly<Record<string, unknown>>;

/**
 * Text that begins with `/` is a pointer, any other the name of a claim as it is: names such as
 * `https://app.example/channels` need no escapes. Undefined for a pointer with a `~` that escapes nothing.
 */
export function parseClaimPath(text: string): ClaimPath | undefined {
  if (!text.startsWith('/')) return { text, steps: [text] };
  if (/~(?![01])/.test(text)) return undefined;
  const steps = text.slice(1).split('/');
  return { text, steps: steps.map((s) => s.replaceAll('~1', '/').replaceAll('~0', '~')) };
}

/** A path that is the name of a claim. */
export const claimNamed = (name: string): ClaimPath => ({ text: name, steps: [name] });

/** What is there; undefined when nothing is, never what is inherited. */
export function valueAt(claims: Json, { steps }: ClaimPath): unknown {
  let value: unknown = claims;
  for (const step of steps) value = memberOf(value, step);
  return value;
}

/** Claims that have each value at its path. No path may lie within another. */
export function claimsWith(values: readonly (readonly [path: ClaimPath, value: unknown])[]): Json {
  const claims = new Map<string, unknown>();
  for (const [{ steps }, value] of values) put(claims, steps, value);
  return objectOf(claims);
}

/** One is the other, or lies within it. */
export function overlap(a: ClaimPath, b: ClaimPath): boolean {
  const [short, long] = a.steps.length < b.steps.length ? [a, b] : [b, a];
  return short.steps.every((step, i) => step === long.steps[i]);
}

function memberOf(value: unknown, step: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  // Of an array only its items are values, not its length.
  if (Array.isArray(value) && !/^(0|[1-9]\d*)$/.test(step)) return undefined;
  return Object.hasOwn(value, step) ? (value as Json)[step] : undefined;
}

function put(into: Map<string, unknown>, steps: readonly string[], value: unknown): void {
  const [step, ...rest] = steps;
  if (step === undefined) return;
  if (rest.length === 0) return void into.set(step, value);
  const present = into.get(step);
  const inner = present instanceof Map ? present : new Map<string, unknown>();
  into.set(step, inner);
  put(inner, rest, value);
}

// Its members are its own, whatever their names: not even `__proto__` means anything else.
const objectOf = (members: ReadonlyMap<string, unknown>): Json =>
  Object.fromEntries(
    [...members].map(([name, value]) => [name, value instanceof Map ? objectOf(value) : value]),
  );
