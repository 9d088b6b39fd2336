/**
 * The one door through which entries and streams come in, and where they meet. The hub does not know
 * who numbered an entry, nor where it came from.
 */
import type { Channel } from './channel.ts';
import { ChannelIndex } from './channel-index.ts';
import { TidingsError } from './errors.ts';
import { formatEventId, parseEventId } from './event-id.ts';
import { Flusher } from './flusher.ts';
import { cost, type Recipients } from './log.ts';
import { Matches } from './matches.ts';
import { CHANNEL_OVERHEAD_BYTES, type RetentionLimits } from './retention.ts';
import { type Dump, dumpEntries } from './snapshot.ts';
import { type CloseReason, type Sink, Stream, StreamState } from './stream.ts';

/** Characters of a strange id that are sent back in the notice of its gap. */
const MAX_ECHO_LENGTH = 64;

export interface HubOptions {
  readonly retention: RetentionLimits;
  /** The epoch of the numbers of entries, as clients see it in ids. */
  readonly epoch: string;
  /** Told once of every stream that is over. */
  readonly onClosed?: (stream: Stream, reason: CloseReason) => void;
  /** Seconds of a monotonic clock. */
  readonly now?: () => number;
}

/** An entry on its way into the logs: it has its number already. */
export interface NewEntry {
  readonly n: number;
  readonly channels: readonly string[];
  readonly to: Recipients;
  readonly bytes: Buffer;
}

export interface OpenOptions {
  readonly user: string;
  /** Without duplicates. */
  readonly channels: readonly string[];
  readonly address: string;
  readonly expiresAt: number;
  /** The id after which the stream is to continue; undefined: with what is appended from now on. */
  readonly lastEventId?: string | undefined;
}

/** Why a stream has a gap: see `tidings.gap` in the README. */
type GapReason = 'evicted' | 'epoch' | 'unknown' | 'lagged';

export class Hub {
  readonly streams = new Set<Stream>();
  readonly blockedStreams = new Set<Stream>();
  /** Streams that blocked and whose socket has not been seen with room to spare since. */
  readonly slowStreams = new Set<Stream>();
  /** Streams ended so far whose last bytes the addon still had to send. */
  endedBlockedCount = 0;
  readonly now: () => number;
  readonly #index: ChannelIndex;
  readonly #epoch: string;
  readonly #onClosed: (stream: Stream, reason: CloseReason) => void;
  readonly #flusher: Flusher;
  readonly #keepsOnlyNeeded: boolean;
  /** Streams that came back for more than is retained, until their turn, when they are told. */
  readonly #tooLate = new Set<Stream>();
  /** Frames kept alive by streams in the middle of them, and by how many. */
  readonly #held = new Map<ArrayBufferLike, number>();
  readonly #untrimmed = new Set<Channel<Stream>>();
  #lastStreamId = 0;

  constructor(options: HubOptions) {
    this.now = options.now ?? monotonicSeconds;
    this.#epoch = options.epoch;
    this.#onClosed = options.onClosed ?? (() => {});
    this.#keepsOnlyNeeded = options.retention.capacity === 0;
    this.#index = new ChannelIndex(options.retention);
    this.#flusher = new Flusher({
      missed: (stream, position) => this.#missed(stream, position),
      idle: () => this.#trim(),
    });
  }

  /**
   * Adds a stream whose response head is out already. It gets what is appended from now on, and
   * before that what it has missed since `lastEventId`, as far as it is retained.
   */
  open(sink: Sink, options: OpenOptions): Stream {
    this.#lastStreamId += 1;
    const stream = new Stream(sink, {
      id: this.#lastStreamId,
      user: options.user,
      channels: this.#index.setOf(options.channels),
      address: options.address,
      position: this.#flusher.head,
      expiresAt: options.expiresAt,
      owner: this,
    });
    this.#index.enter(stream);
    this.streams.add(stream);
    if (options.lastEventId !== undefined) this.#resume(stream, options.lastEventId);
    return stream;
  }

  #resume(stream: Stream, lastEventId: string): void {
    const { head } = this.#flusher;
    const id = parseEventId(lastEventId);
    if (id === undefined || (id.epoch === this.#epoch && id.n > head))
      return this.#announceGap(stream, lastEventId, 'unknown');
    if (id.epoch !== this.#epoch) return this.#announceGap(stream, lastEventId, 'epoch');
    if (id.n === head) return;
    stream.position = id.n;
    if (stream.channels.missedThrough(stream.user, id.n) > id.n) this.#tooLate.add(stream);
    this.#flusher.markBehind(stream);
  }

  #missed(stream: Stream, position: number): void {
    const reason = this.#tooLate.delete(stream) ? 'evicted' : 'lagged';
    this.#announceGap(stream, this.#idOf(position), reason);
  }

  /**
   * Takes an entry into its channels' logs and returns how many open streams it is meant for.
   * @throws TidingsError `MEMORY_FULL`, having changed nothing
   */
  append(entry: NewEntry): number {
    const { n, to, bytes } = entry;
    const flushedThrough = this.#keepFrom();
    const kept = { n, to, bytes, time: this.now() };
    const needed = entry.channels.length * (cost(kept) + CHANNEL_OVERHEAD_BYTES);
    this.#makeRoom(needed);
    this.#flusher.head = n;
    const matches = new Matches();
    for (const name of entry.channels) {
      const channel = this.#index.channel(name);
      this.#index.retention.append(channel, kept, flushedThrough);
      this.#untrimmed.add(channel);
      this.#mark(channel, kept, matches);
    }
    if (!this.#flusher.isDue) this.#trim();
    return matches.count(entry.channels.length > 1);
  }

  // A reader that is stuck inside a frame keeps it alive: when the room is needed, it gives way.
  #makeRoom(bytes: number): void {
    const { retention } = this.#index;
    while (!retention.makeRoom(bytes, this.#flusher.flushedThrough)) {
      const stuck = [...this.blockedStreams].find((stream) => stream.isInsideFrame);
      if (stuck === undefined) throw memoryFull();
      stuck.close('stalled');
    }
  }

  /** Writes what a stream has not had yet, then `farewell`, and ends it on a whole frame. */
  end(stream: Stream, reason: CloseReason, farewell?: Buffer): void {
    this.#flusher.catchUp(stream);
    if (stream.state === StreamState.Blocked) this.endedBlockedCount += 1;
    stream.end(reason, farewell);
  }

  /** Drops what is past its time to live. */
  expire(channel: Channel<Stream>): void {
    this.#index.retention.expire(channel, this.now());
  }

  /** Newest number appended. */
  get head(): number {
    return this.#flusher.head;
  }

  /** Everything another hub needs to go on from here. */
  dump(): Dump {
    return {
      epoch: this.#epoch,
      head: this.head,
      evictedThrough: this.#index.evictedThrough(),
      evictedElsewhere: this.#index.forgotten.nameless,
      entries: dumpEntries(this.channels.values(), this.now()),
    };
  }

  /** Takes over what another hub knew; before anything else. */
  restore({ head, evictedThrough, evictedElsewhere, entries }: Dump): void {
    this.#index.forgotten.restore(evictedThrough, evictedElsewhere);
    const now = this.now();
    for (const { n, to, channels, text, age } of entries) {
      const recipients = Array.isArray(to) ? new Set(to) : (to ?? undefined);
      const entry = { n, to: recipients as Recipients, bytes: Buffer.from(text), time: now - age };
      for (const name of channels)
        this.#index.retention.append(this.#index.channel(name), entry, n);
    }
    this.#flusher.head = head;
  }

  get channels(): ReadonlyMap<string, Channel<Stream>> {
    return this.#index.channels;
  }

  get retainedBytes(): number {
    return this.#index.retention.bytes;
  }

  /** StreamOwner: a stream has room again. */
  resumed(stream: Stream): void {
    this.blockedStreams.delete(stream);
    this.#flusher.flushFrom(stream, stream.position);
  }

  /** StreamOwner: a stream cannot take more for now. */
  blocked(stream: Stream): void {
    stream.blockedAt = this.now();
    this.blockedStreams.add(stream);
    this.slowStreams.add(stream);
  }

  /** StreamOwner: a frame lives on for a stream's sake. Those that several keep count once. */
  held({ buffer }: Buffer): void {
    const holders = this.#held.get(buffer) ?? 0;
    this.#held.set(buffer, holders + 1);
    if (holders === 0) this.#index.retention.charge(buffer.byteLength);
  }

  /** StreamOwner: a stream no longer needs a frame. */
  released({ buffer }: Buffer): void {
    const holders = this.#held.get(buffer) ?? 0;
    if (holders > 1) this.#held.set(buffer, holders - 1);
    else if (this.#held.delete(buffer)) this.#index.retention.charge(-buffer.byteLength);
  }

  /** StreamOwner: a stream's socket has room to spare. */
  settled(stream: Stream): void {
    this.slowStreams.delete(stream);
  }

  /** StreamOwner: a stream is over. */
  closed(stream: Stream, reason: CloseReason): void {
    this.streams.delete(stream);
    this.blockedStreams.delete(stream);
    this.slowStreams.delete(stream);
    this.#tooLate.delete(stream);
    this.#index.leave(stream);
    this.#onClosed(stream, reason);
  }

  #mark(
    channel: Channel<Stream>,
    { n, to }: { n: number; to: Recipients },
    matches: Matches,
  ): void {
    if (to === undefined) {
      matches.addChannel(channel);
      if (channel.streamCount > 0) this.#flusher.mark(channel, n);
      return;
    }
    for (const user of typeof to === 'string' ? [to] : to) {
      for (const stream of channel.of(user)) {
        matches.addStream(stream);
        this.#flusher.mark(stream, n);
      }
    }
  }

  // Entries may be evicted for number only up to here. Without any history the logs still hold what
  // Blocked streams have to get.
  #keepFrom(): number {
    let through = this.#flusher.flushedThrough;
    if (!this.#keepsOnlyNeeded) return through;
    for (const { position } of this.blockedStreams) through = Math.min(through, position);
    return through;
  }

  #trim(): void {
    const through = this.#keepFrom();
    for (const channel of this.#untrimmed) {
      this.#index.retention.trim(channel, through);
      this.#index.forgetUnused(channel);
    }
    this.#untrimmed.clear();
  }

  // In band, because EventSource shows a page neither status nor headers.
  #announceGap(stream: Stream, after: string, reason: GapReason): void {
    const range = stream.channels.rangeAfter(stream.position, this.#flusher.head);
    const resumed = this.#idOf(range.firstFor(stream.user));
    stream.systemEvent('gap', { after: after.slice(0, MAX_ECHO_LENGTH), resumed, reason });
  }

  #idOf(n: number): string {
    return formatEventId(this.#epoch, n);
  }
}

const memoryFull = (): TidingsError =>
  new TidingsError(
    'MEMORY_FULL',
    'the memory for events (-memory) is full of what is still being written: emit again in a moment',
  );

const monotonicSeconds = (): number => performance.now() / 1000;
