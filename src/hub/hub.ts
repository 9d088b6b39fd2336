/**
 * The one door through which entries and streams come in, and where they meet. The hub does not know
 * who numbered an entry, nor where it came from.
 */

import type { Dump } from '../log/dump.ts';
import { type Addressed, Entry, type EntrySize, mostBytes, type NewEntry } from '../log/entry.ts';
import { Lineage, type Refusal } from '../log/lineage.ts';
import type { Retention } from '../log/retention.ts';
import type { Timetable } from '../log/timetable.ts';
import { Unencoded } from '../log/unencoded.ts';
import { Attendance } from './attendance.ts';
import { audienceOf } from './audience.ts';
import { awaitFill } from './await-fill.ts';
import type { Channel } from './channel.ts';
import { ChannelIndex } from './channel-index.ts';
import { type DeeperQuestion, type DeeperRange, DeeperReader, rangeOf } from './deeper-log.ts';
import { Elsewhere } from './elsewhere.ts';
import { Flow } from './flow.ts';
import { Flusher } from './flusher.ts';
import type { Gaps } from './gaps.ts';
import type { HubOptions, OpenOptions } from './hub-options.ts';
import { Instruments } from './instruments.ts';
import { Notices } from './notices.ts';
import { dumpOf, restoreTo } from './past.ts';
import { Positions } from './positions.ts';
import { Revocations } from './revocations.ts';
import { Room } from './room.ts';
import { type CloseReason, type Sink, Stream, StreamState } from './stream.ts';

export type { HubOptions, OpenOptions } from './hub-options.ts';

/** So much of the budget may wait to be written before no more should come. */
const BEHIND_SHARE = 1 / 2;

export class Hub {
  readonly attendance: Attendance;
  readonly revocations: Revocations;
  readonly flow: Flow;
  readonly now: () => number;
  readonly instruments: Instruments;
  readonly elsewhere: Elsewhere;
  readonly #index: ChannelIndex;
  readonly #lineage: Lineage;
  readonly #positions: Positions;
  readonly #deeper: DeeperReader | undefined;
  /** Another hub of this process keeps all that this one has, and more. */
  readonly isTail: boolean;
  readonly #onClosed: (stream: Stream, reason: CloseReason) => void;
  readonly #flusher: Flusher;
  readonly #room: Room;
  readonly #unencoded = new Unencoded();
  #lastStreamId: number;

  constructor(options: HubOptions) {
    this.#lastStreamId = options.lastStreamId ?? 0;
    this.now = options.now ?? monotonicSeconds;
    this.isTail = options.isTail ?? false;
    this.revocations = new Revocations(options.maxRevocations);
    this.instruments = new Instruments(this.now);
    this.#lineage = new Lineage(options.epoch, options.olderEpochs);
    this.#onClosed = options.onClosed ?? (() => {});
    this.#index = new ChannelIndex(options.retention, this.now);
    this.attendance = new Attendance(this.#index, options.onAttendance);
    this.#flusher = new Flusher({
      instruments: this.instruments,
      missed: (stream, position) => this.#positions.missed(stream, position),
      asksDeeper: (stream, position, upto) => this.#asksDeeper(stream, position, upto),
      isPressed: options.isPressed ?? (() => false),
      idle: () => this.#room.flushed(),
    });
    this.flow = new Flow({
      retention: this.#index.retention,
      now: this.now,
      onResumed: (stream) => this.#flusher.resume(stream),
      onClosing: (stream) => this.#closing(stream),
      onClosed: (stream, reason) => this.#closed(stream, reason),
    });
    this.#room = new Room({
      index: this.#index,
      flusher: this.#flusher,
      flow: this.flow,
      keepsOnlyNeeded: options.retention.capacity === 0,
      hasDeeperLog: options.deeperLog !== undefined,
    });
    this.#positions = new Positions({
      flusher: this.#flusher,
      instruments: this.instruments,
      lineage: this.#lineage,
      notices: new Notices(options.notices),
      staleSeconds: options.staleSeconds ?? options.retention.ttlSeconds / 2,
      now: this.now,
      hasDeeperLog: options.deeperLog !== undefined,
      newest: options.newest ?? (() => this.#flusher.head),
      fill: ({ channels }, after) => this.#index.fills.begin(channels, after),
    });
    this.elsewhere = new Elsewhere(this.#index, this.#positions, this.#flusher);
    if (options.deeperLog !== undefined)
      this.#deeper = new DeeperReader(options.deeperLog, this.#flusher, this.#positions);
  }

  /**
   * Adds a stream whose response head is out already. It gets what is appended from now on, and
   * before that what it has missed since `lastEventId`, as far as it is retained.
   */
  open(sink: Sink, options: OpenOptions): Stream {
    this.flow.readClock();
    this.#lastStreamId += 1;
    const stream = new Stream(sink, options, {
      id: this.#lastStreamId,
      channels: this.#index.setOf(options.channels),
      position: this.#flusher.head,
      owner: this.flow,
    });
    this.attendance.enter(stream);
    this.flow.opened(stream);
    this.#positions.start(stream, options);
    return stream;
  }

  /** A stream has been silent for long enough: it gets a heartbeat, or a young id in its place. */
  beat(stream: Stream): void {
    this.#positions.beat(stream);
  }

  /** Tells a stream that its token ends soon; false when it could not be told now. */
  announceExpiry(stream: Stream, secondsLeft: number): boolean {
    return this.#positions.announceExpiry(stream, secondsLeft);
  }

  /** Makes room for an entry. @throws TidingsError `EVENT_TOO_LARGE` or `MEMORY_FULL`, having changed nothing */
  admit(size: EntrySize): void {
    this.#room.admit(size);
  }

  /** Others need so many bytes of the budget from now on. */
  reserve(bytes: number): void {
    this.#index.retention.reservedBytes = bytes;
  }

  /** Takes entries into their channels' logs, in the order of their numbers. Never refuses. */
  append(entries: readonly NewEntry[]): void {
    for (const entry of entries) this.#append(entry);
    this.#room.appended();
  }

  /** What lies behind a position here: the deeper log of a hub that keeps less. */
  read(question: DeeperQuestion): DeeperRange | Promise<DeeperRange> {
    return rangeOf({ index: this.#index, head: this.head, deeperLog: this.#deeper?.log }, question);
  }

  /** As a `Replica`. */
  lost(through: number): void {
    this.elsewhere.lost(through);
  }

  /** Takes over the place in the order, where everything before lies deeper, or nowhere any more. */
  startBehind(head: number): void {
    this.restore({ epochs: [], head, evictedElsewhere: head, evictions: [], entries: [] });
  }

  /** As a `Replica`: what streams wait for would soon be all that the budget holds. */
  get isBehind(): boolean {
    return this.pendingBytes > this.retention.budgetBytes * BEHIND_SHARE;
  }

  /** Bytes of entries that streams may still be waiting for. */
  get pendingBytes(): number {
    return this.#flusher.pendingBytes;
  }

  #asksDeeper(stream: Stream, position: number, upto: number): boolean {
    const takers = { fills: this.#index.fills, flusher: this.#flusher, positions: this.#positions };
    if (stream.channels.isUnfilledAfter(position)) awaitFill(stream, position, takers);
    else if (this.#deeper === undefined) return false;
    else this.#deeper.ask(stream, position, upto);
    return true;
  }

  #append(entry: NewEntry): void {
    const { n, to, channels: named, bytes, trace } = entry;
    const channels = this.#index.reached(named);
    const through = this.#room.through;
    const kept = new Entry(entry, this.now());
    this.#positions.reached(n);
    this.#flusher.advance(n, mostBytes({ byteLength: bytes.length, to, channels }), trace);
    for (const name of channels) {
      const channel = this.#index.channel(name);
      this.#index.retention.append(channel, kept, through);
      this.#room.touched(channel);
      this.#mark(channel, kept);
    }
    if (kept.isLate) this.#unencoded.add(kept);
  }

  /** How many open streams something is meant for. */
  audience({ channels, to }: Addressed): number {
    const present: Channel<Stream>[] = [];
    for (const name of this.#index.reached(channels)) {
      const channel = this.channels.get(name);
      if (channel !== undefined && channel.streamCount > 0) present.push(channel);
    }
    return audienceOf(present, to);
  }

  /** Writes what a stream has not had yet, then `farewell`, and ends it on a whole frame. */
  end(stream: Stream, reason: CloseReason, farewell?: Buffer): void {
    this.#flusher.catchUp(stream);
    if (stream.state === StreamState.Blocked) this.flow.endedBlockedCount += 1;
    stream.end(reason, farewell);
  }

  /** Drops what is past its time to live. */
  expire(channel: Channel<Stream>): void {
    this.#index.retention.expire(channel, this.now());
  }

  /** Number through which a stream has had everything that was for it. */
  positionOf(stream: Stream): number {
    return this.#positions.of(stream);
  }

  /** What it was told to be missing. */
  gapsOf(stream: Stream): Gaps {
    return this.#positions.gapsOf(stream);
  }

  /** The number of an id, or why it has none. */
  numberOf(id: string): number | Refusal {
    return this.#lineage.read(id, this.head);
  }

  /** Newest number appended. */
  get head(): number {
    return this.#flusher.head;
  }

  /** Everything another hub needs to go on from here. */
  dump(): Dump {
    const { head } = this;
    return dumpOf(this.#index, { epochs: this.#lineage.epochs(head), head, now: this.now() });
  }

  /** Takes over what another hub knew; before anything else. */
  restore(dump: Dump): void {
    restoreTo(this.#index, dump, this.now());
    this.#flusher.head = dump.head;
    this.#positions.reached(dump.head);
  }

  get streams(): ReadonlySet<Stream> {
    return this.attendance.streams;
  }

  get channels(): ReadonlyMap<string, Channel<Stream>> {
    return this.#index.channels;
  }

  /** Channels that hold something, by when they are to `expire`. */
  get aging(): Timetable<Channel<Stream>> {
    return this.retention.aging;
  }

  get retainedBytes(): number {
    return this.#index.retention.bytes;
  }

  /** How much its logs keep, and may. */
  get retention(): Retention<Channel<Stream>> {
    return this.#index.retention;
  }

  // One that is Live holds no position of its own.
  #closing(stream: Stream): void {
    stream.position = this.positionOf(stream);
  }

  #closed(stream: Stream, reason: CloseReason): void {
    this.instruments.closed.add(reason);
    const gaps = this.gapsOf(stream);
    this.attendance.leave(stream, { reason, at: this.now(), gaps });
    this.#positions.forget(stream);
    this.#deeper?.forget(stream);
    this.#onClosed(stream, reason);
  }

  #mark(channel: Channel<Stream>, { n, to }: Entry): void {
    if (channel.streamCount === 0) return;
    if (to === undefined) return this.#flusher.mark(channel, n);
    for (const user of typeof to === 'string' ? [to] : to)
      for (const stream of channel.of(user)) this.#flusher.mark(stream, n);
  }
}

const monotonicSeconds = (): number => performance.now() / 1000;
