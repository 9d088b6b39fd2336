/** Many streams at once from one process: bare sockets that keep next to nothing of what they read. */
import { connect, type Socket } from 'node:net';
import type { Owner } from './sse-client.ts';
import { type ReadEvent, StreamReader } from './stream-reader.ts';
import { eventually } from './wait.ts';

/** Opened at once; more only wait for each other in the listener's queue. */
const OPENING = 200;

/** All sockets read into the same memory: what is read is dealt with before the next read. */
const SHARED_BUFFER = Buffer.alloc(262_144);

/** Everything after `after` through `resumed`, which is the notice's own id, may be missing. */
export interface Gap {
  readonly after: string;
  readonly resumed: string;
  readonly reason: string;
}

export interface MemberOptions {
  readonly token: string;
  readonly lastEventId?: string | undefined;
  /** Bytes that one read takes at most, for readers that are to be slow. */
  readonly readBytes?: number;
}

/** The number in an id. */
export const numberOf = (id: string | undefined): number => Number(id?.split('-')[1] ?? Number.NaN);

export class Member {
  readonly reader: StreamReader;
  /** The numbers of the events, in the order they came. */
  readonly numbers: number[] = [];
  readonly gaps: Gap[] = [];
  /** Names of other system events. */
  readonly system: string[] = [];
  /** Told of every event that was emitted. */
  onEvent: (event: ReadEvent) => void = () => {};
  bytes = 0;
  /** When its socket closed, by `performance.now()`. */
  closedAt: number | undefined;
  /** When the last chunk had come. */
  endedAt: number | undefined;
  isPaused = false;
  /** One read, then none until `resume`. */
  pauseAfterRead = false;
  readonly #socket: Socket;

  constructor(publicUrl: string, { token, lastEventId, readBytes }: MemberOptions) {
    this.reader = new StreamReader((event) => this.#event(event));
    const { hostname: host, port } = new URL(publicUrl);
    const buffer = readBytes === undefined ? SHARED_BUFFER : Buffer.alloc(readBytes);
    const onread = { buffer, callback: (size: number) => this.#read(buffer.subarray(0, size)) };
    this.#socket = connect({ host, port: Number(port), onread });
    this.#socket.on('close', () => {
      this.closedAt ??= performance.now();
    });
    this.#socket.on('error', () => {}); // `closedAt` tells
    const id = lastEventId === undefined ? '' : `Last-Event-ID: ${lastEventId}\r\n`;
    this.#socket.write(
      `GET /events/ HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer ${token}\r\n${id}\r\n`,
    );
  }

  get isOpen(): boolean {
    return this.reader.status === 200 && this.reader.retryMs > 0;
  }

  /** Reads no more until `resume`. */
  pause(): void {
    this.isPaused = true;
    this.#socket.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.#socket.resume();
  }

  close(): void {
    this.#socket.destroy();
  }

  /** Closes with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #read(bytes: Buffer): boolean {
    this.bytes += bytes.length;
    this.reader.read(bytes);
    if (this.endedAt === undefined && this.reader.isWhole) this.endedAt = performance.now();
    if (this.pauseAfterRead) this.isPaused = true;
    return !this.isPaused;
  }

  #event(event: ReadEvent): void {
    if (event.event === 'tidings.gap') this.gaps.push(JSON.parse(event.data) as Gap);
    else if (event.event.startsWith('tidings.')) this.system.push(event.event);
    else {
      this.numbers.push(numberOf(event.id));
      this.onEvent(event);
    }
  }
}

/** Opens a stream for each of `options`, and waits until all have had their first bytes. */
export async function openCrowd(
  t: Owner,
  publicUrl: string,
  options: readonly MemberOptions[],
): Promise<Member[]> {
  const members: Member[] = [];
  t.after(() => {
    for (const member of members) member.close();
  });
  for (let at = 0; at < options.length; at += OPENING) {
    const some = options.slice(at, at + OPENING).map((each) => new Member(publicUrl, each));
    members.push(...some);
    await eventually(() => some.every((member) => member.isOpen), {
      withinMs: 30_000,
      what: 'streams to open',
    });
  }
  return members;
}
