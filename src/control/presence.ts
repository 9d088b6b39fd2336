/** Who is there: users, channels, their streams, and ending those. */
import { checkName } from '../auth/names.ts';
import { type Answer, json } from '../http/answer.ts';
import {
  CHANNEL_ORDERS,
  type ChannelOrder,
  type ChannelsQuestion,
  forSeveral,
  gatherChannels,
  gatherMembers,
} from '../hub/census.ts';
import type { Heard } from '../hub/heard.ts';
import { gatherStreams, type Selection, type StreamFacts } from '../hub/questions.ts';
import type { Presence } from '../presence/roster.ts';
import { type Ask, heard, incompleteHeader, lessHeard, type StatesOf, streamId } from './asking.ts';
import { type Fields, textOf } from './fields.ts';
import {
  choiceOf,
  cursorFor,
  cursorIn,
  invalid,
  isText,
  limitOf,
  nameIn,
  queryFields,
} from './queries.ts';
import { checkIdentity } from './requests.ts';
import { type Call, get, post, type Route } from './router.ts';

/** Users that one question may name. */
export const MAX_USERS_PER_QUESTION = 1_000;

/** When a page comes back whose stream was ended on request, in milliseconds: spread, as after a cut. */
const DISCONNECTED_RETRY_MS = [1_000, 4_000] as const;

/** Of a user with a stream. */
const ONLINE: Heard<Presence> = { answers: ['online'] };

export interface PresenceOptions {
  readonly ask: Ask;
  /** One hub answers, and no others' answers are to be added. */
  readonly isAlone: boolean;
  readonly statesOf: StatesOf;
  /** The id of the event with this number. */
  readonly idOf: (n: number) => string;
}

export class PresenceDesk {
  readonly #options: PresenceOptions;

  constructor(options: PresenceOptions) {
    this.#options = options;
  }

  get routes(): Route[] {
    return [
      get('/users/', (call) => this.#users(call)),
      get('/users/{id}/', (call) => this.#user(call)),
      get('/channels/', (call) => this.#channels(call)),
      get('/channels/{name}/', (call) => this.#channel(call)),
      post('/disconnect/', (fields) => this.#disconnect(fields)),
    ];
  }

  async #users({ query }: Call): Promise<Answer> {
    const users = namesOf(queryFields(query));
    const { answers, unheard } = await this.#options.statesOf(users);
    const states = Object.fromEntries(users.map((user, i) => [user, answers[i]]));
    // Its members are users, one of whom may be called complete.
    return json(200, states, incompleteHeader(unheard));
  }

  async #user({ params, query }: Call): Promise<Answer> {
    const user = checkName('the user', params.get('id'));
    const fields = queryFields(query);
    const limit = limitOf(fields);
    const place = cursorIn(fields, isStreamPlace) ?? 0;
    const [after, afterNode] = typeof place === 'number' ? [place, undefined] : place;
    const which = { user };
    const { ask, statesOf } = this.#options;
    const { answers, unheard } = await ask({ ask: 'streams', which, limit, after, afterNode });
    const { streams, next } = gatherStreams(answers, limit);
    const node = streams.at(-1)?.node;
    const more = nextOf(next === undefined || node === undefined ? next : [next, node]);
    const where = streams.length > 0 ? ONLINE : await statesOf([user]);
    const told = { user, state: where.answers[0], streams: streams.map(this.#told), ...more };
    return heard(told, lessHeard(unheard, where.unheard));
  }

  async #channels({ query }: Call): Promise<Answer> {
    const question = channelsQuestion(queryFields(query));
    const { ask, isAlone } = this.#options;
    const { answers, unheard } = await ask(isAlone ? question : forSeveral(question));
    const { rows, next, isComplete } = isAlone
      ? { ...answers[0]!, isComplete: true }
      : gatherChannels(answers, question);
    const more = nextOf(next === undefined ? undefined : [next.name, next[question.sort]]);
    return heard({ channels: rows, ...more, ...(isComplete ? {} : { complete: false }) }, unheard);
  }

  async #channel({ params, query }: Call): Promise<Answer> {
    const channel = checkName('the channel', params.get('name'));
    const fields = queryFields(query);
    const after = cursorIn(fields, isText);
    const question = { ask: 'members', channel, after, limit: limitOf(fields) } as const;
    const { answers, unheard } = await this.#options.ask(question);
    const { channel: row, rows, next } = gatherMembers(answers, question);
    const { name, ...counts } = row;
    return heard({ channel: name, ...counts, users: rows, ...nextOf(next?.user) }, unheard);
  }

  async #disconnect(fields: Fields): Promise<Answer> {
    const which: Selection = {
      user: nameIn(fields, 'userId'),
      channel: nameIn(fields, 'channel'),
      ...streamIn(fields),
    };
    if (which.user === undefined && which.channel === undefined && which.id === undefined)
      throw invalid(
        'say whose streams: userId, channel or stream, of which all that are given count',
      );
    checkIdentity(which.user, 'name a user, or a channel of which all streams are to end');
    const retryMs = DISCONNECTED_RETRY_MS;
    const { answers, unheard } = await this.#options.ask({ ask: 'end', which, retryMs });
    return heard({ streams: answers.reduce((sum, { count }) => sum + count, 0) }, unheard);
  }

  readonly #told = (stream: StreamFacts): object => ({
    id: streamId(stream),
    channels: stream.channels,
    since: new Date(Date.now() - stream.age * 1_000).toISOString(),
    ...(stream.address === '' ? {} : { address: stream.address }),
    position: this.#options.idOf(stream.position),
    blocked: stream.isBlocked,
  });
}

const nextOf = (value: unknown): object => (value === undefined ? {} : { next: cursorFor(value) });

function namesOf(fields: Fields): string[] {
  const names = (textOf(fields, 'ids') ?? '').split(',');
  if (names.length <= MAX_USERS_PER_QUESTION) return names.map((name) => checkName('ids', name));
  throw invalid(`ids must name 1 to ${MAX_USERS_PER_QUESTION} users, separated by commas`);
}

function streamIn(fields: Fields): Pick<Selection, 'id' | 'node'> {
  const value = fields.values.get('stream');
  if (value === undefined) return {};
  const text = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
  const [, node, digits] = /^(?:([a-z0-9]{1,16})-)?([1-9]\d{0,14})$/.exec(text) ?? [];
  if (digits !== undefined) return { id: Number(digits), node };
  throw invalid('stream must be the id of a stream, as GET /users/{id}/ gives it');
}

function channelsQuestion(fields: Fields): ChannelsQuestion {
  const sort = choiceOf(fields, 'sort', CHANNEL_ORDERS);
  const after = cursorIn(fields, isPlaceIn(sort));
  const zeros = { streams: 0, entries: 0, bytes: 0 };
  return {
    ask: 'channels',
    sort,
    limit: limitOf(fields),
    after: after === undefined ? undefined : { ...zeros, name: after[0], [sort]: after[1] },
    prefix: nameIn(fields, 'prefix') ?? '',
  };
}

const isCount = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0;

/** An id, with the node of the stream where there are several. */
const isStreamPlace = (value: unknown): value is number | [number, string] =>
  Array.isArray(value)
    ? value.length === 2 && isCount(value[0]) && isText(value[1]) && value[1].length <= 16
    : isCount(value);

/** Name and what was sorted by. */
const isPlaceIn =
  (sort: ChannelOrder) =>
  (value: unknown): value is [string, string | number] =>
    Array.isArray(value) &&
    value.length === 2 &&
    isText(value[0]) &&
    (sort === 'name' ? isText(value[1]) : isCount(value[1]));
