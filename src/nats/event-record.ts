/**
 * An event as it lies in the stream: a line of JSON that says who it is for and where it came from,
 * then the frame without its id, which is the place in the stream and not known before.
 */
import type { Recipients } from '../log/entry.ts';
import type { Body } from '../wire/frame.ts';

/** What changes when a node of an older version could not read it any more. */
const VERSION = 1;

export interface EventRecord {
  readonly to: Recipients;
  readonly channels: readonly string[];
  readonly body: Body;
  readonly trace?: string | undefined;
  /** The node that it came from, and the number that it has there: so its own emits are known again. */
  readonly origin: string;
  readonly ticket: number;
}

export function encodeRecord({ to, channels, body, trace, origin, ticket }: EventRecord): Buffer {
  const users = typeof to === 'object' ? [...to] : (to ?? null);
  const head = { v: VERSION, c: channels, u: users, o: origin, i: ticket, t: trace };
  return Buffer.from(`${JSON.stringify(head)}\n${body}`);
}

/** Undefined for what no node of this version has written. */
export function decodeRecord(bytes: Uint8Array): EventRecord | undefined {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  const end = text.indexOf('\n');
  const head = end < 0 ? undefined : parseObject(text.slice(0, end));
  if (head === undefined || head['v'] !== VERSION) return undefined;
  const { c: channels, u: users, o: origin, i: ticket, t: trace } = head;
  if (!isNames(channels) || channels.length === 0 || !isUsers(users)) return undefined;
  if (typeof origin !== 'string' || typeof ticket !== 'number') return undefined;
  const to = typeof users === 'string' ? users : users === null ? undefined : new Set(users);
  const known = typeof trace === 'string' ? trace : undefined;
  return { to, channels, body: text.slice(end + 1), trace: known, origin, ticket };
}

function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

const isNames = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((name) => typeof name === 'string');

const isUsers = (value: unknown): value is string | string[] | null =>
  value === null || typeof value === 'string' || isNames(value);
