/**
 * Where log lines go. Whatever takes them may be full, gone, or read by nobody: that costs lines,
 * which are counted, and never time or streams. pino's own destinations wait for a pipe that nobody
 * reads, one way in the event loop, the other way at the exit.
 */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';

/** Lines that could not be written wait up to this many bytes; further ones are dropped and counted. */
export const MAX_WAITING_BYTES = 262_144;

/** How long after a failed write the next one is tried, in milliseconds. */
const RETRY_MS = 100;

/** At the exit a reader that is merely slow gets this long to take what waits, in milliseconds. */
const CLOSE_MS = 1_000;

const STDERR = 2;

export interface LogOutputOptions {
  readonly fd: number;
  /** As `fs.writeSync`: how many bytes were taken, or it throws. */
  readonly write?: (fd: number, bytes: Uint8Array) => number;
}

export class LogOutput {
  readonly #fd: number;
  readonly #tryWrite: (fd: number, bytes: Uint8Array) => number;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #droppedCount = 0;
  #retry: NodeJS.Timeout | undefined;

  constructor({ fd, write = writeSync }: LogOutputOptions) {
    this.#fd = fd;
    this.#tryWrite = write;
  }

  /** Takes a line with its line end. Never throws and never waits. */
  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      this.#droppedCount += 1;
      return;
    }
    this.#tellDropped();
    this.#push(bytes);
    // One that just failed is left alone until the timer is due: a try for each line costs time.
    if (this.#retry === undefined) this.#flush();
  }

  /** Writes what can be written without waiting. */
  flush(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    this.#flush();
  }

  /** Resolves once nothing waits, or after a second. */
  async close(): Promise<void> {
    const end = performance.now() + CLOSE_MS;
    this.flush();
    while (this.#waiting.length > 0 && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      this.flush();
    }
  }

  #flush(): void {
    if (this.#writeWaiting() && this.#droppedCount > 0) {
      this.#tellDropped();
      this.#writeWaiting();
    }
    if (this.#waiting.length > 0) this.#retry = setTimeout(() => this.flush(), RETRY_MS).unref();
  }

  // True when nothing is left. What was taken of a line is not written again, so lines stay whole.
  #writeWaiting(): boolean {
    if (this.#waiting.length === 0) return true;
    let bytes = this.#waiting.length === 1 ? this.#waiting[0]! : Buffer.concat(this.#waiting);
    try {
      for (let taken = 1; taken > 0 && bytes.length > 0; bytes = bytes.subarray(taken))
        taken = this.#tryWrite(this.#fd, bytes);
    } catch {
      // No place to say so. EAGAIN, ENOSPC, EPIPE: each may be over by the next try.
    }
    this.#waiting = bytes.length === 0 ? [] : [bytes];
    this.#waitingBytes = bytes.length;
    return bytes.length === 0;
  }

  // Where the lines are missing, as one of them; its few bytes may pass the limit.
  #tellDropped(): void {
    if (this.#droppedCount === 0) return;
    const line = { level: 40, time: new Date().toISOString(), dropped: this.#droppedCount };
    const msg = 'log lines dropped: what takes the log was full, gone, or not being read';
    this.#droppedCount = 0;
    this.#push(Buffer.from(`${JSON.stringify({ ...line, msg })}\n`));
  }

  #push(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }
}

/** Standard error, such that a write to it fails rather than waits. */
export function standardError(): LogOutput {
  const stat = fstatSync(STDERR);
  const kept = { fd: STDERR };
  if (stat.isFile()) return new LogOutput(kept); // a file is never "not ready"
  try {
    // Opened once more, since others share the flags of what we were given.
    const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants;
    return new LogOutput({ fd: openSync('/proc/self/fd/2', O_WRONLY | O_NONBLOCK | O_NOCTTY) });
  } catch {
    // A socket, or a pipe of another user's: Node makes these non-blocking when it wraps them.
    process.stderr.on('error', () => {});
    return new LogOutput(kept);
  }
}
