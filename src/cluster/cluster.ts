/**
 * All nodes together: who they are, what they know, and what is in force on each of them. Nothing of it
 * is stored, but for revocations.
 *
 *   GET /users/42/ ──▶ this node ──question──▶ every node ──▶ answers, until all live ones have been heard
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { TidingsError } from '../errors.ts';
import type { Heard, Unheard } from '../hub/heard.ts';
import { type Measures, single } from '../hub/measures.ts';
import type { AnswerTo, SharedQuestion } from '../hub/questions.ts';
import type { Revocation } from '../hub/revocations.ts';
import type { Logger } from '../logger.ts';
import { Complaints } from '../nats/complaints.ts';
import { connectTo, type Link, type NatsAddress } from '../nats/connect.ts';
import { waitFor } from '../nats/patience.ts';
import type { Presence } from '../presence/roster.ts';
import { Bulletins, type Change } from './bulletins.ts';
import { Comings, type Tell } from './comings.ts';
import type { Present } from './everybody.ts';
import { Heartbeat } from './heartbeat.ts';
import { ASK_MS, type AskOptions, DO_MS, Inquirer } from './inquirer.ts';
import { Members } from './members.ts';
import type { AnyNodeAnswer, NodeQuestion } from './node-questions.ts';
import { type AskHere, answerForOther, ownAnswer } from './own-answers.ts';
import { Responder } from './responder.ts';
import { RevocationList } from './revocation-list.ts';
import { notTold, RevocationStream } from './revocation-stream.ts';
import { nearer, RollCall } from './roll-call.ts';
import { BULLETIN_SUBJECT } from './subjects.ts';

/** How long one question to JetStream may take, in milliseconds. */
const NATS_MS = 2_000;

/** How long the farewell may take to be sent, in milliseconds. */
const FAREWELL_MS = 500;

export interface ClusterOptions {
  readonly address: NatsAddress;
  readonly replicas: number;
  /** How long one that left is away, in seconds. */
  readonly graceSeconds: number;
  readonly logger: Logger;
}

/** What a node knows by itself. */
export interface OwnNode {
  readonly ask: AskHere;
  readonly statesOf: (users: readonly string[]) => readonly Presence[];
  /** All who are here. */
  readonly names: () => Pick<Present, 'users' | 'channels'>;
  /** Undefined: it has no receiver of webhooks. */
  readonly tell: Tell | undefined;
}

export class Cluster {
  readonly node: string;
  readonly #options: ClusterOptions;
  readonly #members: Members;
  readonly #link: Link;
  readonly #heartbeat: Heartbeat;
  readonly #inquirer: Inquirer;
  readonly #kept: RevocationStream;
  readonly #list: RevocationList;
  readonly #rollCall: RollCall;
  readonly #bulletins: Bulletins;
  #own: OwnNode | undefined;
  #comings: Comings | undefined;
  /** Until then others may be here that have not been heard yet. */
  #introduced: Promise<unknown> = Promise.resolve();

  /** Waits for NATS. @throws TidingsError `CONFIG_INVALID`, `BACKPLANE_DOWN` */
  static open(options: ClusterOptions): Promise<Cluster> {
    return waitFor(() => connected(options), {
      logger: options.logger,
      message: (reason) =>
        `what nodes say to each other cannot go through NATS (${reason}): see docs/cluster.md, Permissions`,
    });
  }

  constructor(options: ClusterOptions, link: Link, kept: RevocationStream) {
    this.#options = options;
    this.#link = link;
    this.node = nodeName();
    this.#members = new Members(this.node);
    this.#kept = kept;
    this.#list = new RevocationList({ stream: kept, apply: (all) => this.#apply(all) });
    this.#inquirer = new Inquirer({ link, members: this.#members, onFault: this.#onFault });
    this.#rollCall = new RollCall((users) => this.#ask({ ask: 'states', users }));
    this.#bulletins = new Bulletins(this.node, (bulletin) => {
      if (this.#members.hasTeller && link.isUp && !link.connection.isClosed())
        link.connection.publish(BULLETIN_SUBJECT, JSON.stringify(bulletin));
    });
    this.#heartbeat = new Heartbeat({
      ...{ link, members: this.#members, onFault: this.#onFault },
      facts: () => ({ tells: this.#comings !== undefined, newest: this.#bulletins.newest }),
      onHeard: (beat) => this.#comings?.heard(beat),
      // What was missed while NATS was away, or a question that did not come.
      onBeat: () => void this.#settle(),
    });
  }

  /** Has all revocations in force, and is there for the others from then on. @throws TidingsError `BACKPLANE_DOWN` */
  async start(own: OwnNode): Promise<void> {
    this.#own = own;
    // First: what is revoked while this node reads what is kept, it is asked to have in force, too.
    new Responder({
      ...{ connection: this.#link.connection, own: this.node },
      answer: (question) => this.#answer(question),
      onFault: this.#onFault,
    });
    await waitFor(() => this.#list.catchUp(), {
      logger: this.#options.logger,
      message: (reason) =>
        `NATS does not say which tokens are revoked (${reason}): see that its servers run with JetStream`,
    });
    this.#comings = own.tell && this.#makeComings(own.tell);
    this.#heartbeat.start();
    this.#introduced = delay(ASK_MS, undefined, { ref: false });
    void this.#introduced.then(() => this.#comings?.start());
  }

  /** A name was on no stream of this node, and is on one now, or the other way round. */
  note(change: Change): void {
    this.#bulletins.note(change);
  }

  /** Another node is to tell what comes and goes from now on, if there is one. */
  retire(): void {
    this.#comings?.stop();
    this.#comings = undefined;
    this.#heartbeat.beat();
  }

  /** What all nodes say, this one last: it has the history. */
  async ask<Q extends SharedQuestion>(question: Q): Promise<Heard<AnswerTo<Q>>> {
    const waitMs = question.ask === 'end' ? DO_MS : undefined;
    const [here, { answers, unheard }] = await Promise.all([
      ownAnswer(this.node, this.#node.ask, question),
      this.#ask(question, { waitMs }),
    ]);
    // Each was checked to be one to this question.
    return { answers: [...(answers as readonly AnswerTo<Q>[]), here], unheard };
  }

  /** Where these users are, over all nodes; at most a thousand. Asks only for those who are not online here. */
  async statesOf(users: readonly string[]): Promise<Heard<Presence>> {
    const here = this.#node.statesOf(users);
    const others = users.filter((_, i) => here[i] !== 'online');
    const { answers, unheard } = await this.statesElsewhere(others);
    const there = new Map(others.map((user, i) => [user, answers[i]]));
    return { answers: users.map((user, i) => nearer(here[i], there.get(user))), unheard };
  }

  /** Where these users are on other nodes; at most a thousand. */
  statesElsewhere(users: readonly string[]): Promise<Heard<Presence>> {
    return this.#rollCall.statesOf(users);
  }

  /**
   * Keeps a revocation and has it in force on every node; how many streams it has ended on each.
   * @throws TidingsError `REVOCATIONS_FULL`, `BACKPLANE_DOWN`, `OUTCOME_UNKNOWN`
   */
  async revoke(revocation: Revocation): Promise<Heard<number>> {
    if (!this.#link.isUp) throw notReached();
    const n = await this.#kept.store(revocation);
    const asked = this.#ask({ ask: 'revoked', through: n }, { waitMs: DO_MS });
    const own = await this.#list.reach(n).catch((error) => {
      throw notTold(error);
    });
    const { answers, unheard } = await asked;
    return { answers: [...answers.map(({ count }) => count), own], unheard };
  }

  /** Has in force what every node has; undefined when it does. */
  async settleRevocations(): Promise<Unheard | undefined> {
    return (await this.#settle())
      ? undefined
      : { nodes: this.#members.others.length + 1, answered: 1 };
  }

  get measures(): Measures {
    return {
      values: {
        members: single(this.#members.others.length + 1),
        unanswered: single(this.#inquirer.unheardCount),
      },
      times: {},
    };
  }

  /** Says farewell, so that the others do not wait for it. Idempotent. */
  async close(): Promise<void> {
    this.#comings?.stop();
    this.#bulletins.flush();
    this.#heartbeat.stop();
    const { connection } = this.#link;
    const isSent = connection.isClosed() ? undefined : connection.flush().catch(() => {});
    await Promise.race([isSent, delay(FAREWELL_MS, undefined, { ref: false })]);
    await connection.close();
  }

  get #node(): OwnNode {
    if (this.#own === undefined) throw new Error('asked before it was there');
    return this.#own;
  }

  readonly #onFault = (error: Error): void =>
    this.#options.logger.warn({ reason: error.message }, STRANGE);

  async #ask<Q extends NodeQuestion>(question: Q, options?: AskOptions) {
    await this.#introduced;
    return this.#inquirer.ask(question, options);
  }

  #makeComings(tell: Tell): Comings {
    const comings = new Comings({
      ...{ link: this.#link, members: this.#members, onFault: this.#onFault, tell },
      graceSeconds: this.#options.graceSeconds,
      ask: async (node) => (node === this.node ? this.#present() : this.#presentOn(node)),
    });
    this.#members.onGone = (node, isLost) => comings.gone(node, isLost);
    return comings;
  }

  async #presentOn(node: string): Promise<Present | undefined> {
    const { answers } = await this.#ask({ ask: 'present' }, { waitMs: DO_MS, to: node });
    return answers[0];
  }

  // What waits has a number first, so that the list is of one.
  #present(): Present {
    this.#bulletins.flush();
    return { n: this.#bulletins.newest, ...this.#node.names() };
  }

  async #answer(question: NodeQuestion): Promise<AnyNodeAnswer> {
    const { ask, statesOf } = this.#node;
    if (question.ask === 'states') return statesOf(question.users);
    if (question.ask === 'present') return this.#present();
    if (question.ask === 'revoked') return { count: await this.#list.reach(question.through) };
    return answerForOther(this.node, ask, question);
  }

  /** Whether all that is revoked is in force. */
  async #settle(): Promise<boolean> {
    if (!this.#link.isUp) return false;
    try {
      await this.#list.catchUp();
      return true;
    } catch {
      return false;
    }
  }

  async #apply(revocations: readonly Revocation[]): Promise<number> {
    const answers = await this.#node.ask({ ask: 'revoke', revocations });
    return answers.reduce((sum, { count }) => sum + count, 0);
  }
}

const STRANGE =
  'a message of another node could not be read or answered: let only nodes of one version write below tidings.n.';

const notReached = (): TidingsError =>
  new TidingsError(
    'BACKPLANE_DOWN',
    'there is no connection to NATS, and nothing was revoked: send it again in a moment',
  );

async function connected(options: ClusterOptions): Promise<Cluster> {
  const link = await connectTo(options.address, 'tidings nodes', new Complaints(options.logger));
  try {
    const { connection } = link;
    const jsm = await jetstreamManager(connection, { timeout: NATS_MS });
    const kept = new RevocationStream(jsm, jetstream(connection, { timeout: NATS_MS }));
    await kept.ensure(options.replicas);
    return new Cluster(options, link, kept);
  } catch (error) {
    await link.connection.close();
    throw error;
  }
}

const nodeName = (): string => [...randomBytes(8)].map((byte) => (byte % 36).toString(36)).join('');
