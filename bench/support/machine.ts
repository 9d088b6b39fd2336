/** The footer of every table: a figure without it says nothing. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { generator, hasCompiler, ROOT } from './build.ts';

const UWS = `${ROOT}node_modules/uWebSockets.js/`;

/** What a program prints, on either of its outputs; empty when it is not there. */
export function output(command: string, args: readonly string[]): string {
  try {
    return execFileSync(command, args, { cwd: ROOT, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

/** What counts at the clients, and why when it is the stand-in, which uses more CPU. */
export function loadGenerator(): string {
  if (generator() === 'C') return 'C';
  return `Node (${hasCompiler() ? 'BENCH_LOAD=node' : 'no C compiler: cc'})`;
}

function uwsBinary(): string {
  const { version } = JSON.parse(readFileSync(`${UWS}package.json`, 'utf8')) as { version: string };
  const suffix = `${process.platform}_${process.arch}_${process.versions.modules}.node`;
  const file = readdirSync(UWS).find((name) => name.endsWith(suffix));
  return `${version}, ${file ?? 'no binary for this Node'}`;
}

function osName(): string {
  const release = readFileSync('/etc/os-release', 'utf8');
  return /^PRETTY_NAME="(.*)"$/m.exec(release)?.[1] ?? os.type();
}

/** The last change of what is measured; a commit of results or papers does not make the figures others. */
function commit(): string {
  const edited = output('git', ['status', '--porcelain', '--', 'src']) !== '';
  return output('git', ['log', '-1', '--format=%h', '--', 'src']) + (edited ? ', with edits' : '');
}

/** Name and value, in the order they are printed. */
export function machineFooter(commandLine: string): Record<string, string> {
  const cpus = os.cpus();
  return {
    CPU: cpus[0]?.model.trim() ?? 'unknown',
    cores: String(cpus.length),
    memory: `${Math.round(os.totalmem() / 2 ** 30)} GiB`,
    system: `${osName()}, Linux ${os.release()}`,
    Node: process.version,
    'uWebSockets.js': uwsBinary(),
    'C compiler': output('cc', ['--version']).split('\n')[0] || 'absent',
    'load generator': loadGenerator(),
    'commit of src': commit(),
    command: commandLine,
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    'load average at the start': os
      .loadavg()
      .map((value) => value.toFixed(1))
      .join(' '),
  };
}
