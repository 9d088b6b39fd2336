/** The subscribers of one thread: opened a bounded number at a time, and read until the process ends. */
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { headerLines, type Options } from './arguments.ts';
import { nowNs } from './marker.ts';
import { openConnections } from './open-connections.ts';
import { Reader } from './reader.ts';
import { type Board, CLOSED, DELIVERIES, type Tally } from './tally.ts';

/** In all threads together: the listener's backlog is not what is measured here. */
const READ_BYTES = 256 * 1024;

type State = 'asked' | 'live' | 'closed';

interface Stream {
  state: State;
  readonly index: number;
  readonly since: number;
  readonly socket: Socket;
}

/** What one thread shares with the others, and which streams are its own: every `step`th from `first` on. */
export interface Share {
  readonly first: number;
  readonly step: number;
  readonly board: Board;
  readonly tally: Tally;
}

export class Streams {
  readonly #options: Options;
  readonly #share: Share;
  readonly #reader: Reader;
  readonly #requests: string[];
  readonly #own: number[];
  readonly #all: Stream[] = [];
  #live = 0;
  /** Events that every live stream is to have, once the parent has asked for that many. */
  #wanted: number | undefined;
  #reached: () => void = () => {};
  #opened: () => void = () => {};
  /** One buffer for all streams of the thread: each read is dealt with before the next begins. */
  readonly #input = Buffer.alloc(READ_BYTES + 1);
  readonly #readInto = this.#input.subarray(0, READ_BYTES);

  constructor(options: Options, share: Share) {
    const { first, step, board, tally } = share;
    this.#options = options;
    this.#share = share;
    this.#own = [];
    for (let index = first; index < options.streams; index += step) this.#own.push(index);
    this.#reader = new Reader(this.#own.length, board, tally);
    this.#requests = this.#own.length > 0 ? readRequests(options) : [];
  }

  /** Resolves when all have their head. The caller has a deadline. */
  open(): Promise<void> {
    // A replay comes right behind the head, and is the first run of the process that published it.
    if (this.#options.replay > 0) this.#reader.begin(1);
    return new Promise((resolve) => {
      this.#opened = resolve;
      this.#openMore();
    });
  }

  /** Forgets what earlier runs counted. `isOwn`: see `Crowd.begin`. */
  begin(run: number, isOwn: boolean): void {
    if (this.#options.stuck) this.#loseUnread();
    this.#share.tally.clear();
    this.#wanted = undefined;
    this.#reader.begin(run);
    if (isOwn) for (const [at, index] of this.#own.entries()) this.#reader.expect(at, index);
  }

  /** Calls `reached` when every live stream has had `events` of this run; at once when they have. */
  want(events: number, reached: () => void): void {
    this.#wanted = events;
    this.#reached = reached;
    this.#check();
  }

  #check(): void {
    const wanted = this.#wanted;
    if (wanted === undefined) return;
    if (this.#share.tally.counters[DELIVERIES]! < wanted * this.#live) return;
    this.#wanted = undefined;
    this.#reached();
  }

  #openMore(): void {
    if (this.#live === this.#own.length) return this.#opened();
    const atOnce = Math.ceil(this.#options.opening / this.#share.step);
    const most = Math.min(this.#own.length, this.#live + atOnce);
    while (this.#all.length < most) this.#begin(this.#all.length);
  }

  #begin(at: number): void {
    const index = this.#own[at]!;
    const { stream: target, sources } = this.#options;
    const callback = (length: number) => this.#readable(stream, length);
    const socket = connect({
      ...target,
      localAddress: `127.0.0.${1 + (index % sources)}`,
      onread: { buffer: this.#readInto, callback },
    });
    const stream: Stream = { state: 'asked', index: at, since: nowNs(), socket };
    this.#all.push(stream);
    socket.setNoDelay(true);
    socket.write(this.#requests[index % this.#requests.length]!);
    // An error is followed by `close`.
    socket.on('error', () => {}).on('close', () => this.#lose(stream));
  }

  /** False stops reading this stream for good. */
  #readable(stream: Stream, length: number): boolean {
    if (stream.state === 'asked') this.#takeHead(stream, length);
    this.#reader.take(stream.index, this.#input, length);
    this.#check();
    return !this.#options.stuck;
  }

  /** The head is a stream's first bytes; of it only the status matters, but a replay may be right behind it. */
  #takeHead(stream: Stream, length: number): void {
    const head = this.#input.toString('latin1', 0, Math.min(length, 200));
    if (!/^HTTP\/1\.\d 200/.test(head)) throw new Error(`a stream was refused: ${head}`);
    stream.state = 'live';
    this.#share.tally.heads.add(nowNs() - stream.since);
    this.#live++;
    this.#share.board.addLive(1);
    this.#openMore();
  }

  #lose(stream: Stream): void {
    if (stream.state === 'asked') throw new Error('a stream was closed before its head');
    if (stream.state === 'closed') return;
    stream.state = 'closed';
    this.#live--;
    this.#share.board.addLive(-1);
    this.#share.tally.counters[CLOSED]!++;
    this.#check();
  }

  /** Nobody hears of the end of a connection that is not read: the kernel is asked. */
  #loseUnread(): void {
    const open = openConnections(this.#options.stream.port);
    for (const stream of this.#all) {
      const { localAddress, localPort } = stream.socket;
      if (!open.has(`${localAddress}:${localPort}`)) this.#lose(stream);
    }
  }
}

function readRequests({ requestFile, streams, stream: { host, port } }: Options): string[] {
  const lines = readFileSync(requestFile, 'utf8').split(/\r?\n/).filter(Boolean).slice(0, streams);
  if (lines.length === 0) throw new Error(`no request in ${requestFile}`);
  return lines.map((line) => {
    const [path, ...headers] = line.split('\t');
    const fixed = `Host: ${host}:${port}\r\nAccept: text/event-stream\r\n`;
    return `GET ${path} HTTP/1.1\r\n${fixed}${headerLines(headers.join('\t'))}\r\n`;
  });
}
