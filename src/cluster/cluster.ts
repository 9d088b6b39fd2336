/**
 * All nodes together: who they are, and what they know. Nothing of it
 * is stored.
 *
 *   GET /users/42/ ──▶ this node ──question──▶ every node ──▶ answers, until all live ones have been heard
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Heard } from '../hub/heard.ts';
import { type Measures, single } from '../hub/measures.ts';
import type { AnswerTo, SharedQuestion } from '../hub/questions.ts';
import type { Logger } from '../logger.ts';
import { Complaints } from '../nats/complaints.ts';
import { connectTo, type Link, type NatsAddress } from '../nats/connect.ts';
import { waitFor } from '../nats/patience.ts';
import type { Presence } from '../presence/roster.ts';
import { Heartbeat } from './heartbeat.ts';
import { ASK_MS, DO_MS, Inquirer } from './inquirer.ts';
import { Members } from './members.ts';
import type { AnyNodeAnswer, NodeQuestion } from './node-questions.ts';
import { type AskHere, answerForOther, ownAnswer } from './own-answers.ts';
import { Responder } from './responder.ts';
import { nearer, RollCall } from './roll-call.ts';

/** How long the farewell may take to be sent, in milliseconds. */
const FAREWELL_MS = 500;

export interface ClusterOptions {
  readonly address: NatsAddress;
  readonly logger: Logger;
}

/** What a node knows by itself. */
export interface OwnNode {
  readonly ask: AskHere;
  readonly statesOf: (users: readonly string[]) => readonly Presence[];
}

export class Cluster {
  readonly node: string;
  readonly #logger: Logger;
  readonly #members: Members;
  readonly #link: Link;
  readonly #heartbeat: Heartbeat;
  readonly #inquirer: Inquirer;
  readonly #rollCall: RollCall;
  #own: OwnNode | undefined;
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

  constructor({ logger }: ClusterOptions, link: Link) {
    this.#logger = logger;
    this.#link = link;
    this.node = nodeName();
    this.#members = new Members(this.node);
    const onFault = (error: Error) => logger.warn({ reason: error.message }, STRANGE);
    this.#inquirer = new Inquirer({ link, members: this.#members, onFault });
    this.#rollCall = new RollCall((users) => this.#ask({ ask: 'states', users }));
    this.#heartbeat = new Heartbeat({ link, members: this.#members, onFault });
  }

  /** Is there for the others from then on. */
  start(own: OwnNode): void {
    this.#own = own;
    new Responder({
      ...{ connection: this.#link.connection, own: this.node },
      answer: (question) => this.#answer(question),
      onFault: (error) => this.#logger.warn({ reason: error.message }, STRANGE),
    });
    this.#heartbeat.start();
    this.#introduced = delay(ASK_MS, undefined, { ref: false });
  }

  /** What all nodes say, this one last: it has the history. */
  async ask<Q extends SharedQuestion>(question: Q): Promise<Heard<AnswerTo<Q>>> {
    const waitMs = question.ask === 'end' ? DO_MS : ASK_MS;
    const [here, { answers, unheard }] = await Promise.all([
      ownAnswer(this.node, this.#node.ask, question),
      this.#ask(question, waitMs),
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

  async #ask<Q extends NodeQuestion>(question: Q, waitMs?: number) {
    await this.#introduced;
    return this.#inquirer.ask(question, waitMs);
  }

  async #answer(question: NodeQuestion): Promise<AnyNodeAnswer> {
    const { ask, statesOf } = this.#node;
    if (question.ask === 'states') return statesOf(question.users);
    return answerForOther(this.node, ask, question);
  }
}

const STRANGE =
  'a message of another node could not be read or answered: let only nodes of one version write below tidings.n.';

async function connected(options: ClusterOptions): Promise<Cluster> {
  const link = await connectTo(options.address, 'tidings nodes', new Complaints(options.logger));
  return new Cluster(options, link);
}

const nodeName = (): string => [...randomBytes(8)].map((byte) => (byte % 36).toString(36)).join('');
