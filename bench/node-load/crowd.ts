/** The streams as the parent sees them: one thread per core, spoken to all at once. */
import os from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Options } from './arguments.ts';
import type { Command, WorkerData } from './stream-worker.ts';
import { Board, Tally } from './tally.ts';

/** Ends the process: what is left of a crowd would measure something else. */
export function fail(error: Error): never {
  console.error(`load: ${error.message}`);
  process.exit(1);
}

const THREADS = Math.max(1, os.availableParallelism());

export class Crowd {
  readonly board = new Board();
  readonly #tallies: Tally[] = [];
  readonly #workers: Worker[] = [];
  /** What is to be called when all threads have done what they were told last. */
  #allDone: () => void = () => {};
  #serial = 0;
  #missing = 0;

  constructor(options: Options) {
    const threads = Math.max(1, Math.min(THREADS, options.streams));
    for (let first = 0; first < threads; first++) this.#start(options, first, threads);
  }

  #start(options: Options, first: number, step: number): void {
    const tally = new Tally();
    this.#tallies.push(tally);
    const workerData: WorkerData = {
      options,
      first,
      step,
      board: this.board.memory,
      tally: tally.memory,
    };
    const worker = new Worker(new URL('./stream-worker.js', import.meta.url), { workerData });
    worker.on('message', (serial: number) => this.#done(serial));
    worker.on('error', fail);
    this.#workers.push(worker);
  }

  /** Resolves when all streams have their head. */
  open = (): Promise<void> => this.#tell({ to: 'open', serial: ++this.#serial });

  /**
   * Resolves when all threads have forgotten what they counted; before the first run, when all are there. `isOwn`: the
   * first event of each stream is to have the stream's place as its sequence number.
   */
  begin = (run: number, isOwn = false): Promise<void> =>
    this.#tell({ to: 'begin', run, isOwn, serial: ++this.#serial });

  /** Resolves when every live stream has had `events` events of this run. */
  have = (events: number): Promise<void> =>
    this.#tell({ to: 'want', events, serial: ++this.#serial });

  get live(): number {
    return this.board.live;
  }

  /** When something came last at any stream; 0 before the first. */
  get lastArrival(): number {
    return Math.max(...this.#tallies.map(({ last }) => last));
  }

  /** What all threads have counted so far. */
  counted(): Tally {
    const sum = new Tally();
    for (const tally of this.#tallies) sum.merge(tally);
    return sum;
  }

  /** A new command takes the place of one that is not done: its promise stays open, as after a deadline. */
  #tell(command: Command): Promise<void> {
    this.#missing = this.#workers.length;
    for (const worker of this.#workers) worker.postMessage(command);
    return new Promise((resolve) => {
      this.#allDone = resolve;
    });
  }

  #done(serial: number): void {
    if (serial !== this.#serial) return;
    this.#missing--;
    if (this.#missing === 0) this.#allDone();
  }
}
