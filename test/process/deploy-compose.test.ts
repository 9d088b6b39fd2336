/** deploy/compose.yaml without Docker: what it says of one service is true of the others, and its servers start. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseOptions, resolveConfig } from '../../src/config/config.ts';
import { envName, OPTIONS } from '../../src/config/options.ts';
import { freePorts } from '../support/free-ports.ts';
import { NATS_PROGRAMS, NatsServer, withoutNats } from '../support/nats.ts';
import { emit, spawnServer } from '../support/spawn-server.ts';
import { SECRET } from '../support/tokens.ts';
import { PYTHON, runs } from '../support/tools.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
  readonly depends_on?: readonly string[];
  readonly stop_grace_period?: string;
}

interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, null>>;
}

const FILE = new URL('../../../deploy/compose.yaml', import.meta.url);
const TO_JSON = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))';

/** What the last bytes of slow readers and the snapshot may take after the drain, in seconds. */
const AFTER_DRAIN_SECONDS = 15;

const python = [PYTHON, 'python3'].find((program) => runs(program, '-c', 'import yaml'));

function withoutPython(): string | false {
  if (python !== undefined) return false;
  const reason = 'python3 with PyYAML is missing: run scripts/install-test-tools.sh';
  if (process.env['CI'] === 'true') throw new Error(reason);
  return reason;
}

function readCompose(): Compose {
  const input = readFileSync(FILE, 'utf8');
  const { stdout, stderr } = spawnSync(python!, ['-c', TO_JSON], { input, encoding: 'utf8' });
  assert.equal(stderr, '');
  return JSON.parse(stdout) as Compose;
}

const servicesOf = ({ services }: Compose, image: RegExp): [string, Service][] =>
  Object.entries(services).filter(([, service]) => image.test(service.image));

/** As Docker fills in what has to be set. */
const environmentOf = ({ environment = {} }: Service): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environment).map(([name, value]) => [
      name,
      value.replace(/^\$\{\w+:\?.*\}$/, SECRET),
    ]),
  );

test('compose - options exist and fit each other, and every name in it is of something in it', {
  skip: withoutPython(),
}, () => {
  const compose = readCompose();
  const { services, volumes } = compose;
  const nodes = servicesOf(compose, /^tidings$/);
  assert.equal(nodes.length, 2);
  const known = Object.keys(OPTIONS).map(envName);
  for (const [name, service] of nodes) {
    const env = environmentOf(service);
    assert.deepEqual(
      Object.keys(env).filter((key) => !known.includes(key)),
      [],
    );
    const { nats, bind, bindctl, drain, ...config } = resolveConfig(parseOptions([], env));
    assert.equal(config['nats-replicas'], 3);
    const servers = servicesOf(compose, /^nats:/).map(([server]) => `nats://${server}:4222`);
    assert.deepEqual(nats, servers, name);
    assert.ok(Number.parseInt(service.stop_grace_period!, 10) >= drain + AFTER_DRAIN_SECONDS);
    const { command } = services['proxy']!;
    assert.ok(command!.includes(`${name}:${String(bind).split(':')[1]}`), 'behind the proxy');
    assert.notEqual(bind, bindctl);
    assert.ok(env['TIDINGS_CTL_HOSTS']!.split(',').includes(name));
  }
  for (const [name, service] of Object.entries(services)) {
    for (const other of service.depends_on ?? []) assert.ok(other in services, `${name}: ${other}`);
    for (const volume of service.volumes ?? [])
      assert.ok(volume.split(':')[0]! in volumes, `${name}: ${volume}`);
  }
});

test('compose - its NATS servers find each other, and a node with its options runs on them', {
  skip: withoutPython() || withoutNats(),
}, async (t) => {
  const compose = readCompose();
  const entries = servicesOf(compose, /^nats:/);
  const folder = mkdtempSync(join(tmpdir(), 'tidings-compose-'));
  const ports = await freePorts(entries.length * 2);
  const routes = entries.map(([name], i) => [`${name}:6222`, `127.0.0.1:${ports[i]}`] as const);
  const clients = ports.slice(entries.length);
  const servers = entries.map(([name, { command }], i) => {
    const args = command!.map((arg) =>
      routes
        .reduce((text, [from, to]) => text.replace(from, to), arg)
        .replace('0.0.0.0:6222', routes[i]![1])
        .replace('/data', join(folder, name)),
    );
    const own = ['-a', '127.0.0.1', '-p', String(clients[i])];
    return new NatsServer(join(folder, name), clients[i]!, [NATS_PROGRAMS[0]!, ...args, ...own]);
  });
  t.after(async () => {
    await Promise.all(servers.map((server) => server.stop('SIGKILL')));
    rmSync(folder, { recursive: true });
  });
  for (const server of servers) server.start();

  const env = environmentOf(servicesOf(compose, /^tidings$/)[0]![1]);
  const { TIDINGS_NATS: _, TIDINGS_CTL_HOSTS: __, TIDINGS_CTL_TOKEN: ___, ...rest } = env;
  const node = await spawnServer(t, ['-nats', servers.map(({ url }) => url).join(',')], rest);
  const { status } = await emit(node.controlUrl, { userId: '*', channel: 'a', payload: 'data: x' });

  assert.equal(status, 200);
});
