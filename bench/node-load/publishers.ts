/** All publishers: which of them posts when, and what they were answered. */
import type { Answer } from './answer.ts';
import type { Options, Run } from './arguments.ts';
import { Histogram } from './histogram.ts';
import { nowNs } from './marker.ts';
import { type Envelope, envelopeFor, Publisher } from './publisher.ts';
import type { Board } from './tally.ts';

/** A timer is up to 1 ms late, and so is the turn of the loop it begins: what is left is waited for awake. */
const AWAKE_NS = 2e6;

export class Publishers {
  posted = 0;
  answered = 0;
  refused = 0;
  /** When the last answer was whole; 0 before the first. */
  last = 0;
  readonly answers = new Histogram();
  /** Called after every answer, and when the time to publish is over. */
  onChange: () => void = () => {};
  readonly #options: Options;
  readonly #board: Board;
  readonly #all: Publisher[] = [];
  #run: Run | undefined;
  #envelope: Envelope = { before: '', after: '', marked: false };
  #started = 0;
  #timer: NodeJS.Timeout | undefined;
  #awake: NodeJS.Immediate | undefined;

  constructor(options: Options, board: Board) {
    this.#options = options;
    this.#board = board;
  }

  begin(run: Run): void {
    this.posted = this.answered = this.refused = this.last = 0;
    this.answers.clear();
    this.#run = run;
    this.#envelope = envelopeFor(this.#options, run);
    this.#started = nowNs();
    for (let i = this.#all.length; i < run.publishers; i++)
      this.#all.push(new Publisher(this.#options, (answer) => this.#answered(i, answer)));
    const active = this.#all.slice(0, run.publishers);
    for (const publisher of active) publisher.begin();
    if (run.mode === 'closed') for (let i = 0; i < active.length; i++) this.post(i);
    this.#postDue();
  }

  /** Ends a run, whole or not. */
  end(): void {
    clearTimeout(this.#timer);
    clearImmediate(this.#awake);
    this.#run = undefined;
    for (const publisher of this.#all) publisher.close();
  }

  /** Everything posted is answered. */
  get quiet(): boolean {
    return this.answered === this.posted;
  }

  /** Nothing more is to be posted, and everything is answered. */
  get finished(): boolean {
    return this.quiet && !this.#mayPost;
  }

  /** Nothing is posted before something arrives. */
  get waiting(): boolean {
    return this.finished || (this.#run?.mode === 'lockstep' && this.quiet);
  }

  get #mayPost(): boolean {
    const run = this.#run;
    if (!run || run.mode === 'hear' || this.posted >= run.count) return false;
    return run.publishSeconds === 0 || nowNs() < this.#started + run.publishSeconds * 1e9;
  }

  /** Posts the next event through publisher `index`, unless the run has had all of its events or of its time. */
  post(index: number, due = nowNs()): void {
    const run = this.#run;
    if (!run || !this.#mayPost) return;
    const publisher = this.#all[index]!;
    this.#board.expect(index, publisher.sequence);
    this.posted++;
    publisher.post(this.#envelope, { run: run.id, publisher: index }, due);
  }

  #answered(index: number, answer: Answer): void {
    this.answered++;
    if (!answer.accepted) this.#refuse(answer);
    this.last = nowNs();
    this.answers.add(this.last - this.#all[index]!.due);
    if (this.#run?.mode === 'closed') this.post(index);
    if (this.#run?.mode === 'rate') this.#postDue();
    this.onChange();
  }

  #refuse(answer: Answer): void {
    this.refused++;
    if (this.refused === 1) console.error(`load: refused: ${answer.start}`);
  }

  /** Fixed rate: posts what is due. A post that finds no idle connection keeps the time it was due at. */
  #postDue(): void {
    const run = this.#run;
    if (run?.mode !== 'rate') return;
    const dueAt = () => this.#started + (this.posted * 1e9) / run.rate;
    clearTimeout(this.#timer);
    clearImmediate(this.#awake);
    while (this.#mayPost && dueAt() <= nowNs()) {
      const idle = this.#idle(run);
      if (idle < 0) return;
      this.post(idle, dueAt());
    }
    if (this.#mayPost) this.#wait(dueAt() - nowNs());
    else this.onChange();
  }

  #idle(run: Run): number {
    return this.#all.findIndex((publisher, i) => i < run.publishers && !publisher.waiting);
  }

  #wait(ns: number): void {
    const again = () => this.#postDue();
    if (ns <= AWAKE_NS) this.#awake = setImmediate(again);
    else this.#timer = setTimeout(again, (ns - AWAKE_NS) / 1e6);
  }
}
