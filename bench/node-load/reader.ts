/** Finds the markers in what the streams of one thread are sent, and checks their order. */
import { MAX_PUBLISHERS } from './arguments.ts';
import {
  MARKER_BYTES,
  MARKER_START,
  nowNs,
  publisherAt,
  runAt,
  sequenceAt,
  stampAt,
} from './marker.ts';
import { type Board, BYTES, DELIVERIES, OUT_OF_ORDER, STRAY, type Tally } from './tally.ts';

export class Reader {
  /** Events of other runs are late ones. */
  run = 0;
  readonly #board: Board;
  readonly #tally: Tally;
  /** The sequence number expected next, by stream and publisher. */
  readonly #next: Uint32Array;
  /** Of each stream, the bytes of a marker whose end was not in the last read, and how many they are. */
  readonly #carried: Buffer;
  readonly #kept: Uint8Array;

  constructor(streams: number, board: Board, tally: Tally) {
    this.#board = board;
    this.#tally = tally;
    this.#next = new Uint32Array(streams * MAX_PUBLISHERS);
    this.#carried = Buffer.alloc(streams * MARKER_BYTES);
    this.#kept = new Uint8Array(streams);
  }

  begin(run: number): void {
    this.run = run;
    this.#next.fill(0);
  }

  /** Hot path: once per read. `input` has a byte behind `length`: what ends the search there. */
  take(stream: number, input: Buffer, length: number): void {
    const now = nowNs();
    input[length] = MARKER_START;
    this.#tally.counters[BYTES]! += length;
    let at = this.#kept[stream]! > 0 ? this.#finishCarried(stream, input, length, now) : 0;
    for (;;) {
      at = input.indexOf(MARKER_START, at);
      if (at >= length) return;
      if (length - at < MARKER_BYTES) return this.#carry(stream, input.subarray(at, length));
      this.#marker(stream, input, at, now);
      at += MARKER_BYTES;
    }
  }

  #carry(stream: number, rest: Buffer): void {
    const at = stream * MARKER_BYTES + this.#kept[stream]!;
    this.#carried.set(rest, at);
    this.#kept[stream]! += rest.length;
  }

  /** A marker cut by the end of a read is put together from both sides. Returns how much of `input` it took. */
  #finishCarried(stream: number, input: Buffer, length: number, now: number): number {
    const taken = Math.min(MARKER_BYTES - this.#kept[stream]!, length);
    this.#carry(stream, input.subarray(0, taken));
    if (this.#kept[stream]! < MARKER_BYTES) return taken;
    this.#kept[stream] = 0;
    this.#marker(stream, this.#carried, stream * MARKER_BYTES, now);
    return taken;
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
    const age = now - stampAt(bytes, at);
    latency.add(age);
    if (this.#board.arrived(publisher, sequence)) lastStream.add(age);
  }
}
