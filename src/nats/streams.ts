/** The two streams in NATS: made by whichever node comes first, and by no node changed. */
import { type JetStreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { failStart } from '../errors.ts';
import { ALL_EVENTS, EPOCH_STREAM, EPOCH_SUBJECT, STREAM } from './subjects.ts';

export interface StreamPolicy {
  /** Servers that keep a copy of each event. */
  readonly replicas: number;
  /** How long an event is kept. */
  readonly historySeconds: number;
  /** What the stream may take on disk; the oldest go first. */
  readonly maxBytes: number;
}

/** How long a key of an emit is remembered at most, in seconds: it costs memory in the server. */
export const MAX_DUPLICATE_SECONDS = 120;

const NANOSECONDS = 1e9;

/** What is true of the stream now. */
export interface StreamFacts {
  /** Milliseconds since 1970. */
  readonly created: number;
  /** Number of the oldest event that it still has; one more than `last` when it has none. */
  readonly first: number;
  readonly last: number;
}

export interface StreamState extends StreamFacts {
  /** What they take on disk. */
  readonly bytes: number;
  /** Numbers between them that it does not have: taken out by hand, or by a disk that failed. */
  readonly deletedCount: number;
}

/** @throws TidingsError `CONFIG_INVALID` when the stream is there and is another than it would be made now */
export async function ensureStreams(jsm: JetStreamManager, policy: StreamPolicy): Promise<void> {
  const { replicas, historySeconds, maxBytes } = policy;
  const wanted = {
    name: STREAM,
    subjects: [ALL_EVENTS],
    retention: RetentionPolicy.Limits,
    // In memory a server reuses numbers after a restart.
    storage: StorageType.File,
    num_replicas: replicas,
    max_age: historySeconds * NANOSECONDS,
    duplicate_window: Math.min(MAX_DUPLICATE_SECONDS, historySeconds) * NANOSECONDS,
  };
  const found = await findOrAdd(jsm, { ...wanted, max_bytes: maxBytes });
  const differences = Object.entries(wanted)
    .map(([name, value]) => [name, value, Reflect.get(found, name)] as const)
    .filter(([, value, is]) => JSON.stringify(value) !== JSON.stringify(is))
    .map(
      ([name, value, is]) => `${name} is ${JSON.stringify(is)} and not ${JSON.stringify(value)}`,
    );
  if (differences.length > 0)
    failStart(
      `the stream ${STREAM} in NATS is another than these options make (-history-ttl, -nats-replicas): ${differences.join(', ')}. Start all nodes with the options it was made with, or change it first (nats stream edit ${STREAM})`,
    );
  await findOrAdd(jsm, {
    name: EPOCH_STREAM,
    subjects: [EPOCH_SUBJECT],
    storage: StorageType.File,
    num_replicas: replicas,
    max_msgs_per_subject: 1,
  });
}

/** What its leader says of the stream. */
export async function factsOf(jsm: JetStreamManager): Promise<StreamState> {
  const { created, state } = await jsm.streams.info(STREAM);
  const last = state.last_seq;
  const first = state.messages === 0 ? last + 1 : state.first_seq;
  const { bytes, num_deleted: deletedCount = 0 } = state;
  return { created: Date.parse(created), first, last, bytes, deletedCount };
}

/** Names of what follows the stream begin with the node's part, which this ends: a node's run, unlike any other's. */
export const followerPrefix = (origin: string): string => `${FOLLOWER}${origin}-`;

const FOLLOWER = 'node-';

/** Whether other nodes than `origin` follow the stream, or did a short while ago. Rejects when NATS does not answer. */
export async function hasOtherNodes(connection: NatsConnection, origin: string): Promise<boolean> {
  // Names alone: for more a server asks those that lead them, which takes seconds when one is gone.
  const answer = await connection.request(`$JS.API.CONSUMER.NAMES.${STREAM}`, '', ASKING);
  const { consumers } = Object(answer.json()) as Record<string, unknown>;
  if (!Array.isArray(consumers)) throw new Error('NATS does not say who follows the stream');
  return consumers.map(String).some((name) => isFollower(name) && !isOf(origin, name));
}

const ASKING = { timeout: 5_000 };

const isFollower = (name: string): boolean => name.startsWith(FOLLOWER);
const isOf = (origin: string, name: string): boolean => name.startsWith(followerPrefix(origin));

/** Those numbers, ascending. */
export async function holesOf(jsm: JetStreamManager): Promise<number[]> {
  const { state } = await jsm.streams.info(STREAM, { deleted_details: true });
  return (state.deleted ?? []).sort((a, b) => a - b);
}

type Added = Parameters<JetStreamManager['streams']['add']>[0];

/** What is configured of a stream that is there, or is made now. */
export async function findOrAdd(jsm: JetStreamManager, wanted: Added): Promise<object> {
  try {
    return (await jsm.streams.info(wanted.name)).config;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  return (await jsm.streams.add(wanted)).config;
}

/** Of `error`: there is no such stream, or message. */
export const isNotFound = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === 'StreamNotFoundError' || /not found/.test(error.message));
