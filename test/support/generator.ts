/** Either load generator, spoken to by its own protocol: arguments, lines in, lines of JSON out. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { createInterface } from 'node:readline';
import { commandOf, type Generator, hasCompiler } from '../../bench/support/build.ts';
import type { Address, RunningPeer } from '../../bench/support/peer.ts';
import type { Owner } from './sse-client.ts';
import { within } from './wait.ts';

export const GENERATORS: readonly Generator[] = ['C', 'Node'];

/** Why a generator cannot run here, for `node:test` to print. */
export const skipped = (kind: Generator): string | false =>
  kind === 'C' && !hasCompiler() ? 'no C compiler (cc)' : false;

/** One line of what a generator prints; which names there are depends on the line. */
export type Answer = Readonly<Record<string, unknown>>;

const at = ({ host, port }: Address): string[] => [host, String(port)];

function requestFile(t: Owner, peer: RunningPeer, streams: number): string {
  const folder = mkdtempSync(`${tmpdir()}/tidings-generator-`);
  t.after(() => rmSync(folder, { recursive: true }));
  const lines = Array.from({ length: streams }, (_, index) => {
    const { path, headers } = peer.subscribe(index);
    return [path, ...headers].join('\t');
  });
  writeFileSync(`${folder}/requests`, lines.join('\n'));
  return `${folder}/requests`;
}

function argumentsFor(t: Owner, peer: RunningPeer, streams: number): string[] {
  const { path, headers, body } = peer.broadcast;
  return [
    ...['-stream', ...at(peer.stream), '-emit', ...at(peer.emit), '-streams', String(streams)],
    ...['-requests', requestFile(t, peer, streams), '-body', body],
    ...['-emit-path', path, '-emit-headers', headers.join('\t')],
    ...peer.pids.flatMap((pid) => ['-server', String(pid)]),
  ];
}

export interface Crowd {
  readonly kind: Generator;
  readonly peer: RunningPeer;
  readonly streams: number;
  readonly args?: readonly string[];
}

export interface RunningGenerator {
  readonly opened: Answer;
  /** `lockstep|closed|rate|hear PUBLISHERS COUNT RATE BYTES DEADLINE_SECONDS` */
  run(line: string): Promise<Answer>;
  /** The second line that it answers `hear` with. */
  next(): Promise<Answer>;
  /** Ends its standard input, and resolves with its exit code. */
  end(): Promise<number | null>;
}

/** Resolves when all streams are open. */
export async function startGenerator(t: Owner, crowd: Crowd): Promise<RunningGenerator> {
  const { kind, peer, streams, args = [] } = crowd;
  const [program, ...first] = commandOf(kind);
  const child = spawn(program, [...first, ...argumentsFor(t, peer, streams), ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Answer> => {
    const what = `an answer of the generator in ${kind}`;
    const { value, done } = await within(lines.next(), { withinMs: 20_000, what });
    if (done) throw new Error(`the generator in ${kind} ended early`);
    return JSON.parse(value) as Answer;
  };
  const opened = await next();
  const run = (line: string) => {
    child.stdin.write(`${line}\n`);
    return next();
  };
  const end = async () => {
    child.stdin.end();
    const [code] = await within(exited, { what: 'the generator to end' });
    return code as number | null;
  };
  return { opened, run, next, end };
}
