/** The files that start the server elsewhere: what they say must be what it takes. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import { OPTIONS } from '../../src/config/options.ts';
import { missing } from '../support/proxy.ts';
import { SECRET } from '../support/tokens.ts';

const read = (name: string): string =>
  readFileSync(new URL(`../../../deploy/${name}`, import.meta.url), 'utf8');

const UNIT = read('tidings.service');
const SUPERVISOR = read('supervisor.conf');

/** What the last bytes of slow readers and the snapshot may take after the drain, in seconds. */
const AFTER_DRAIN_SECONDS = 15;

test('deploy - systemd finds nothing to say against the unit', {
  skip: missing('systemd-analyze'),
}, (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-deploy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'tidings.service');
  writeFileSync(file, UNIT.replace('/usr/bin/node', process.execPath));
  const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', file], { encoding: 'utf8' });
  const said = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('tidings'));
  assert.deepEqual(said, []);
});

test('deploy - the folders that the unit names are its own, everything else is read-only', () => {
  const example = (name: string) => new RegExp(`^#   ${name}=(.+)$`, 'm').exec(UNIT)![1]!;
  assert.match(UNIT, /^ProtectSystem=strict$/m);
  assert.match(example('TIDINGS_SNAPSHOT'), /^\/var\/lib\/tidings\//);
  assert.match(UNIT, /^StateDirectory=tidings$/m);
  assert.match(example('TIDINGS_BINDCTL'), /^unix:\/run\/tidings\//);
  assert.match(UNIT, /^RuntimeDirectory=tidings$/m);
});

test('deploy - the flags are taken, and the environment can set all others', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-deploy-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const secret = join(folder, 'secret');
  writeFileSync(secret, SECRET);
  for (const [name, text] of [
    ['tidings.service', /^ExecStart=(.+)$/m.exec(UNIT)![1]!],
    ['supervisor.conf', /^command=(.+)$/m.exec(SUPERVISOR)![1]!],
  ] as const) {
    const [, , ...flags] = text.replace(/\S+\/secret$/, secret).split(' ');
    assert.equal(resolveConfig(parseOptions(flags, {})).keys?.kind, 'secret', name);
    const env = { TIDINGS_BINDCTL: 'unix:/run/tidings/control.sock' };
    const { bindctl } = parseOptions(flags, env);
    if (name === 'tidings.service') assert.equal(bindctl, env.TIDINGS_BINDCTL);
  }
});

test('deploy - what stops the server waits for the drain and what follows it', () => {
  const least = OPTIONS.drain.fallback + AFTER_DRAIN_SECONDS;
  for (const [name, seconds] of [
    ['tidings.service', /^TimeoutStopSec=(\d+)$/m.exec(UNIT)?.[1]],
    ['supervisor.conf', /^stopwaitsecs=(\d+)$/m.exec(SUPERVISOR)?.[1]],
    ['Dockerfile', /--stop-timeout (\d+)/.exec(read('Dockerfile'))?.[1]],
  ])
    assert.ok(Number(seconds) >= least, `${name}: ${seconds}`);
});
