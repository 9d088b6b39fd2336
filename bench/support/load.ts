/** Drives the load generator: a child process that obeys one line per run and answers in JSON. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { loadCommand } from './build.ts';
import type { Cleanup } from './cleanup.ts';
import type { Address, Publication, RunningPeer, Subscription } from './peer.ts';

export interface Quantiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** What one run counted, all of it at the client except the server's CPU. */
export interface Counted {
  readonly streams: number;
  readonly posted: number;
  readonly refused: number;
  readonly deliveries: number;
  readonly outOfOrder: number;
  readonly stray: number;
  readonly closed: number;
  readonly bytes: number;
  /** Events that were accepted and not seen at every stream. */
  readonly incomplete: number;
  /** Until the last answer or arrival: the wait for what was lost is not in it. */
  readonly seconds: number;
  /** Share of one core: near 1 means that the generator was the bottleneck. */
  readonly loadCpuShare: number;
  readonly serverCpuUs: number;
  readonly serverCpuShare: number;
  readonly serverUserShare: number;
  /** From when a post was due to the end of its answer. */
  readonly answers: Quantiles;
  /** From when a post was due to the event's arrival at a stream. */
  readonly latency: Quantiles;
  /** Of each event, from when its post was due to its arrival at the last of the streams. */
  readonly lastStream: Quantiles;
  /** p99 of the arrivals of each second of the run; only the generator in C tells it. */
  readonly p99UsBySecond?: readonly number[];
}

export interface LoadOptions {
  readonly streams: number;
  /** First user number, so that two generators can be different users. */
  readonly firstUser?: number;
  /** How many different users; default: every stream another. */
  readonly users?: number;
  /** Streams that are opened and then never read. */
  readonly stuck?: boolean;
  /** Read by the clock, every so many microseconds, instead of when a stream is readable. */
  readonly pollUs?: number;
  /** Events that each stream is sent when it opens: those of another generator's first run. */
  readonly replay?: number;
  /** How much the generator gives way to other processes; default: not at all. */
  readonly nice?: number;
  /** Instead of the peer's own way to open a stream. */
  readonly subscribe?: (index: number) => Subscription;
  /** Instead of the peer's broadcast. */
  readonly publication?: Publication;
}

export interface Run {
  /** lockstep: the next event after the last has arrived everywhere. closed: after its answer. rate: by the clock. */
  readonly mode: 'lockstep' | 'closed' | 'rate';
  readonly publishers?: number;
  readonly count: number;
  readonly perSecond?: number;
  readonly bytes?: number;
  /** Publishes nothing more after this, however much of `count` is left: slow servers get fewer events. */
  readonly seconds?: number;
  /** When to give up waiting for deliveries. */
  readonly deadline?: number;
}

const EVENT_BYTES = 140;
const SOURCE_ADDRESSES = 16;
const DEADLINE_SECONDS = 60;

/** One line for each user: path and header lines of its request, between tabs. */
function requestFile(owner: Cleanup, peer: RunningPeer, options: LoadOptions): string {
  const { streams, firstUser = 0, users = streams, subscribe = peer.subscribe } = options;
  const folder = mkdtempSync(`${tmpdir()}/tidings-bench-`);
  owner.after(() => rmSync(folder, { recursive: true }));
  const lines = Array.from({ length: users }, (_, i) => {
    const { path, headers } = subscribe(firstUser + i);
    return [path, ...headers].join('\t');
  });
  writeFileSync(`${folder}/requests`, `${lines.join('\n')}\n`);
  return `${folder}/requests`;
}

function publicationArguments({ path, headers, body }: Publication): string[] {
  return ['-emit-path', path, '-emit-headers', headers.join('\t'), '-body', body];
}

function argumentsFor(owner: Cleanup, peer: RunningPeer, options: LoadOptions): string[] {
  const { streams, stuck = false, publication = peer.broadcast } = options;
  const at = ({ host, port }: Address) => [host, String(port)];
  return [
    ...['-stream', ...at(peer.stream), '-emit', ...at(peer.emit), '-streams', String(streams)],
    ...[...publicationArguments(publication), '-sources', String(SOURCE_ADDRESSES)],
    ...(streams > 0 ? ['-requests', requestFile(owner, peer, options)] : []),
    ...peer.pids.flatMap((pid) => ['-server', String(pid)]),
    ...(peer.opensAtOnce === undefined ? [] : ['-opening', String(peer.opensAtOnce)]),
    ...(options.pollUs === undefined ? [] : ['-poll', String(options.pollUs)]),
    ...(options.nice === undefined ? [] : ['-nice', String(options.nice)]),
    ...(options.replay === undefined ? [] : ['-replay', String(options.replay)]),
    ...(stuck ? ['-stuck'] : []),
  ];
}

type Answers = AsyncIterator<string>;

/** What goes to the load generator and comes from it. */
interface Channel {
  readonly answers: Answers;
  write(text: string): void;
}

/** The load generator ends when something is not as it must be, and prints what. */
function endedEarly({ pids }: RunningPeer): Error {
  const isThere = (pid: number) => existsSync(`/proc/${pid}`);
  return new Error(
    pids.every(isThere) ? 'the load generator gave up on it' : 'one of its processes crashed',
  );
}

async function nextAnswer(answers: Answers, peer: RunningPeer): Promise<unknown> {
  const { done, value } = await answers.next();
  if (done) throw endedEarly(peer);
  return JSON.parse(value);
}

export class Load {
  readonly opened: Opened;
  readonly #peer: RunningPeer;
  readonly #channel: Channel;
  #runs = 0;

  constructor(opened: Opened, peer: RunningPeer, channel: Channel) {
    this.opened = opened;
    this.#peer = peer;
    this.#channel = channel;
  }

  async run(run: Run): Promise<Counted> {
    const { mode, publishers = 1, count, perSecond = 0, bytes = EVENT_BYTES } = run;
    const { seconds = 0, deadline = DEADLINE_SECONDS } = run;
    const bound = seconds > 0 ? ` ${seconds}` : '';
    this.#tell(`${mode} ${publishers} ${count} ${perSecond} ${bytes} ${deadline}${bound}`);
    return (await this.#next()) as Counted;
  }

  /**
   * Publishes nothing: once it has resolved somebody else may, so many events to all streams. Without `count`: to each
   * stream one, with its place as sequence number.
   */
  async hear({ count = 0, deadline = DEADLINE_SECONDS }: Heard = {}): Promise<Hearing> {
    const run = this.#tell(`hear 1 ${count} 0 0 ${deadline}`);
    await this.#next();
    return { run, counted: this.#next() as Promise<Counted> };
  }

  #tell(line: string): number {
    this.#runs += 1;
    this.#channel.write(`${line}\n`);
    return this.#runs;
  }

  #next(): Promise<unknown> {
    return nextAnswer(this.#channel.answers, this.#peer);
  }
}

export interface Heard {
  readonly count?: number;
  /** When to give up waiting, in seconds. */
  readonly deadline?: number;
}

/** What `hear` has begun. */
export interface Hearing {
  /** Of what is published: the `RR` of its markers. */
  readonly run: number;
  /** Resolves when each stream has had its event, or as a run that lost some. */
  readonly counted: Promise<Counted>;
}

/** What opening the streams took, and what they were sent meanwhile. */
export interface Opened {
  readonly open: number;
  /** From the first connection to the last head. */
  readonly openSeconds: number;
  /** From the first connection to the arrival of the last event of a replay. */
  readonly replaySeconds: number;
  readonly deliveries: number;
  readonly outOfOrder: number;
  readonly serverCpuUs: number;
  readonly loadCpuShare: number;
  /** Of each stream, from the beginning of its connection to its head. */
  readonly heads: Quantiles;
}

/** Opens the streams and resolves when all of them have their head. Closed by `owner`. */
export async function startLoad(
  owner: Cleanup,
  peer: RunningPeer,
  options: LoadOptions,
): Promise<Load> {
  const [program, ...args] = loadCommand();
  const child = spawn(program, [...args, ...argumentsFor(owner, peer, options)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  owner.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const answers = createInterface(child.stdout)[Symbol.asyncIterator]();
  const opened = (await nextAnswer(answers, peer)) as Opened;
  return new Load(opened, peer, { answers, write: (text) => child.stdin.write(text) });
}

const total = (runs: readonly Counted[], of: (one: Counted) => number): number =>
  runs.reduce((sum, one) => sum + of(one), 0);

const expected = ({ posted, refused, streams }: Counted): number => (posted - refused) * streams;

/** What was wrong with these runs, in words; empty when every event arrived once and in order. */
export function faults(runs: readonly Counted[]): string[] {
  const lost = total(runs, (one) => Math.max(0, expected(one) - one.deliveries));
  // What went to streams that were closed later is not expected any more.
  const twice = total(runs, (one) =>
    one.closed > 0 ? 0 : Math.max(0, one.deliveries - expected(one)),
  );
  const counts: readonly (readonly [number, string])[] = [
    [total(runs, (one) => one.refused), 'posts refused'],
    [lost, `of ${total(runs, expected)} lost`],
    [twice, 'delivered twice'],
    [total(runs, (one) => one.outOfOrder), 'out of order'],
    [total(runs, (one) => one.stray), 'late from an earlier run'],
    [total(runs, (one) => one.closed), 'streams closed'],
  ];
  return counts.filter(([count]) => count > 0).map(([count, what]) => `${count} ${what}`);
}
