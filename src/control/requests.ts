/** What the bodies of `/emit/` and `/token/` must hold; everything else in them is ignored. */
import type { NewToken } from '../auth/auth.ts';
import { isTokenId, MAX_CHANNELS_PER_TOKEN, MAX_TOKEN_ID_LENGTH } from '../auth/claims.ts';
import {
  checkName,
  EVERYONE,
  emitChannelFault,
  MAX_NAME_BYTES,
  numberAsName,
  ownText,
  tokenChannelFault,
} from '../auth/names.ts';
import { TidingsError } from '../errors.ts';
import type { Recipients } from '../log/entry.ts';
import type { EventKey, OutgoingEvent } from '../publish/publisher.ts';
import { parseEventId } from '../wire/event-id.ts';
import { type Body, encodeEvent, encodeRaw, SYSTEM_EVENT_PREFIX } from '../wire/frame.ts';
import { type Fields, textOf, valuesOf } from './fields.ts';

/** Channels one emit may name. */
export const MAX_CHANNELS_PER_EMIT = 100;

/** Users one emit may name; to reach more, emit to `*` or several times. */
export const MAX_USERS_PER_EMIT = 10_000;

/** Users of one receipt at most. */
export const MAX_USERS_PER_RECEIPT = 1_000;

/** What a token that is asked for depends on besides the request. */
export interface TokenContext {
  /** Longest life, in seconds. */
  readonly maxTokenSeconds: number;
  /** The id of the newest event. */
  readonly position: () => string;
}

/** What an event has besides its fields. */
export type EmitContext = Pick<OutgoingEvent, 'trace' | 'key' | 'namesOffline'>;

/** @throws TidingsError `FIELD_MISSING` or `FIELD_INVALID`, naming the field */
export function parseEmit(
  fields: Fields,
  { trace, key, namesOffline }: EmitContext = {},
): OutgoingEvent {
  const to = recipients(valuesOf(fields, 'userId', MAX_USERS_PER_EMIT));
  const channels = names('channel', valuesOf(fields, 'channel', MAX_CHANNELS_PER_EMIT));
  checkChannels(channels, emitChannelFault);
  const text = bodyOf(fields);
  const receiptSeconds = receiptOf(fields, to);
  const body = receiptSeconds === undefined ? text : ownText(text); // kept until then
  return { to, channels, body, receiptSeconds, trace, key, namesOffline };
}

/** Longest key, in characters. */
export const MAX_KEY_LENGTH = 256;

/** What a request says of the keys of its events. */
export interface KeyHeader {
  /** `Idempotency-Key` as it came, several lines as one list, which is no key; empty when absent. */
  readonly idempotencyKey: string;
}

/**
 * The key of an event: its field `key`, or that of its request; undefined without either. `line`: its
 * place in a request that has several, from 1. @throws TidingsError `FIELD_INVALID`
 */
export function keyOf(fields: Fields, head: KeyHeader, line?: number): EventKey | undefined {
  const ofRequest = requestKey(head, line);
  const own = fields.values.get('key');
  return own === undefined ? ofRequest : { name: checkKey('key', numberAsName(own)) };
}

/** The key of an event that has none of its own. @throws TidingsError `FIELD_INVALID` */
export function requestKey(
  { idempotencyKey: header }: KeyHeader,
  line: number | undefined,
): EventKey | undefined {
  if (header === '') return undefined;
  // The draft of the header has it in quotes, its users have not.
  return { name: checkKey('Idempotency-Key', header.replace(/^"(.*)"$/, '$1')), line };
}

function checkKey(name: string, key: unknown): string {
  if (typeof key === 'string' && KEY.test(key)) return ownText(key);
  return invalid(`${name} must be 1 to ${MAX_KEY_LENGTH} characters of visible ASCII`);
}

const KEY = new RegExp(`^[!-~]{1,${MAX_KEY_LENGTH}}$`);

/** @throws TidingsError `FIELD_MISSING` or `FIELD_INVALID`, naming the field */
export function parseTokenRequest(fields: Fields, context: TokenContext): NewToken {
  const userId = checkName('userId', fields.values.get('userId'));
  checkIdentity(userId, 'name a user');
  const channels = names('channel', valuesOf(fields, 'channel', MAX_CHANNELS_PER_TOKEN));
  checkChannels(channels, tokenChannelFault);
  const seconds = secondsOf(fields, context.maxTokenSeconds);
  const from = fromOf(fields, context.position);
  return { userId, channels, seconds, from, tokenId: tokenIdOf(fields, 'jti') };
}

/** `*` stands for all in an emit only: taken for somebody's name here, it would do nothing, and seem to. */
export function checkIdentity(user: string | undefined, advice: string): void {
  if (user === EVERYONE) invalid(`userId * names recipients, and is nobody: ${advice}`);
}

/** The id of a token; undefined when it is not given. @throws TidingsError `FIELD_INVALID` */
export function tokenIdOf(fields: Fields, name: string): string | undefined {
  const id = textOf(fields, name);
  if (id === undefined || isTokenId(id)) return id;
  return invalid(`${name} must have 1 to ${MAX_TOKEN_ID_LENGTH} characters`);
}

function receiptOf(fields: Fields, to: Recipients): number | undefined {
  const value = fields.values.get('receipt');
  if (value === undefined) return undefined;
  const given = fields.isForm ? value : isObject(value) ? value['within'] : undefined;
  const seconds = typeof given === 'string' && /^\d{1,4}$/.test(given) ? Number(given) : given;
  const users = typeof to === 'object' ? to.size : Number(to !== undefined);
  if (users < 1 || users > MAX_USERS_PER_RECEIPT)
    return invalid(`a receipt is for 1 to ${MAX_USERS_PER_RECEIPT} users by name`);
  if (typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 1 && seconds <= 3_600)
    return seconds;
  return invalid('receipt must be {"within": seconds}, 1 to 3600; in a form the seconds alone');
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

// Without duplicates. Nearly all have one.
function names(field: string, values: readonly unknown[]): readonly string[] {
  if (values.length === 1) return [checkName(field, values[0])];
  return [...new Set(values.map((value) => checkName(field, value)))];
}

function checkChannels(names: readonly string[], faultOf: (name: string) => string | undefined) {
  for (const name of names) {
    const fault = faultOf(name);
    if (fault !== undefined) invalid(`channel ${fault}`);
  }
}

function recipients(values: readonly unknown[]): Recipients {
  const users = names('userId', values);
  if (users.includes(EVERYONE)) return undefined;
  return users.length === 1 ? users[0] : new Set(users);
}

function bodyOf(fields: Fields): Body {
  const payload = textOf(fields, 'payload');
  const event = textOf(fields, 'event');
  if (payload === undefined) return encodeEvent(dataOf(fields), checkEvent(event));
  // Beside a payload, null is the empty field of a typed client, as it is everywhere else.
  if ((fields.values.get('data') ?? null) !== null)
    invalid('payload and data exclude each other: give one of them');
  if (event !== undefined) invalid('event goes with data: a payload holds its own event: line');
  return encodeRaw(payload);
}

// Text, or any other value of JSON as it was written.
function dataOf(fields: Fields): string {
  const isText = fields.isForm || typeof fields.values.get('data') === 'string';
  const data = isText ? textOf(fields, 'data') : fields.sourceOf('data');
  if (data !== undefined) return data;
  throw new TidingsError('FIELD_MISSING', 'payload is missing (or give data)');
}

function checkEvent(event: string | undefined): string | undefined {
  if (event === undefined) return undefined;
  if (/[\r\n\0]/.test(event)) invalid('event must not contain CR, LF or NUL');
  if (Buffer.byteLength(event) > MAX_NAME_BYTES)
    invalid(`event must be at most ${MAX_NAME_BYTES} bytes`);
  if (event.startsWith(SYSTEM_EVENT_PREFIX))
    invalid(`event names with ${SYSTEM_EVENT_PREFIX} are the server's own`);
  return event;
}

// A form has only text; in JSON a number must be a number.
function secondsOf(fields: Fields, max: number): number {
  const value = fields.values.get('exp');
  if (value === undefined)
    throw new TidingsError('FIELD_MISSING', 'exp is missing: seconds from now');
  const isDigits = fields.isForm && typeof value === 'string' && /^\d{1,10}$/.test(value);
  const seconds = isDigits ? Number(value) : value;
  if (typeof seconds === 'number' && Number.isInteger(seconds) && seconds >= 1 && seconds <= max)
    return seconds;
  return invalid(`exp must be a whole number of seconds from 1 to ${max} (-max-token-life)`);
}

function fromOf(fields: Fields, position: () => string): string | undefined {
  const from = textOf(fields, 'from');
  if (from === 'now') return position();
  if (from === undefined || parseEventId(from) !== undefined) return from;
  return invalid('from must be an id as GET /position/ and POST /emit/ answer it, or now');
}

function invalid(message: string): never {
  throw new TidingsError('FIELD_INVALID', message);
}
