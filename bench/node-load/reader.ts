/** Finds the markers in what the streams of one thread are sent, and checks their order. */
import { MAX_PUBLISHERS } from './arguments.ts';
import {
  isHexDigit,
  MARKER_BYTES,
  MARKER_START,
  nowNs,
  publisherAt,
  runAt,
  sequenceAt,
  stampAt,
} from './marker.ts';
import { type Board, BYTES, DELIVERIES, LAST, OUT_OF_ORDER, STRAY, type Tally } from './tally.ts';

const CR = 0x0d;
const LF = 0x0a;

/** What is left of a read. */
interface Rest {
  readonly input: Buffer;
  readonly at: number;
  readonly length: number;
}

/** Hot path: false for a marker with the border of two HTTP chunks in it. */
function isWhole(input: Buffer, at: number): boolean {
  for (let i = at; i < at + MARKER_BYTES; i++) if (input[i] === CR) return false;
  return true;
}

export class Reader {
  /** Events of other runs are late ones. */
  run = 0;
  readonly #board: Board;
  readonly #tally: Tally;
  /** The sequence number expected next, by stream and publisher. */
  readonly #next: Uint32Array;
  /** Of each stream, the bytes of a marker that was cut, and how many they are. */
  readonly #carried: Buffer;
  readonly #kept: Uint8Array;
  /** Of each stream, what of CR LF, size, CR LF between two HTTP chunks was seen within a marker. */
  readonly #border: Uint8Array;

  constructor(streams: number, board: Board, tally: Tally) {
    this.#board = board;
    this.#tally = tally;
    this.#next = new Uint32Array(streams * MAX_PUBLISHERS);
    this.#carried = Buffer.alloc(streams * MARKER_BYTES);
    this.#kept = new Uint8Array(streams);
    this.#border = new Uint8Array(streams);
  }

  begin(run: number): void {
    this.run = run;
    this.#next.fill(0);
  }

  /** The first event that a stream gets from publisher 0 is to have this sequence number. */
  expect(stream: number, sequence: number): void {
    this.#next[stream * MAX_PUBLISHERS] = sequence;
  }

  /** Hot path: once per read. `input` has a byte behind `length`: what ends the search there. */
  take(stream: number, input: Buffer, length: number): void {
    const now = nowNs();
    input[length] = MARKER_START;
    this.#tally.counters[BYTES]! += length;
    let at = this.#kept[stream]! > 0 ? this.#takeSlowly(stream, { input, at: 0, length }, now) : 0;
    for (;;) {
      at = input.indexOf(MARKER_START, at);
      if (at >= length) return;
      if (length - at >= MARKER_BYTES && isWhole(input, at)) {
        this.#marker(stream, input, at, now);
        at += MARKER_BYTES;
      } else at = this.#takeSlowly(stream, { input, at, length }, now);
    }
  }

  /**
   * Slow path: a marker cut by the end of a read, or by the border of two HTTP chunks, is put together byte by byte.
   * Returns where it ended; what turns out to be no marker is forgotten.
   */
  #takeSlowly(stream: number, { input, at, length }: Rest, now: number): number {
    const start = stream * MARKER_BYTES;
    for (let i = at; i < length; i++) {
      const byte = input[i]!;
      if (byte === CR || byte === LF) this.#border[stream] = (this.#border[stream]! + 1) % 4;
      else if (this.#border[stream]! > 0) continue;
      else if (this.#kept[stream]! > 0 && !isHexDigit(byte)) return this.#forget(stream, i + 1);
      else this.#carried[start + this.#kept[stream]!++] = byte;
      if (this.#kept[stream]! < MARKER_BYTES) continue;
      this.#marker(stream, this.#carried, start, now);
      return this.#forget(stream, i + 1);
    }
    return length;
  }

  #forget(stream: number, next: number): number {
    this.#kept[stream] = this.#border[stream] = 0;
    return next;
  }

  /** Hot path: once per delivery. */
  #marker(stream: number, bytes: Buffer, at: number, now: number): void {
    const { counters, latency, lastStream } = this.#tally;
    if (runAt(bytes, at) !== this.run) {
      counters[STRAY]!++;
      return;
    }
    const publisher = publisherAt(bytes, at) % MAX_PUBLISHERS;
    const sequence = sequenceAt(bytes, at);
    const next = stream * MAX_PUBLISHERS + publisher;
    if (sequence !== this.#next[next]) counters[OUT_OF_ORDER]!++;
    this.#next[next] = sequence + 1;
    counters[DELIVERIES]!++;
    counters[LAST] = now;
    const age = now - stampAt(bytes, at);
    latency.add(age);
    if (this.#board.arrived(publisher, sequence)) lastStream.add(age);
  }
}
