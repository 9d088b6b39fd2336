/**
 * One open response. It has no queue: it has a position, the number through which it has had
 * everything meant for it, and the channels' logs hold the rest. A stream that cannot take more is
 * Blocked and costs that number.
 */

import type { Entry } from '../log/entry.ts';
import { cutFrame, type Piece, type Rest, throughBefore } from '../log/range.ts';
import { NEVER, type Timed } from '../log/timetable.ts';
import { COMMENT } from '../wire/frame.ts';
import type { ChannelSet } from './channel.ts';
import type { Walk } from './members.ts';
import { CLOSED_SINK, doNothing, type Sink, send } from './sink.ts';

export type { Sink } from './sink.ts';

/** Who has to know what becomes of a stream. */
export interface StreamOwner {
  /** The tick that it is, or one a little older. */
  readonly tick: number;
  blocked(stream: Stream): void;
  /** The stream keeps this entry alive from now on, and no longer the one before. */
  holds(entry: Entry | undefined, before: Entry | undefined): void;
  /** The stream has been Live again since just now, and is behind. */
  resumed(stream: Stream): void;
  /** The socket has had room to spare since just now: the stream need not be watched any more. */
  settled(stream: Stream): void;
  /** The stream is about to be over; its state is still what it was. */
  closing(stream: Stream): void;
  closed(stream: Stream, reason: CloseReason): void;
}

/**
 * `Live`: has had everything, or gets it when the flush that is due comes by. `Blocked`: cannot take
 * more. `Behind`: its position is older than that, and it waits for its turn to be brought closer.
 * `Asking`: so old that a deeper log is asked for what comes next.
 */
export const StreamState = { Live: 0, Blocked: 1, Closed: 2, Behind: 3, Asking: 4 } as const;
export type StreamState = (typeof StreamState)[keyof typeof StreamState];

/**
 * Why a stream is over. `left`: the client, or something on the way to it, closed the connection.
 * `replaced`: a newer one of the same user or address took its place. `kicked`: somebody asked for it.
 * `revoked`: its token counts no more.
 */
export type CloseReason =
  | 'left'
  | 'stalled'
  | 'expired'
  | 'replaced'
  | 'kicked'
  | 'revoked'
  | 'drain'
  | 'error';

// As few as a comment has: every refused offer stays in the addon's buffer.
const OFFER_BYTES = COMMENT.length;

/** Whose it is, as its token says. */
export interface StreamOptions {
  readonly user: string;
  /** Counted against the limit per address; empty when there is none. */
  readonly address: string;
  /** Unix seconds at which the token was made; 0 when it does not say. */
  readonly issuedAt?: number;
  /** The token's `jti`. */
  readonly tokenId?: string | undefined;
  /** Second of the monotonic clock at which the token expires. */
  readonly expiresAt: number;
}

/** What the hub makes of it. Apart from the options, so that opening a stream copies no object. */
export interface StreamPlace {
  readonly id: number;
  readonly channels: ChannelSet<Stream>;
  readonly position: number;
  readonly owner: StreamOwner;
}

export class Stream implements Timed {
  readonly id: number;
  readonly user: string;
  readonly channels: ChannelSet<Stream>;
  readonly address: string;
  readonly expiresAt: number;
  readonly issuedAt: number;
  readonly tokenId: string | undefined;
  /** Tick at which it was opened. */
  readonly openedAt: number;
  /** The position from which it began. Owned by `positions`. */
  startedBehind: number;
  /** Everything meant for this stream through this number has been written, or declared missing. */
  position: number;
  /**
   * Through this number none of it waits in the addon any more. It tells one write late: a write that it
   * takes says that those before it are out, one that it refuses that the one before is not.
   */
  sentThrough: number;
  /** Number of the newest id that it was sent. */
  toldThrough = 0;
  state: StreamState = StreamState.Live;
  /** Second of the monotonic clock at which it became Blocked. */
  blockedAt = 0;
  /** A flush of this stream alone is due. Owned by the flusher. */
  isQueued = false;
  isExpiryAnnounced = false;
  /** Tick of the last write. */
  writtenAt: number;
  dueAt = NEVER;
  // What is missing of a frame that began to go out before the stream blocked. It keeps the entry
  // alive even when the log has evicted it, since a frame once begun must be finished.
  #rest: Rest | undefined;
  #sink: Sink;
  readonly #owner: StreamOwner;

  constructor(sink: Sink, options: StreamOptions, { id, channels, position, owner }: StreamPlace) {
    this.#sink = sink;
    this.id = id;
    this.user = options.user;
    this.channels = channels;
    this.address = options.address;
    this.position = position;
    this.sentThrough = position;
    this.expiresAt = options.expiresAt;
    this.issuedAt = options.issuedAt ?? 0;
    this.tokenId = options.tokenId;
    this.startedBehind = position;
    this.#owner = owner;
    this.writtenAt = this.#owner.tick;
    this.openedAt = this.writtenAt;
  }

  /**
   * Hot path: once per stream per flush. Writes the pieces, stops at the first that is not taken.
   * With all of them it has had everything through number `end`.
   */
  flush(pieces: readonly Piece[], end: number): void {
    const last = pieces.length - 1;
    for (let i = 0; i <= last; i += 1) {
      const piece = pieces[i]!;
      if (send(this.#sink, piece.bytes, i === last)) continue;
      if (i > 0) this.sentThrough = throughBefore(pieces, i - 1, this.position);
      this.position = piece.through;
      this.toldThrough = piece.through;
      this.#hold(piece.rest);
      this.#block();
      return;
    }
    if (last >= 0) {
      this.writtenAt = this.#owner.tick;
      this.toldThrough = pieces[last]!.through;
      this.sentThrough = throughBefore(pieces, last, this.position);
    }
    this.position = end;
  }

  /** Writes a comment; not to a Blocked stream, where it would tear a frame. */
  heartbeat(): void {
    if (this.state === StreamState.Blocked || this.state === StreamState.Closed) return;
    this.writtenAt = this.#owner.tick;
    this.#writeOwn(COMMENT, false);
  }

  /** A whole frame of the server's own. Does nothing unless the stream is Live. */
  notice(bytes: Uint8Array): void {
    if (this.state !== StreamState.Live) return;
    this.writtenAt = this.#owner.tick;
    this.#writeOwn(bytes, true);
  }

  /** This stream alone, for a flush of it. */
  walk(): Walk<Stream> {
    let stream: Stream | undefined = this;
    return {
      next: () => {
        const once = stream;
        stream = undefined;
        return once;
      },
    };
  }

  /** The socket has room again. Must be called for every such event of the addon. */
  writable(): void {
    if (this.state === StreamState.Closed) return;
    // With a handler registered the addon leaves emptying its own buffer to us; an empty cork does
    // it (uWebSockets core v20.58, HttpContext.h).
    this.#sink.cork(doNothing);
    this.#owner.settled(this);
    if (this.state === StreamState.Blocked) this.#goOn();
  }

  /**
   * To be called every few seconds from when a stream blocked until it is settled. The addon drops a
   * connection 8 to 12 seconds after a refused write unless the socket was seen writable, even when
   * the kernel takes bytes again (it tells only when a third of its buffer is free). How long a
   * reader may stall is for us to decide: so the timer is set anew, and a few bytes are offered.
   */
  keepWaiting(): void {
    if (this.state === StreamState.Closed) return;
    if (this.state === StreamState.Blocked && this.#offer()) this.#goOn();
    this.#sink.pause();
    this.#sink.resume();
  }

  #goOn(): void {
    this.state = StreamState.Live;
    if (this.#finishFrame()) this.#owner.resumed(this);
  }

  #offer(): boolean {
    const rest = this.#rest;
    if (rest === undefined) return send(this.#sink, COMMENT, false);
    const { bytes, entry } = rest;
    if (bytes.length > OFFER_BYTES) this.#rest = { bytes: bytes.subarray(OFFER_BYTES), entry };
    else this.#hold(undefined);
    return send(this.#sink, bytes.subarray(0, OFFER_BYTES), false);
  }

  /** Ends the response cleanly, on a whole frame; `farewell` is for whole lines. */
  end(reason: CloseReason, farewell?: Buffer): void {
    if (this.state === StreamState.Closed) return;
    const sink = this.#sink;
    const rest = this.#rest;
    this.#over(reason);
    // The addon takes every write whole, so a frame half written can be finished here and now.
    if (rest !== undefined) for (const piece of cutFrame(rest, 0)) send(sink, piece.bytes, false);
    sink.cork(() => {
      if (farewell !== undefined) sink.write(farewell);
      sink.end();
    });
  }

  /** Drops the connection, with whatever it has not read. */
  close(reason: CloseReason): void {
    if (this.state === StreamState.Closed) return;
    const sink = this.#sink;
    this.#over(reason);
    sink.close();
  }

  /** The connection is gone; the sink must not be touched any more. */
  aborted(): void {
    if (this.state !== StreamState.Closed) this.#over('left');
  }

  /** The entry in whose frame it is, and which it keeps alive. */
  get heldEntry(): Entry | undefined {
    return this.#rest?.entry;
  }

  #hold(rest: Rest | undefined): void {
    const before = this.#rest;
    if (rest === before) return;
    this.#rest = rest;
    this.#owner.holds(rest?.entry, before?.entry);
  }

  #block(): void {
    this.writtenAt = this.#owner.tick;
    this.state = StreamState.Blocked;
    this.#owner.blocked(this);
  }

  // True when no frame is left half written.
  #finishFrame(): boolean {
    const rest = this.#rest;
    this.#hold(undefined);
    const { position, sentThrough } = this;
    if (rest === undefined) this.#writeOwn(COMMENT, false);
    else {
      this.flush(cutFrame(rest, position), position);
      this.sentThrough = sentThrough; // the frame is out when the next write is taken
    }
    return this.state === StreamState.Live;
  }

  // Nothing of an event: all that was written before is out, or nothing is known anew.
  #writeOwn(bytes: Uint8Array, withNudge: boolean): void {
    if (send(this.#sink, bytes, withNudge)) this.sentThrough = this.position;
    else this.#block();
  }

  #over(reason: CloseReason): void {
    this.#owner.closing(this);
    this.state = StreamState.Closed;
    this.#hold(undefined);
    this.#sink = CLOSED_SINK;
    this.#owner.closed(this, reason);
  }
}
