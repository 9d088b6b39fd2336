/** A sink without a socket: keeps what is written, and refuses when told to. */
import type { Sink } from '../../src/hub/stream.ts';

export class FakeSink implements Sink {
  readonly writes: string[] = [];
  corks = 0;
  /** From now on writes are taken but answered with false. */
  isFull = false;
  /** The same from the write on that is so many from now. */
  fullAfter = Number.POSITIVE_INFINITY;
  hasEnded = false;
  hasClosed = false;
  resumes = 0;

  cork(fn: () => void): void {
    this.corks += 1;
    fn();
  }

  write(bytes: Uint8Array): boolean {
    if (this.hasEnded || this.hasClosed) throw new Error('write after the end');
    this.writes.push(Buffer.from(bytes).toString('utf8'));
    this.fullAfter -= 1;
    if (this.fullAfter <= 0) this.isFull = true;
    return !this.isFull;
  }

  end(): void {
    if (this.hasEnded || this.hasClosed) throw new Error('ended twice');
    this.hasEnded = true;
  }

  close(): void {
    this.hasClosed = true;
  }

  pause(): void {}

  resume(): void {
    this.resumes += 1;
  }

  /** Everything written, in one piece. */
  get text(): string {
    return this.writes.join('');
  }
}
