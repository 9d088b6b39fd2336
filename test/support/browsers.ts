/**
 * Three real engines, started with an address and ended by their process group. No driver: a page
 * tells what it sees by itself (page-reports.ts), so all of them are used alike.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { missingChromium, openBrowser } from './chromium.ts';
import { missing } from './proxy.ts';
import type { Owner } from './sse-client.ts';

/** What a browser gets to end by itself, in milliseconds. */
const STOP_MS = 3_000;

export interface Engine {
  readonly name: string;
  /** The reason why it cannot be used here, or false. */
  readonly missing: () => string | false;
  /** Shows the page in a fresh profile; closed by `t.after`. */
  readonly open: (t: Owner, url: string) => Promise<void>;
}

/** Signals the group that `child` leads. False once nobody is in it any more. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): boolean {
  try {
    return pid !== undefined && process.kill(-pid, signal);
  } catch {
    return false;
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    signalGroup(child, 'SIGTERM'); // Xvfb takes its lock file along
    const patience = setTimeout(() => signalGroup(child, 'SIGKILL'), STOP_MS);
    await exited;
    clearTimeout(patience);
  }
  signalGroup(child, 'SIGKILL'); // helpers that outlive it
}

interface Program {
  readonly command: readonly [string, ...string[]];
  readonly env: NodeJS.ProcessEnv;
}

/** Runs what `make` says, with a folder of its own for all that it writes; folder and group end with the test. */
async function run(t: Owner, make: (folder: string) => Program | Promise<Program>): Promise<void> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'tidings-browser-'));
  const remove = () => rm(folder, { recursive: true, force: true, maxRetries: 10 });
  const { command, env } = await make(folder);
  const own = { HOME: folder, TMPDIR: folder, XDG_RUNTIME_DIR: folder };
  const child = spawn(command[0], command.slice(1), {
    detached: true,
    stdio: 'ignore',
    env: { PATH: process.env['PATH'], ...own, ...env },
  });
  t.after(async () => {
    await end(child);
    await remove();
  });
  await once(child, 'spawn');
}

/** Nothing of Firefox's own goes out, and no page but ours is shown. */
const FIREFOX_PREFERENCES = {
  'app.update.enabled': false,
  'browser.aboutwelcome.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
};

async function firefox(folder: string, url: string): Promise<Program> {
  const lines = Object.entries(FIREFOX_PREFERENCES).map(
    ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
  );
  await writeFile(path.join(folder, 'user.js'), lines.join(''));
  const flags = ['--headless', '--no-remote', '--profile', folder];
  return { command: ['firefox-esr', ...flags, url], env: {} };
}

/** WebKit's own small browser; it is where Debian keeps libraries, in a folder named after its version. */
function miniBrowser(): string | undefined {
  const list = (folder: string, begin: RegExp) =>
    existsSync(folder) ? readdirSync(folder).filter((name) => begin.test(name)) : [];
  return list('/usr/lib', /-linux-gnu/)
    .flatMap((arch) =>
      list(`/usr/lib/${arch}`, /^webkit2gtk-/).map((name) => `/usr/lib/${arch}/${name}`),
    )
    .map((folder) => `${folder}/MiniBrowser`)
    .find((file) => existsSync(file));
}

/** Draws without a graphics card. No sandbox, because tests may run as root. */
const WEBKIT_ENV = {
  LIBGL_ALWAYS_SOFTWARE: '1',
  WEBKIT_DISABLE_COMPOSITING_MODE: '1',
  WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1',
};

const missingWebkit = (): string | false =>
  missing('xvfb-run') ||
  missing('xauth') ||
  missing('dbus-run-session') ||
  (miniBrowser() === undefined && "WebKit's MiniBrowser is not installed");

const webkit = (url: string): Program => ({
  command: ['xvfb-run', '-a', 'dbus-run-session', '--', miniBrowser() ?? 'MiniBrowser', url],
  env: WEBKIT_ENV,
});

export const ENGINES: readonly Engine[] = [
  {
    name: 'Chromium',
    missing: missingChromium,
    open: async (t, url) => {
      const page = await (await openBrowser(t)).newPage();
      await page.goto(url);
    },
  },
  {
    name: 'Firefox',
    missing: () => missing('firefox-esr'),
    open: (t, url) => run(t, (folder) => firefox(folder, url)),
  },
  {
    name: 'WebKit',
    missing: missingWebkit,
    open: (t, url) => run(t, () => webkit(url)),
  },
];

const DEBIAN_VERSION = '/etc/debian_version';
const isDebian12 = (): boolean =>
  existsSync(DEBIAN_VERSION) && readFileSync(DEBIAN_VERSION, 'utf8').startsWith('12.');

/**
 * Why a test with this engine is to be left out, or false.
 * @throws Error where that must not be: in CI (`CI=true`) on Debian 12, which has all three
 */
export function absence(engine: Engine): string | false {
  const reason = engine.missing();
  if (reason && process.env['CI'] === 'true' && isDebian12())
    throw new Error(`${reason}: run scripts/install-test-tools.sh as root`);
  return reason;
}

/** Shows `url` in the engine; what it sees the page reports by itself. */
export const openPage = (t: Owner, engine: Engine, url: string): Promise<void> =>
  engine.open(t, url);
