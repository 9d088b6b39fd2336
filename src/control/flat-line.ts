/**
 * The line that uploads are nearly always made of, read without making an object of it:
 *
 *   {"userId":"ann","channel":"news","event":"invoice","data":{"n":1}}
 *
 * Its members in this order and no others, `event` or not, no space between them, names of visible ASCII
 * without escapes, and data that is an object or an array. Any other line is none of these, and is to be read as JSON:
 * so what a line means is said there alone, and here is only what it means in the simplest case.
 */
import { EVERYONE, MAX_NAME_BYTES, ownText } from '../auth/names.ts';
import type { OutgoingEvent } from '../publish/publisher.ts';
import { encodeEvent, SYSTEM_EVENT_PREFIX } from '../wire/frame.ts';
import { MAX_DEPTH } from './json-source.ts';
import type { TextLine } from './lines.ts';
import type { EmitContext } from './requests.ts';

const USER = '{"userId":"';
const CHANNEL = '","channel":"';
const EVENT = '","event":"';
const DATA = '","data":';

/** Longest data, in characters: nothing as short as that can be nested too deeply. */
const MAX_DATA = 2 * MAX_DEPTH;

// Whatever else a name may be, these are allowed: no quote, no backslash, and no * but for everyone.
const NAME = /^[!#-)+-[\]-~]+$/;

/** Of the line before: nearly always that of the next one, which then is neither checked nor made again. */
let lastChannels: readonly string[] = [''];

/** The event of such a line; undefined for all others. Hot path: for every line of an upload. */
export function flatEvent(
  { text, isAscii }: Pick<TextLine, 'text' | 'isAscii'>,
  context: EmitContext,
): OutgoingEvent | undefined {
  if (!text.startsWith(USER)) return undefined;
  const userEnd = text.indexOf('"', USER.length);
  const channelAt = userEnd + CHANNEL.length;
  const channelEnd = text.indexOf('"', channelAt);
  if (!text.startsWith(CHANNEL, userEnd) || channelEnd < 0) return undefined;
  const user = text.slice(USER.length, userEnd);
  const channel = text.slice(channelAt, channelEnd);
  if (!(user === EVERYONE || isName(user))) return undefined;
  if (channel !== lastChannels[0]) {
    if (!isName(channel)) return undefined;
    lastChannels = [ownText(channel)];
  }
  const eventEnd = endOfEvent(text, channelEnd);
  const event = eventEnd === channelEnd ? '' : text.slice(channelEnd + EVENT.length, eventEnd);
  if (event !== '' && (!isName(event) || event.startsWith(SYSTEM_EVENT_PREFIX))) return undefined;
  if (!text.startsWith(DATA, eventEnd)) return undefined;
  const data = dataFrom(text, eventEnd + DATA.length);
  if (data === undefined) return undefined;
  const body = encodeEvent(data, event);
  return {
    to: user === EVERYONE ? undefined : ownText(user),
    channels: lastChannels,
    body,
    bodyBytes: isAscii ? body.length : undefined,
    receiptSeconds: undefined,
    trace: context.trace,
    key: context.key,
    namesOffline: context.namesOffline,
  };
}

const isName = (name: string): boolean => name.length <= MAX_NAME_BYTES && NAME.test(name);

// Of the event's name, or of the channel's where there is none; -1 when it has no end.
const endOfEvent = (text: string, channelEnd: number): number =>
  text.startsWith(EVENT, channelEnd) ? text.indexOf('"', channelEnd + EVENT.length) : channelEnd;

// What lies between here and the brace at the end, if that is one value. With a further member behind it, it is
// none; nearly all of those do not end like an object or an array, which is seen without an error made.
function dataFrom(text: string, at: number): string | undefined {
  const end = text.length - 1;
  const opening = text.charCodeAt(at);
  const isLike = text.charCodeAt(end - 1) === opening + 2 && (opening | 0x20) === BRACE;
  if (!isLike || text.charCodeAt(end) !== BRACE + 2 || end - at > MAX_DATA) return undefined;
  const data = text.slice(at, end);
  if (isPlain(text, at, end)) return data;
  try {
    JSON.parse(data);
    return data;
  } catch {
    return undefined;
  }
}

// An object of one level without escapes, as JSON has it: seen at a third of the cost of making it. Whatever this
// does not take, JSON may. No text can be taken in two ways, so that it costs no more than its length.
const TEXT = '"[^"\\\\\\u0000-\\u001f]*"';
const NUMBER = '-?(?:0|[1-9][0-9]*)(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?';
const MEMBER = `${TEXT}:(?:${TEXT}|${NUMBER}|true|false|null)`;
const PLAIN = new RegExp(`\\{(?:${MEMBER}(?:,${MEMBER})*)?\\}`, 'y');

function isPlain(text: string, at: number, end: number): boolean {
  PLAIN.lastIndex = at;
  return PLAIN.test(text) && PLAIN.lastIndex === end;
}

// An opening brace. A bracket differs in one bit, and what closes either is two further on.
const BRACE = 0x7b;
