/** A stream that waits until the prefixes it is on have what lies behind its position. */
import type { Fills } from './fills.ts';
import type { Flusher } from './flusher.ts';
import type { Positions } from './positions.ts';
import { type Stream, StreamState } from './stream.ts';

export interface FillTakers {
  readonly fills: Fills;
  readonly flusher: Flusher;
  readonly positions: Positions;
}

/** As when a deeper log is asked: it gets nothing meanwhile but heartbeats, and goes on from `after`. */
export function awaitFill(stream: Stream, after: number, takers: FillTakers): void {
  const { fills, flusher, positions } = takers;
  stream.state = StreamState.Asking;
  stream.position = after;
  const { channels, user } = stream;
  const done = () => {
    // Blocked by a heartbeat meanwhile: it asks again when it goes on.
    if (stream.state !== StreamState.Asking || stream.position !== after) return;
    if (channels.missedThrough(user, after) <= after) positions.found(stream);
    flusher.markBehind(stream);
  };
  fills.whenFilled({ channels: channels.channels, after, done });
}
