/**
 * Where streams begin, and what they are told of where they are. An id goes out only when everything
 * up to it was written on this stream before, or was declared missing: a client that is cut at any
 * moment, before its first event too, comes back to exactly that place.
 */

import type { Lineage, Refusal } from '../log/lineage.ts';
import type { ChannelSet } from './channel.ts';
import type { Flusher } from './flusher.ts';
import { type Gaps, NO_GAPS, withGap } from './gaps.ts';
import type { Instruments } from './instruments.ts';
import type { GapReason, Notices } from './notices.ts';
import { PastHeads } from './past-heads.ts';
import { type Stream, StreamState } from './stream.ts';

export interface PositionsOptions {
  readonly flusher: Flusher;
  readonly instruments: Instruments;
  readonly lineage: Lineage;
  readonly notices: Notices;
  /** An id that was passed by so long ago has fallen behind, in seconds. */
  readonly staleSeconds: number;
  /** Seconds of a monotonic clock. */
  readonly now: () => number;
  /** What the hub has evicted is not lost yet. */
  readonly hasDeeperLog: boolean;
  /** Number that has been given out, at least the hub's own. */
  readonly newest: () => number;
  /** Begins to fill the prefixes that lack what lies behind number `after`; true when none does. */
  readonly fill: (channels: ChannelSet<Stream>, after: number) => boolean;
}

/** What decides where a stream begins. */
export interface Start {
  /** The id after which the stream is to continue; undefined: with what is appended from now on. */
  readonly lastEventId?: string | undefined;
  /** Lines that go out first, in front of `tidings.open`. */
  readonly greeting?: string;
}

export class Positions {
  readonly #flusher: Flusher;
  readonly #instruments: Instruments;
  readonly #lineage: Lineage;
  readonly #notices: Notices;
  readonly #pastHeads: PastHeads;
  readonly #now: () => number;
  readonly #hasDeeperLog: boolean;
  readonly #newest: () => number;
  readonly #fill: PositionsOptions['fill'];
  /** Streams that came back for more than is retained, until their turn, when they are told. */
  readonly #tooLate = new Set<Stream>();
  /** Those of them of which it will only turn out whether there was a gap. */
  readonly #unsure = new Set<Stream>();
  /** Of the few that were told of some. */
  readonly #gaps = new Map<Stream, Gaps>();

  constructor(options: PositionsOptions) {
    const { flusher, lineage, notices, staleSeconds, now } = options;
    this.#flusher = flusher;
    this.#instruments = options.instruments;
    this.#lineage = lineage;
    this.#notices = notices;
    this.#pastHeads = new PastHeads(staleSeconds);
    this.#now = now;
    this.#hasDeeperLog = options.hasDeeperLog;
    this.#newest = options.newest;
    this.#fill = options.fill;
  }

  /** Number `n` is in the logs. */
  reached(n: number): void {
    this.#pastHeads.note(n, this.#now());
  }

  /** The first bytes of a stream; it goes on from here by itself. */
  start(stream: Stream, { lastEventId, greeting = '' }: Start): void {
    const { head } = this.#flusher;
    const n = lastEventId === undefined ? head : this.#read(lastEventId, head);
    if (typeof n === 'string') {
      this.#instruments.returns.add('gap');
      this.#greet(stream, greeting, undefined);
      this.#noteGap(stream, 0); // from wherever that was
      return this.#announceGap(stream, lastEventId!, n);
    }
    const isKnown = n >= head || this.#fill(stream.channels, n);
    const isTooLate = stream.channels.missedThrough(stream.user, n) > n;
    const isSure = isKnown && !this.#hasDeeperLog;
    stream.position = n;
    stream.sentThrough = n;
    stream.startedBehind = n;
    stream.toldThrough = n;
    // Until a replay has gone out, the client's own id is the only one that is true.
    const id = n === head ? this.#lineage.idOf(n) : lastEventId;
    this.#greet(stream, greeting, isTooLate && isSure ? undefined : id);
    if (isTooLate) this.#tooLate.add(stream);
    if (isTooLate && !isSure) this.#unsure.add(stream);
    if (lastEventId !== undefined) this.#returned(stream, n < head);
    if (n >= head || stream.state !== StreamState.Live) return;
    this.#flusher.markBehind(stream);
  }

  // An id that another hub has given out may be newer than what this one has got.
  #read(id: string, head: number): number | Refusal {
    const n = this.#lineage.read(id, head);
    return n === 'unknown' ? this.#lineage.read(id, this.#newest()) : n;
  }

  #returned(stream: Stream, isBehind: boolean): void {
    const { returns, catchUps } = this.#instruments;
    if (isBehind) catchUps.begin(stream);
    if (this.#unsure.has(stream)) return;
    const level = isBehind ? 'behind' : 'level';
    returns.add(this.#tooLate.has(stream) ? 'gap' : level);
  }

  #greet(stream: Stream, greeting: string, id: string | undefined): void {
    const left = stream.expiresAt - this.#now();
    const open = this.#notices.isOn ? this.#notices.open(left, id) : '';
    if (greeting !== '' || open !== '') stream.notice(Buffer.from(greeting + open));
  }

  /** Entries after `position` that were meant for this stream are gone: it goes on behind them. */
  missed(stream: Stream, position: number): void {
    const isTooLate = this.#tooLate.delete(stream);
    if (this.#unsure.delete(stream)) this.#instruments.returns.add('gap');
    const reason = isTooLate ? 'evicted' : 'lagged';
    this.#noteGap(stream, position);
    this.#announceGap(stream, this.#lineage.idOf(position), reason);
  }

  #noteGap(stream: Stream, after: number): void {
    this.#gaps.set(stream, withGap(this.gapsOf(stream), after, stream.position));
  }

  // In band, because EventSource shows a page neither status nor headers.
  #announceGap(stream: Stream, after: string, reason: GapReason): void {
    this.#instruments.gaps.add(reason);
    stream.toldThrough = stream.position;
    if (!this.#notices.isOn) return;
    const resumed = this.#lineage.idOf(stream.position);
    stream.notice(Buffer.from(this.#notices.gap({ after, resumed, reason }, this.#now())));
  }

  /** A stream was silent for long enough: it gets a heartbeat, or in its place an id, if its own is stale. */
  beat(stream: Stream): void {
    // A stream that is Behind waits for its turn, which may be long: no id, but no silence either.
    if (stream.state !== StreamState.Live) return stream.heartbeat();
    const position = this.#settle(stream);
    const isStale = stream.toldThrough < Math.min(position, this.#pastHeads.at(this.#now()));
    if (!isStale || !this.#notices.isOn) return stream.heartbeat();
    stream.toldThrough = position;
    stream.notice(Buffer.from(this.#notices.position(this.#lineage.idOf(position))));
  }

  /** Tells a Live stream that its token ends soon; false when it could not be told now. */
  announceExpiry(stream: Stream, secondsLeft: number): boolean {
    if (stream.state !== StreamState.Live) return false;
    if (!this.#notices.isOn) return true;
    const position = this.#settle(stream);
    stream.toldThrough = position;
    const id = this.#lineage.idOf(position);
    stream.notice(Buffer.from(this.#notices.expiring(secondsLeft, id)));
    return true;
  }

  // A Live stream holds no position of its own while nothing is due to it: it has had all that the
  // others have had. It must hold one before something is written that may block it.
  #settle(stream: Stream): number {
    stream.position = this.of(stream);
    return stream.position;
  }

  /** Number through which a stream has had everything that was for it: of a Blocked one, for all that is known. */
  of({ state, position, sentThrough }: Stream): number {
    if (state === StreamState.Blocked) return sentThrough;
    return state === StreamState.Live ? Math.max(position, this.#flusher.flushedThrough) : position;
  }

  /** What a stream came back for is there: in the deeper log, or in prefixes that are filled now. */
  found(stream: Stream): void {
    this.#tooLate.delete(stream);
    if (this.#unsure.delete(stream)) this.#instruments.returns.add('behind');
  }

  /** What it was told to be missing. */
  gapsOf(stream: Stream): Gaps {
    return this.#gaps.get(stream) ?? NO_GAPS;
  }

  /** A stream is over. */
  forget(stream: Stream): void {
    this.#tooLate.delete(stream);
    this.#unsure.delete(stream);
    this.#gaps.delete(stream);
    this.#instruments.catchUps.forget(stream);
  }
}
