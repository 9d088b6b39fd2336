/**
 * What lies below a hub's own logs. A hub keeps a tail; where there is more than that, in another thread
 * or on other machines, a stream whose position is older asks there for its next range, and is told of
 * a gap only if that is missing there too. A single process has nothing below: its logs are all there is.
 */
import { Entry } from '../log/entry.ts';
import { cut } from '../log/range.ts';
import type { ChannelIndex } from './channel-index.ts';
import type { Flusher } from './flusher.ts';
import type { Positions } from './positions.ts';
import { Slices } from './slices.ts';
import { type Stream, StreamState } from './stream.ts';

/** Questions that a hub has open at a time, or answers that are not written yet; streams that have one wait for their turn, in the order in which they came. */
export const MAX_ASKED = 64;

/** Whose entries are asked for. Plain data, so that it can cross a thread or a machine. */
export interface DeeperQuestion {
  readonly user: string;
  readonly channels: readonly string[];
  /** The stream has had everything through this number. */
  readonly after: number;
  /** The hub that asks has everything behind this number itself. */
  readonly upto: number;
}

export interface DeeperRange {
  /** Through this number something that was meant for the user is gone for good; `after` when nothing is. */
  readonly missedThrough: number;
  /** Whole frames in the order of their numbers, about 256 KB at most. */
  readonly frames: readonly { readonly n: number; readonly bytes: Uint8Array }[];
  /**
   * With these frames the stream has had everything through this number; more than `after`, perhaps
   * more than what the hub that asks has got so far.
   */
  readonly through: number;
}

export interface DeeperLog {
  /** Rejects when it cannot be asked now: the stream is then cut, and comes back with its last id. */
  read(question: DeeperQuestion): Promise<DeeperRange>;
}

export interface Logs {
  readonly index: ChannelIndex;
  readonly head: number;
  /** What lies below these in turn. */
  readonly deeperLog: DeeperLog | undefined;
}

/** The answer out of a hub's own logs, to another that keeps less. */
export function rangeOf(
  { index, head, deeperLog }: Logs,
  question: DeeperQuestion,
): DeeperRange | Promise<DeeperRange> {
  const { user, channels, after } = question;
  return index.inspect(channels, (set) => {
    if (set.isUnfilledAfter(after) && !index.fills.begin(set.channels, after))
      return new Promise((resolve) => {
        const done = () => resolve(rangeOf({ index, head, deeperLog }, question));
        index.fills.whenFilled({ channels: set.channels, after, done });
      });
    const missedThrough = set.missedThrough(user, after);
    if (missedThrough > after && deeperLog !== undefined)
      return deeperLog.read({ ...question, upto: missedThrough });
    const memo = set.rangesAfter(missedThrough);
    if (memo.isEmpty) setImmediate(() => memo.clear()); // shared by those who ask in this turn
    const range = memo.range(missedThrough, head);
    const frames = range.entriesFor(user).map(({ n, bytes }) => ({ n, bytes }));
    return { missedThrough, frames, through: range.end };
  });
}

export class DeeperReader {
  readonly log: DeeperLog;
  readonly #flusher: Flusher;
  readonly #positions: Positions;
  /** Streams that are to ask, each once, and what the hub has itself. */
  readonly #waiting = new Map<Stream, number>();
  #askedCount = 0;
  readonly #answers: (() => void)[] = [];
  readonly #slices = new Slices(() => this.#writeNext());

  constructor(log: DeeperLog, flusher: Flusher, positions: Positions) {
    this.log = log;
    this.#flusher = flusher;
    this.#positions = positions;
  }

  /**
   * Asks for what a Live stream gets behind `position`, and the hub does not have up to `upto`; it goes
   * on when the answer is here.
   */
  ask(stream: Stream, position: number, upto: number): void {
    stream.state = StreamState.Asking;
    stream.position = position;
    this.#waiting.set(stream, upto);
    this.#askNext();
  }

  /** A stream is over. */
  forget(stream: Stream): void {
    this.#waiting.delete(stream);
  }

  #askNext(): void {
    for (const [stream, upto] of this.#waiting) {
      if (this.#askedCount >= MAX_ASKED) return;
      this.#waiting.delete(stream);
      // Otherwise blocked by a heartbeat meanwhile: it asks again when it goes on.
      if (stream.state === StreamState.Asking) this.#read(stream, upto);
    }
  }

  #read(stream: Stream, upto: number): void {
    this.#askedCount += 1;
    const { position } = stream;
    const channels = stream.channels.channels.map(({ name }) => name);
    const question = { user: stream.user, channels, after: position, upto };
    this.log.read(question).then(
      (range) => this.#write(() => this.#answered(stream, position, range)),
      () => {
        stream.close('error');
        this.#over();
      },
    );
  }

  // In a turn of its own: in a handler of the addon every write would be four. Many come together.
  #write(answer: () => void): void {
    if (this.#answers.length === 0) setImmediate(() => this.#slices.run());
    this.#answers.push(answer);
  }

  #writeNext(): boolean {
    const answer = this.#answers.shift();
    if (answer === undefined) return false;
    answer();
    this.#over();
    return true;
  }

  #over(): void {
    this.#askedCount -= 1;
    this.#askNext();
  }

  #answered(stream: Stream, position: number, range: DeeperRange): void {
    // Blocked by a heartbeat meanwhile: it asks again when it goes on.
    // Or it has had more meanwhile, and this is the answer to an earlier question.
    if (stream.state !== StreamState.Asking || stream.position !== position) return;
    if (range.through <= position) return stream.close('error');
    stream.state = StreamState.Live;
    if (range.missedThrough <= position) this.#positions.found(stream);
    else {
      stream.position = range.missedThrough;
      this.#positions.missed(stream, position);
      if (stream.state !== StreamState.Live) return;
    }
    const through = Math.max(range.through, range.missedThrough);
    this.#flusher.write(stream, cut(range.frames.map(asEntry)), through);
    if (stream.state === StreamState.Live) this.#flusher.markBehind(stream);
  }
}

const asEntry = ({ n, bytes }: DeeperRange['frames'][number]): Entry =>
  new Entry(
    { n, to: undefined, bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength) },
    0,
  );
