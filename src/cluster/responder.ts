/** Answers what other nodes ask. */
import type { Msg, NatsConnection } from '@nats-io/transport-node';
import { NODE_NAME } from './members.ts';
import { type AnyNodeAnswer, type NodeQuestion, questionShape } from './node-questions.ts';
import { inParts } from './parts.ts';
import { maybe, parseAs, record } from './shape.ts';
import { QUESTION_SUBJECT } from './subjects.ts';

/** Questions that are being answered at most; who asks more is not answered, and says so. */
export const MAX_ANSWERING = 256;

/** Longest question, in bytes: a thousand names. */
const MAX_QUESTION_BYTES = 786_432;

export interface ResponderOptions {
  readonly connection: NatsConnection;
  readonly own: string;
  readonly answer: (question: NodeQuestion) => Promise<AnyNodeAnswer>;
  /** Something came that is no question, or could not be answered. */
  readonly onFault: (error: Error) => void;
}

const envelope = record({ from: NODE_NAME, to: maybe(NODE_NAME), question: questionShape });

export class Responder {
  readonly #options: ResponderOptions;
  #answering = 0;

  constructor(options: ResponderOptions) {
    this.#options = options;
    options.connection.subscribe(QUESTION_SUBJECT, {
      callback: (error, message) => {
        if (error === null) void this.#take(message);
      },
    });
  }

  async #take(message: Msg): Promise<void> {
    if (this.#answering >= MAX_ANSWERING || message.data.length > MAX_QUESTION_BYTES) return;
    this.#answering += 1;
    const { own, answer, onFault, connection } = this.#options;
    try {
      const { from, to = own, question } = parseAs(envelope, message.string());
      if (from === own || to !== own) return;
      const parts = inParts(own, JSON.stringify(await answer(question)));
      if (connection.isClosed()) return;
      if (parts === undefined) throw new Error('an answer to another node is too large to be sent');
      for (const part of parts) message.respond(part);
    } catch (error) {
      onFault(error as Error);
    } finally {
      this.#answering -= 1;
    }
  }
}
