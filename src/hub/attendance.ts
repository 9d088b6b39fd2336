/** Who is here: streams by user, and the first and the last of each user and channel, for whoever is told. */
import type { ChannelIndex } from './channel-index.ts';
import { type Departure, Departures, MAX_DEPARTURES } from './departures.ts';
import { NO_GAPS } from './gaps.ts';
import { Members } from './members.ts';
import type { Stream } from './stream.ts';

/** Refused streams that are remembered at most, and what they may take, in bytes. */
const MAX_REFUSALS = 2_500;
const MAX_REFUSAL_BYTES = 524_288;

export type Attendee = 'user' | 'channel';

/** Somebody had no stream in this hub and has one now, or the other way round. */
export type OnAttendance = (what: Attendee, name: string, isHere: boolean) => void;

export class Attendance {
  readonly streams = new Set<Stream>();
  readonly departures: Departures;
  /** Streams that were not opened, though their tokens were good once. */
  readonly refusals = new Departures(MAX_REFUSALS, MAX_REFUSAL_BYTES);
  readonly #members = new Members<Stream>();
  readonly #index: ChannelIndex;
  readonly #tell: OnAttendance;

  constructor(
    index: ChannelIndex,
    tell: OnAttendance = () => {},
    maxDepartures: number = MAX_DEPARTURES,
  ) {
    this.#index = index;
    this.#tell = tell;
    this.departures = new Departures(maxDepartures);
  }

  /** The streams of one user, none when there are none. */
  of(user: string): Iterable<Stream> {
    return this.#members.of(user);
  }

  /** A stream is open. */
  enter(stream: Stream): void {
    this.streams.add(stream);
    this.#index.enter(stream);
    this.#members.add(stream);
    if (this.#members.countOf(stream.user) === 1) this.#tell('user', stream.user, true);
    for (const { name, streamCount } of stream.channels.channels)
      if (streamCount === 1) this.#tell('channel', name, true);
  }

  /** A stream of this user was not opened. */
  refused(user: string, reason: string, at: number): void {
    const none = { channels: '', startedBehind: 0, position: 0, gaps: NO_GAPS };
    this.refusals.note({ ...none, user, reason, at });
  }

  /** A stream is over. */
  leave(stream: Stream, how: Pick<Departure, 'reason' | 'at' | 'gaps'>): void {
    const { user, startedBehind, position } = stream;
    const { reason, at, gaps } = how;
    const channels = stream.channels.key;
    this.departures.note({ user, at, reason, channels, startedBehind, position, gaps });
    this.streams.delete(stream);
    this.#index.leave(stream);
    this.#members.remove(stream);
    if (this.#members.countOf(stream.user) === 0) this.#tell('user', stream.user, false);
    for (const { name, streamCount } of stream.channels.channels)
      if (streamCount === 0) this.#tell('channel', name, false);
  }
}
