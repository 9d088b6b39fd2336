/** What is published: it installs, it starts, and it holds what its users need and nothing else. */
import assert from 'node:assert/strict';
import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, normalize } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '../support/proxy.ts';
import { SECRET } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NPM_MS = 300_000;
const UNREACHABLE = /ENOTCACHED|ENOTFOUND|EAI_AGAIN|ECONNREFUSED/;

const npm = (command: string, args: readonly string[], cwd: string): SpawnSyncReturns<string> =>
  spawnSync(command, args, { cwd, encoding: 'utf8', timeout: NPM_MS });

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

function pack(...options: readonly string[]): { filename: string; paths: string[] } {
  const { status, stdout, stderr } = npm(
    'npm',
    ['pack', '--json', '--ignore-scripts', ...options],
    ROOT,
  );
  assert.equal(status, 0, stderr);
  const [packed] = JSON.parse(stdout) as [Packed];
  return { filename: packed.filename, paths: packed.files.map(({ path }) => path) };
}

const linksOf = (file: string): string[] =>
  [...readFileSync(join(ROOT, file), 'utf8').matchAll(/\]\(([^)#]+)[^)]*\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => normalize(join(file, '..', target)));

test('package - holds the program of this source, and neither tests nor maps without their source', () => {
  const { paths } = pack('--dry-run');
  const program = paths.filter((path) => path.startsWith('dist/')).toSorted();
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `dist/src/${name.replace(/\.ts$/, '.js')}`);

  assert.deepEqual(
    program,
    sources.toSorted(),
    'left from an earlier build? remove dist and build',
  );
  assert.deepEqual(
    paths.filter((path) => /\.map$|^test\/|^scripts\/|^node_modules\//.test(path)),
    [],
  );
});

test('package - holds every file that its own pages link to', () => {
  const { paths } = pack('--dry-run');
  const pages = paths.filter((path) => path.endsWith('.md'));
  assert.ok(pages.includes('README.md'));
  for (const page of pages)
    for (const target of linksOf(page))
      assert.ok(
        paths.some((path) => path === target || path.startsWith(join(target, '/'))),
        `${page} links to ${target}: add it to "files" in package.json, or link to the web`,
      );
});

/** A server of the installed program; resolves with the address of its control port. */
async function startInstalled(t: TestContext, program: string): Promise<string> {
  const server = spawn(program, ['-bind', '127.0.0.1:0', '-bindctl', '127.0.0.1:0'], {
    env: { ...process.env, TIDINGS_SECRET: SECRET, TIDINGS_DRAIN: '0' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = once(server, 'exit');
  t.after(async () => {
    server.kill('SIGTERM');
    await exited;
  });
  let log = '';
  server.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  return eventually(() => /"control":"([^"]+)"/.exec(log)?.[1], {
    withinMs: 10_000,
    what: 'the line "listening"',
  }) as Promise<string>;
}

test('package - installed into an empty project, it says its version and serves', async (t) => {
  const folder = await temporaryFolder(t, 'package');
  const { filename } = pack('--pack-destination', folder);
  // Without a file of its own npm would look for a project in the folders above.
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const flags = ['--prefer-offline', '--no-audit', '--no-fund', '--omit=dev'];
  const { status, stderr } = npm('npm', ['install', ...flags, `./${filename}`], folder);
  if (UNREACHABLE.test(stderr)) return t.skip('the registry of npm cannot be reached');
  assert.equal(status, 0, stderr);

  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  const said = npm('npx', ['--no-install', 'tidings', '-version'], folder);
  assert.equal(said.stdout.trim(), version, said.stderr);

  const control = await startInstalled(t, join(folder, 'node_modules/.bin/tidings'));
  assert.equal((await fetch(`${control}/healthz`)).status, 200);
  const load = ['-e', "import('tidings/dist/src/hub.js').then(() => process.exit(0))"];
  const inner = npm(process.execPath, load, folder);
  assert.match(inner.stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/, 'no accidental interface');
});
