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
import { type AnswerTo, gatherStreams, type Question, type StreamFacts } from '../hub/questions.ts';
import type { Presence } from '../presence/roster.ts';
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
import { type Call, get, post, type Route } from './router.ts';

/** Users that one question may name. */
export const MAX_USERS_PER_QUESTION = 1_000;

/** When a page comes back whose stream was ended on request, in milliseconds: spread, as after a cut. */
const DISCONNECTED_RETRY_MS = [1_000, 4_000] as const;

/** Asks every hub. */
export type Ask = <Q extends Question>(question: Q) => Promise<AnswerTo<Q>[]>;

export interface PresenceOptions {
  readonly ask: Ask;
  /** One hub answers, and no others' answers are to be added. */
  readonly isAlone: boolean;
  readonly stateOf: (user: string) => Presence;
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

  #users({ query }: Call): Answer {
    const states = namesOf(queryFields(query)).map((user) => [user, this.#options.stateOf(user)]);
    return json(200, Object.fromEntries(states));
  }

  async #user({ params, query }: Call): Promise<Answer> {
    const user = checkName('the user', params.get('id'));
    const fields = queryFields(query);
    const limit = limitOf(fields);
    const after = cursorIn(fields, isCount) ?? 0;
    const which = { user };
    const answers = await this.#options.ask({ ask: 'streams', which, limit, after });
    const { streams, next } = gatherStreams(answers, limit);
    const state = streams.length > 0 ? 'online' : this.#options.stateOf(user);
    return json(200, { user, state, streams: streams.map(this.#told), ...nextOf(next) });
  }

  async #channels({ query }: Call): Promise<Answer> {
    const question = channelsQuestion(queryFields(query));
    const { ask, isAlone } = this.#options;
    const answers = await ask(isAlone ? question : forSeveral(question));
    const { rows, next, isComplete } = gatherChannels(answers, question);
    const more = nextOf(next === undefined ? undefined : [next.name, next[question.sort]]);
    return json(200, { channels: rows, ...more, ...(isComplete ? {} : { complete: false }) });
  }

  async #channel({ params, query }: Call): Promise<Answer> {
    const channel = checkName('the channel', params.get('name'));
    const fields = queryFields(query);
    const after = cursorIn(fields, isText);
    const question = { ask: 'members', channel, after, limit: limitOf(fields) } as const;
    const { channel: row, rows, next } = gatherMembers(await this.#options.ask(question), question);
    const { name, ...counts } = row;
    return json(200, { channel: name, ...counts, users: rows, ...nextOf(next?.user) });
  }

  async #disconnect(fields: Fields): Promise<Answer> {
    const which = {
      user: nameIn(fields, 'userId'),
      channel: nameIn(fields, 'channel'),
      id: streamIdIn(fields),
    };
    if (which.user === undefined && which.channel === undefined && which.id === undefined)
      throw invalid(
        'say whose streams: userId, channel or stream, of which all that are given count',
      );
    const retryMs = DISCONNECTED_RETRY_MS;
    const ended = await this.#options.ask({ ask: 'end', which, retryMs });
    return json(200, { streams: ended.reduce((sum, { count }) => sum + count, 0) });
  }

  readonly #told = (stream: StreamFacts): object => ({
    id: String(stream.id),
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

function streamIdIn(fields: Fields): number | undefined {
  const value = fields.values.get('stream');
  if (value === undefined) return undefined;
  const id = typeof value === 'string' && /^[1-9]\d{0,15}$/.test(value) ? Number(value) : value;
  if (Number.isSafeInteger(id) && Number(id) > 0) return Number(id);
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

/** Name and what was sorted by. */
const isPlaceIn =
  (sort: ChannelOrder) =>
  (value: unknown): value is [string, string | number] =>
    Array.isArray(value) &&
    value.length === 2 &&
    isText(value[0]) &&
    (sort === 'name' ? isText(value[1]) : isCount(value[1]));
