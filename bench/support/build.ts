/** The two C programs, built when a compiler is there and a source is newer than its binary. */
import { execFileSync } from 'node:child_process';
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

/** True when programs can be compiled here. */
export function hasCompiler(): boolean {
  try {
    execFileSync('cc', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** The load generator. Without a compiler there is no benchmark but autocannon's. */
export const loadBinary = (): string => compile('load', loadSources());

export const floorBinary = (): string => compile('floor', [`${BENCH}floor.c`]);
