/**
 * The index channel → user → streams, and the one door through which entries and streams come in.
 * The hub does not know who numbered an entry, nor where it came from.
 */
import { Channel, ChannelSet, ChannelWalk } from './channel.ts';
import { formatEventId, parseEventId } from './event-id.ts';
import { Flusher } from './flusher.ts';
import { Forgotten } from './forgotten.ts';
import type { Recipients } from './log.ts';
import { Retention, type RetentionLimits } from './retention.ts';
import { type CloseReason, type Sink, Stream } from './stream.ts';

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
  readonly channels = new Map<string, Channel<Stream>>();
  readonly now: () => number;
  readonly #sets = new Map<string, ChannelSet<Stream>>();
  readonly #epoch: string;
  readonly #onClosed: (stream: Stream, reason: CloseReason) => void;
  readonly #flusher: Flusher;
  readonly #retention: Retention<Stream>;
  readonly #keepsOnlyNeeded: boolean;
  /** Streams that came back for more than is retained, until their turn, when they are told. */
  readonly #tooLate = new Set<Stream>();
  readonly #forgotten = new Forgotten();
  readonly #untrimmed = new Set<Channel<Stream>>();
  #lastStreamId = 0;

  constructor(options: HubOptions) {
    this.now = options.now ?? monotonicSeconds;
    this.#epoch = options.epoch;
    this.#onClosed = options.onClosed ?? (() => {});
    this.#keepsOnlyNeeded = options.retention.capacity === 0;
    this.#retention = new Retention(options.retention, (channel) => this.#forget(channel));
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
    const channels = this.#setOf(options.channels);
    this.#lastStreamId += 1;
    const stream = new Stream(sink, {
      id: this.#lastStreamId,
      user: options.user,
      channels,
      address: options.address,
      position: this.#flusher.head,
      expiresAt: options.expiresAt,
      owner: this,
    });
    channels.streamCount += 1;
    for (const channel of channels.channels) channel.add(stream);
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

  /** Takes an entry into its channels' logs and returns how many open streams it is meant for. */
  append(entry: NewEntry): number {
    const { n, to, bytes } = entry;
    const flushedThrough = this.#keepFrom();
    this.#flusher.head = n;
    const kept = { n, to, bytes, time: this.now() };
    const matches = new Matches();
    for (const name of entry.channels) {
      const channel = this.#channel(name);
      this.#retention.append(channel, kept, flushedThrough);
      this.#untrimmed.add(channel);
      this.#mark(channel, kept, matches);
    }
    if (!this.#flusher.isDue) this.#trim();
    return matches.count(entry.channels.length > 1);
  }

  /** Writes what a stream has not had yet, then ends it on a whole frame. */
  end(stream: Stream, reason: CloseReason): void {
    this.#flusher.catchUp(stream);
    stream.end(reason);
  }

  /** Drops what is past its time to live. */
  expire(channel: Channel<Stream>): void {
    this.#retention.expire(channel, this.now());
  }

  get retainedBytes(): number {
    return this.#retention.bytes;
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

  /** StreamOwner: a stream's socket has room to spare. */
  settled(stream: Stream): void {
    this.slowStreams.delete(stream);
  }

  /** StreamOwner: a stream is over. */
  closed(stream: Stream, reason: CloseReason): void {
    const { channels } = stream;
    this.streams.delete(stream);
    this.blockedStreams.delete(stream);
    this.slowStreams.delete(stream);
    this.#tooLate.delete(stream);
    for (const channel of channels.channels) channel.remove(stream);
    channels.streamCount -= 1;
    if (channels.streamCount === 0) this.#sets.delete(channels.key);
    for (const channel of channels.channels) if (channel.isUnused) this.#forget(channel);
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
      this.#retention.trim(channel, through);
      if (channel.isUnused) this.#forget(channel);
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

  #channel(name: string): Channel<Stream> {
    let channel = this.channels.get(name);
    if (channel !== undefined) return channel;
    channel = new Channel<Stream>(name);
    channel.log.assumeEvictedThrough(this.#forgotten.take(name));
    this.channels.set(name, channel);
    this.#retention.added(channel);
    return channel;
  }

  #forget(channel: Channel<Stream>): void {
    if (this.channels.get(channel.name) !== channel) return;
    this.channels.delete(channel.name);
    this.#forgotten.add(channel.name, channel.log.evictedThrough);
    this.#retention.removed(channel);
  }

  #setOf(names: readonly string[]): ChannelSet<Stream> {
    const sorted = [...names].sort();
    const key = sorted.join('\n'); // names hold no control characters
    let set = this.#sets.get(key);
    if (set === undefined) {
      set = new ChannelSet(
        key,
        sorted.map((name) => this.#channel(name)),
      );
      this.#sets.set(key, set);
    }
    return set;
  }
}

/** Counts the streams an entry is meant for; each once, also when it is on several of the channels. */
class Matches {
  readonly #channels: Channel<Stream>[] = [];
  readonly #streams: Stream[] = [];

  addChannel(channel: Channel<Stream>): void {
    this.#channels.push(channel);
  }

  addStream(stream: Stream): void {
    this.#streams.push(stream);
  }

  count(canOverlap: boolean): number {
    if (!canOverlap) return this.#streams.length + (this.#channels[0]?.streamCount ?? 0);
    const all = new Set(this.#streams);
    for (const channel of this.#channels) {
      for (const walk = new ChannelWalk(channel); ; ) {
        const stream = walk.next();
        if (stream === undefined) break;
        all.add(stream);
      }
    }
    return all.size;
  }
}

const monotonicSeconds = (): number => performance.now() / 1000;
