/**
 * Where revocations are kept for all nodes: the newest of each name in a stream of JetStream, so that a
 * node that starts later has them. Its numbers say how far a node is.
 */
import { createHash } from 'node:crypto';
import {
  DiscardPolicy,
  type JetStreamClient,
  type JetStreamManager,
  StorageType,
} from '@nats-io/jetstream';
import { TidingsError } from '../errors.ts';
import { MAX_REVOCATIONS, type Revocation } from '../hub/revocations.ts';
import { readBehind } from '../nats/reading.ts';
import { findOrAdd } from '../nats/streams.ts';
import { count, oneOf, parseAs, record, text } from './shape.ts';
import { ALL_REVOKED, REVOKED_PREFIX, REVOKED_STREAM } from './subjects.ts';

/** How long the stream may be read, in milliseconds. */
const READ_MS = 10_000;

/** How long NATS gets to take one, in milliseconds. */
const STORE_MS = 2_000;

/** So often one is stored anew when another node stored one for the same name meanwhile. */
const TRIES = 20;

/** Revocations past their time that are removed at once, at most. */
const MAX_REMOVED = 1_000;

/** Of JetStream: another came before, and there is no room. */
const WRONG_LAST = 10_071;
const FULL = 10_077;

export interface Kept {
  /** Its number in the stream. */
  readonly n: number;
  readonly revocation: Revocation;
}

const revocationShape = record<Revocation>({
  kind: oneOf('user', 'token'),
  name: text(1_024),
  issuedBefore: count,
  until: count,
});

export class RevocationStream {
  readonly #jsm: JetStreamManager;
  readonly #js: JetStreamClient;
  readonly #now: () => number;
  /** The last of each name that is being stored: two would only get in each other's way. */
  readonly #storing = new Map<string, Promise<unknown>>();

  /** `now` is in Unix seconds. */
  constructor(jsm: JetStreamManager, js: JetStreamClient, now = () => Date.now() / 1_000) {
    this.#jsm = jsm;
    this.#js = js;
    this.#now = now;
  }

  /** Makes it, if no node has. */
  async ensure(replicas: number): Promise<void> {
    await findOrAdd(this.#jsm, {
      name: REVOKED_STREAM,
      subjects: [ALL_REVOKED],
      storage: StorageType.File,
      num_replicas: replicas,
      max_msgs_per_subject: 1,
      max_msgs: MAX_REVOCATIONS,
      // None is dropped before its time: the next one is refused.
      discard: DiscardPolicy.New,
    });
  }

  /** What it is, by when it was made, and its newest number. */
  async state(): Promise<{ readonly created: string; readonly last: number }> {
    const { created, state } = await this.#jsm.streams.info(REVOKED_STREAM);
    return { created, last: state.last_seq };
  }

  /** Those behind this number, which are all that matter. What cannot be read is left out. */
  async readAfter(after: number): Promise<Kept[]> {
    const source = { jsm: this.#jsm, js: this.#js, stream: REVOKED_STREAM };
    const kept: Kept[] = [];
    await readBehind({ ...source, after, maxMs: READ_MS }, ({ seq, data }) => {
      const revocation = read(data);
      if (revocation !== undefined) kept.push({ n: seq, revocation });
      return false;
    });
    return kept;
  }

  /**
   * Stores one; of two for the same name the later moments count. Its number.
   * @throws TidingsError `REVOCATIONS_FULL`, `OUTCOME_UNKNOWN`
   */
  async store(revocation: Revocation): Promise<number> {
    try {
      return await this.#store(revocation);
    } catch (error) {
      if (codeOf(error) !== FULL) throw notTold(error);
    }
    try {
      await this.#removeExpired();
      return await this.#store(revocation);
    } catch (error) {
      throw codeOf(error) === FULL ? full() : notTold(error);
    }
  }

  async #store(revocation: Revocation): Promise<number> {
    const subject = REVOKED_PREFIX + nameOf(revocation);
    const before = this.#storing.get(subject) ?? Promise.resolve();
    const stored = before.catch(() => {}).then(() => this.#replace(subject, revocation));
    this.#storing.set(subject, stored);
    try {
      return await stored;
    } finally {
      if (this.#storing.get(subject) === stored) this.#storing.delete(subject);
    }
  }

  async #replace(subject: string, revocation: Revocation): Promise<number> {
    for (let tried = 1; ; tried += 1) {
      const before = await this.#jsm.streams.getMessage(REVOKED_STREAM, { last_by_subj: subject });
      const whole = this.#merged(revocation, before === null ? undefined : read(before.data));
      try {
        const expect = { lastSubjectSequence: before?.seq ?? 0 };
        const options = { timeout: STORE_MS, expect };
        return (await this.#js.publish(subject, JSON.stringify(whole), options)).seq;
      } catch (error) {
        if (codeOf(error) !== WRONG_LAST || tried === TRIES) throw error;
      }
    }
  }

  #merged(revocation: Revocation, before: Revocation | undefined): Revocation {
    if (before === undefined || before.until <= this.#now()) return revocation;
    return {
      ...revocation,
      issuedBefore: Math.max(revocation.issuedBefore, before.issuedBefore),
      until: Math.max(revocation.until, before.until),
    };
  }

  async #removeExpired(): Promise<void> {
    const now = this.#now();
    const over = (await this.readAfter(0)).filter(({ revocation }) => revocation.until <= now);
    for (const { n } of over.slice(0, MAX_REMOVED))
      await this.#jsm.streams.deleteMessage(REVOKED_STREAM, n, false);
  }
}

// Any text is a name, and a subject takes few characters.
const nameOf = ({ kind, name }: Revocation): string =>
  createHash('sha256').update(`${kind} ${name}`).digest('base64url');

function read(data: Uint8Array): Revocation | undefined {
  try {
    return parseAs(revocationShape, Buffer.from(data).toString());
  } catch {
    return undefined; // somebody else wrote below our names
  }
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && 'code' in error ? error.code : undefined;

const full = (): TidingsError =>
  new TidingsError(
    'REVOCATIONS_FULL',
    `${MAX_REVOCATIONS} revocations are kept, and none is past its ttl: revoke with a shorter ttl, or change the secret`,
  );

/** Of one that may be kept, and in force, or not. */
export const notTold = (cause: unknown): TidingsError =>
  new TidingsError(
    'OUTCOME_UNKNOWN',
    'NATS did not say that it keeps the revocation, which may be in force or not: send it again, which does no harm',
    { cause },
  );
