/** Makes a thread of a server do what no thread would do by itself. The server knows nothing of it. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Owner } from './sse-client.ts';

/** What a thread does on SIGUSR2 to the process. */
export type Deed =
  /** Takes all of its core for so long. */
  | { readonly kind: 'busy'; readonly ms: number; readonly thread: number }
  /** Throws what nobody catches. */
  | { readonly kind: 'throw'; readonly thread: number };

// Runs in each thread before the program does; those of `-threads` count from 1.
const PROGRAM = `
const { BroadcastChannel, isMainThread, threadId } = require('node:worker_threads');
const deed = JSON.parse(process.env.TEST_DEED);
const channel = new BroadcastChannel('deed');
channel.unref();
if (isMainThread && deed.thread === 0) process.on('SIGUSR2', () => act());
else if (isMainThread) process.on('SIGUSR2', () => channel.postMessage('now'));
else channel.onmessage = () => { if (threadId === deed.thread) act(); };
function act() {
  if (deed.kind === 'throw') throw new Error('a test has thrown this');
  const end = performance.now() + deed.ms;
  while (performance.now() < end);
}
`;

/** The environment of a server whose thread is to do it; 0 is the main thread. */
export function environmentFor(t: Owner, deed: Deed): NodeJS.ProcessEnv {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-hook-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'hook.cjs');
  writeFileSync(path, PROGRAM);
  return { NODE_OPTIONS: `--require ${path}`, TEST_DEED: JSON.stringify(deed) };
}
