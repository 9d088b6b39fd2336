/** The two C programs, built when a compiler is there and a source is newer than its binary, and what stands in. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository, seen from dist/bench/support. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const BENCH = `${ROOT}bench/`;
const BINARIES = `${ROOT}dist/bench/bin/`;

const modified = (path: string): number => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

const loadSources = (): string[] => [
  `${BENCH}load.c`,
  ...readdirSync(`${BENCH}load`).map((name) => `${BENCH}load/${name}`),
];

function compile(name: string, sources: readonly string[]): string {
  const binary = `${BINARIES}${name}`;
  if (sources.every((source) => modified(source) < modified(binary))) return binary;
  mkdirSync(BINARIES, { recursive: true });
  const units = sources.filter((source) => source.endsWith('.c'));
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-Werror', '-o', binary, ...units]);
  return binary;
}

let compiler: boolean | undefined;

/** True when programs can be compiled here. Asked once. */
export function hasCompiler(): boolean {
  compiler ??= spawnSync('cc', ['--version']).status === 0;
  return compiler;
}

export type Generator = 'C' | 'Node';

/** `BENCH_LOAD=node` takes the stand-in although there is a compiler: to compare the two, or to look for a fault. */
export const generator = (): Generator =>
  process.env['BENCH_LOAD'] !== 'node' && hasCompiler() ? 'C' : 'Node';

/** What to start as a load generator: the same arguments, input and output whichever it is. */
export function commandOf(kind: Generator): readonly [string, ...string[]] {
  if (kind === 'C') return [compile('load', loadSources())];
  return [process.execPath, fileURLToPath(new URL('../node-load/main.js', import.meta.url))];
}

let isSaid = false;

/** The load generator to measure with. That it is not the one in C is said once. */
export function loadCommand(): readonly [string, ...string[]] {
  const kind = generator();
  if (kind === 'Node' && !isSaid) {
    isSaid = true;
    const reason = hasCompiler() ? 'BENCH_LOAD=node' : 'no C compiler (cc)';
    console.log(`${reason}: the load generator is Node, its own CPU is larger`);
  }
  return commandOf(kind);
}

export const floorBinary = (): string => compile('floor', [`${BENCH}floor.c`]);
