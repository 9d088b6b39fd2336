/** Asks all other nodes at once, and gathers what they answer until all have, or the time is over. */
import type { Heard } from '../hub/heard.ts';
import type { Link } from '../nats/connect.ts';
import type { Members } from './members.ts';
import { answerShape, type NodeAnswer, type NodeQuestion } from './node-questions.ts';
import { Assembly, readPart } from './parts.ts';
import { parseAs } from './shape.ts';
import { QUESTION_SUBJECT } from './subjects.ts';

/** How long nodes get to answer, in milliseconds. */
export const ASK_MS = 300;

/** How long they get when they are to do something, in milliseconds: a thousand streams may have to end. */
export const DO_MS = 1_000;

/** Questions that are on their way at most; a further one is answered by this node alone. */
export const MAX_ASKING = 1_000;

/** What the answers to one question may take together, in bytes. */
const MAX_GATHERED_BYTES = 67_108_864;

interface Asking {
  readonly ask: NodeQuestion['ask'];
  readonly missing: Set<string>;
  readonly assemblies: Map<string, Assembly>;
  readonly answers: unknown[];
  bytes: number;
  readonly done: () => void;
}

export interface AskOptions {
  readonly waitMs?: number | undefined;
  /** Undefined: all others. */
  readonly to?: string | undefined;
}

export interface InquirerOptions {
  readonly link: Link;
  readonly members: Members;
  /** Something came that is no answer. */
  readonly onFault: (error: Error) => void;
}

export class Inquirer {
  readonly #options: InquirerOptions;
  readonly #asking = new Map<string, Asking>();
  readonly #inbox: string;
  #lastId = 0;
  /** Questions that not every node has answered. */
  unheardCount = 0;

  constructor(options: InquirerOptions) {
    this.#options = options;
    this.#inbox = `_INBOX.${options.members.own}${Date.now().toString(36)}`;
    options.link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#take(message.subject, message.data);
      },
    });
  }

  /** What the others say, or the one that is asked. Never rejects. */
  async ask<Q extends NodeQuestion>(
    question: Q,
    { waitMs = ASK_MS, to }: AskOptions = {},
  ): Promise<Heard<NodeAnswer<Q>>> {
    const { members } = this.#options;
    const others = to === undefined ? members.others : [to];
    const gathered = await this.#gather(question, others, { waitMs, to });
    const isWhole = members.isConnected && gathered.length === others.length;
    if (!isWhole) this.unheardCount += 1;
    return {
      answers: gathered as NodeAnswer<Q>[],
      unheard: isWhole ? undefined : { nodes: others.length + 1, answered: gathered.length + 1 },
    };
  }

  async #gather(
    question: NodeQuestion,
    others: readonly string[],
    { waitMs, to }: AskOptions,
  ): Promise<unknown[]> {
    const { link } = this.#options;
    if (others.length === 0 || this.#asking.size >= MAX_ASKING || !link.isUp) return [];
    this.#lastId += 1;
    const id = String(this.#lastId);
    const answers: unknown[] = [];
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      const done = () => {
        clearTimeout(timer);
        resolve();
      };
      const missing = new Set(others);
      const assemblies = new Map<string, Assembly>();
      this.#asking.set(id, { ask: question.ask, missing, assemblies, answers, bytes: 0, done });
      const text = JSON.stringify({ from: this.#options.members.own, to, question });
      try {
        link.connection.publish(QUESTION_SUBJECT, text, { reply: `${this.#inbox}.${id}` });
      } catch {
        done(); // larger than NATS takes, or closed: nobody has answered
      }
    });
    this.#asking.delete(id);
    return answers;
  }

  #take(subject: string, data: Uint8Array): void {
    const asking = this.#asking.get(subject.slice(this.#inbox.length + 1));
    if (asking === undefined) return; // too late
    try {
      const part = readPart(data);
      if (!asking.missing.has(part.node)) return;
      asking.bytes += data.length;
      if (asking.bytes > MAX_GATHERED_BYTES) return;
      const assembly = asking.assemblies.get(part.node) ?? new Assembly(part.count);
      asking.assemblies.set(part.node, assembly);
      const whole = assembly.add(part);
      if (whole === undefined) return;
      asking.answers.push(parseAs(answerShape(asking.ask), whole));
      asking.missing.delete(part.node);
      if (asking.missing.size === 0) asking.done();
    } catch (error) {
      this.#options.onFault(error as Error);
    }
  }
}
