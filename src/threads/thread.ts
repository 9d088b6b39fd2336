/** One other thread, as the main thread sees it: calls with replies, and what it says by itself. */
import { Worker } from 'node:worker_threads';
import type { Known } from '../auth/issuer.ts';
import { ERROR_STATUS, type ErrorCode, TidingsError } from '../errors.ts';
import type { OnAttendance } from '../hub/attendance.ts';
import type { DeeperQuestion, DeeperRange } from '../hub/deeper-log.ts';
import type { Owner, Refusal } from '../public/admission.ts';
import type { Guest } from '../public/guests.ts';
import type {
  Call,
  FromThread,
  GuestEntry,
  GuestNote,
  PlainError,
  RangeAsked,
  RangeRead,
  ThreadData,
  ToThread,
} from './messages.ts';
import { pack } from './packed-range.ts';
import { TurnBatch } from './turn-batch.ts';

const PROGRAM = new URL('./worker.js', import.meta.url);

/** What the main thread has to do for another. */
export interface ThreadOwner {
  /** It has appended the oldest batch that it had not yet. */
  appended(thread: number): void;
  /** Rejects when the process ends: then nothing is answered. */
  read(question: DeeperQuestion): DeeperRange | Promise<DeeperRange>;
  /** A stream there wants a place. */
  enter(thread: number, owner: Owner): Guest | Refusal | Promise<Guest | Refusal>;
  left(guest: Guest): void;
  /** The first or the last stream of a user or a channel there. */
  attended: OnAttendance;
  /** Whether the issuer has such a key. */
  lookUp(kid: string | undefined): Promise<Known>;
  log(line: string): void;
  /** An error that nobody caught there. */
  failed(error: Error): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (error: Error) => void;
}

export class Thread {
  readonly #number: number;
  readonly #owner: ThreadOwner;
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #entries = new TurnBatch<GuestEntry>((entries) =>
    this.post({ kind: 'entries', entries }),
  );
  readonly #ranges = new TurnBatch<RangeRead>((ranges) =>
    this.post(
      { kind: 'ranges', ranges },
      ranges.map(({ range }) => range.bytes.buffer),
    ),
  );
  readonly #exited: Promise<void>;
  #lastCall = 0;

  constructor(data: ThreadData, owner: ThreadOwner) {
    this.#number = data.thread;
    this.#owner = owner;
    this.#worker = new Worker(PROGRAM, { workerData: data, name: `streams ${data.thread}` });
    this.#worker.on('message', (message: FromThread) => this.#hear(message));
    this.#worker.on('error', (error) => owner.failed(error));
    this.#exited = new Promise((resolve) => this.#worker.once('exit', () => resolve()));
  }

  /** `memory`: of the message, handed over with it. */
  post(message: ToThread, memory?: readonly ArrayBuffer[]): void {
    this.#worker.postMessage(message, memory);
  }

  /** Resolves with the reply; rejects with what the other thread threw. */
  call<T>(call: Call): Promise<T> {
    // Whoever is to end somebody's stream must not be heard before that one was let in.
    this.#entries.tell();
    this.#lastCall += 1;
    const id = this.#lastCall;
    return new Promise<T>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.post({ kind: 'call', id, call });
    });
  }

  /** Resolves when the thread is no more. It has to have closed its listener before: see `worker`. */
  async close(): Promise<void> {
    await this.call({ do: 'close' });
    await this.#exited;
  }

  #hear(message: FromThread): void {
    switch (message.kind) {
      case 'appended':
        return this.#owner.appended(this.#number);
      case 'reply':
        return this.#take(message.id)?.resolve(message.value as never);
      case 'refusal':
        return this.#take(message.id)?.reject(errorOf(message.error));
      case 'read':
        for (const asked of message.questions) this.#read(asked);
        return;
      case 'guests':
        for (const note of message.notes) this.#receive(note);
        return;
      case 'attendance':
        for (const change of message.changes) this.#owner.attended(...change);
        return;
      case 'look-up':
        return void this.#lookUp(message.id, message.kid);
      case 'log':
        return this.#owner.log(message.line);
      case 'fatal':
        return this.#owner.failed(errorOf(message.error));
    }
  }

  #receive(note: GuestNote): void {
    if (typeof note === 'number') return this.#owner.left(note);
    const { id, owner } = note;
    const entry = this.#owner.enter(this.#number, owner);
    if (!(entry instanceof Promise)) return this.#entries.add({ id, entry });
    void entry.then((later) => this.#entries.add({ id, entry: later }));
  }

  #read({ id, question }: RangeAsked): void {
    const tell = (range: DeeperRange) => this.#ranges.add({ id, range: pack(range) });
    const range = this.#owner.read(question);
    if (range instanceof Promise) range.then(tell, () => {});
    else tell(range);
  }

  async #lookUp(id: number, kid: string | undefined): Promise<void> {
    const known = await this.#owner.lookUp(kid);
    this.post({ kind: 'known', id, known });
  }

  #take(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    return waiting;
  }
}

const isErrorCode = (code: string | undefined): code is ErrorCode =>
  code !== undefined && Object.hasOwn(ERROR_STATUS, code);

function errorOf({ code, message, stack }: PlainError): Error {
  const error = isErrorCode(code) ? new TidingsError(code, message) : new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}
