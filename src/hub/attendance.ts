/** Who is here: streams by user, and the first and the last of each user and channel, for whoever is told. */
import type { ChannelIndex } from './channel-index.ts';
import { Members } from './members.ts';
import type { Stream } from './stream.ts';

export type Attendee = 'user' | 'channel';

/** Somebody had no stream in this hub and has one now, or the other way round. */
export type OnAttendance = (what: Attendee, name: string, isHere: boolean) => void;

export class Attendance {
  readonly streams = new Set<Stream>();
  readonly #members = new Members<Stream>();
  readonly #index: ChannelIndex;
  readonly #tell: OnAttendance;

  constructor(index: ChannelIndex, tell: OnAttendance = () => {}) {
    this.#index = index;
    this.#tell = tell;
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

  /** A stream is over. */
  leave(stream: Stream): void {
    this.streams.delete(stream);
    this.#index.leave(stream);
    this.#members.remove(stream);
    if (this.#members.countOf(stream.user) === 0) this.#tell('user', stream.user, false);
    for (const { name, streamCount } of stream.channels.channels)
      if (streamCount === 0) this.#tell('channel', name, false);
  }
}
