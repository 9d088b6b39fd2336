/** Tells the other nodes every two seconds that this one lives, and hears the same of them. */
import type { Link } from '../nats/connect.ts';
import { listen } from './listening.ts';
import { BEAT_MS, type Beat, beatShape, type Members } from './members.ts';
import { BEAT_SUBJECT } from './subjects.ts';

/** Longest heartbeat that is read, in bytes. */
const MAX_BEAT_BYTES = 1_024;

export interface HeartbeatOptions {
  readonly link: Link;
  readonly members: Members;
  /** Whether it may tell a receiver, and the number of its newest bulletin. */
  readonly facts: () => Pick<Beat, 'tells' | 'newest'>;
  /** With each that is heard. */
  readonly onHeard: (beat: Beat) => void;
  /** With each of its own, but for the first. */
  readonly onBeat: () => void;
  /** Something came that is no heartbeat. */
  readonly onFault: (error: Error) => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #started = Date.now();
  #timer: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    listen(options.link.connection, BEAT_SUBJECT, {
      shape: beatShape,
      maxBytes: MAX_BEAT_BYTES,
      take: (beat) => this.#take(beat),
      onFault: options.onFault,
    });
  }

  start(): void {
    this.#send({ isNew: true });
    this.#timer = setInterval(() => {
      this.#send();
      this.#options.members.settle();
      this.#options.onBeat();
    }, BEAT_MS).unref();
  }

  /** Does not wait for its time. */
  beat(): void {
    this.#send();
  }

  /** Says farewell. */
  stop(): void {
    if (this.#isOver) return;
    clearInterval(this.#timer);
    if (this.#timer !== undefined) this.#send({ isLast: true });
    this.#isOver = true;
  }

  #send(what: Partial<Beat> = {}): void {
    const { link, members, facts } = this.#options;
    if (this.#isOver || !link.isUp || link.connection.isClosed()) return;
    // Another has told since, and knows what: this one is the last to do it again.
    if (members.wasAway) this.#started = Date.now();
    const own = { node: members.own, started: this.#started, ...facts() };
    const beat: Beat = { ...own, isNew: false, isLast: false, ...what };
    link.connection.publish(BEAT_SUBJECT, JSON.stringify(beat));
  }

  #take(beat: Beat): void {
    const { members, onHeard } = this.#options;
    if (!members.heard(beat)) return;
    if (!beat.isLast) onHeard(beat);
    // Who is new does not wait for the next ones of the others.
    if (beat.isNew && beat.node !== members.own && this.#timer !== undefined) this.#send();
  }
}
