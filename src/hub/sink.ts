/** Where the bytes of a stream go, and how they are handed over: in one `send`. */
import { COMMENT } from '../wire/frame.ts';

/** Where bytes go. uWebSockets.js's response has this shape. */
export interface Sink {
  /** Collects the writes of `fn` into one `send`. */
  cork(fn: () => void): unknown;
  /** Takes all bytes always; false means that some wait in user space. */
  write(bytes: Uint8Array): boolean;
  /** Ends the body cleanly. */
  end(): unknown;
  /** Drops the connection. */
  close(): unknown;
  /** Stops watching the socket, and its timer. */
  pause(): unknown;
  /** Watches the socket again for everything, with its timer as new. */
  resume(): unknown;
}

// One closure for all streams, with what it works on beside it: a closure per stream would cost
// memory, one per delivery time.
let corkedSink: Sink;
let corkedBytes: Uint8Array;
let isNudged = false;
let isTaken = false;

function writeCorked(): void {
  isTaken = corkedSink.write(corkedBytes);
  // The addon sends the CRLF that ends a chunk with the next chunk only; clients that wait for it
  // (urllib3, so Python's requests) would get every event one write late.
  if (isTaken && isNudged) isTaken = corkedSink.write(COMMENT);
}

/** Hot path. False when not all was taken; `withNudge` for what clients must see at once. */
export function send(sink: Sink, bytes: Uint8Array, withNudge: boolean): boolean {
  corkedSink = sink;
  corkedBytes = bytes;
  isNudged = withNudge;
  sink.cork(writeCorked);
  return isTaken;
}

export const doNothing = (): void => {};

/** Of a stream that is over. */
export const CLOSED_SINK: Sink = {
  cork: doNothing,
  write: () => false,
  end: doNothing,
  close: doNothing,
  pause: doNothing,
  resume: doNothing,
};
