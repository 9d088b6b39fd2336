/** NATS with TLS on both sides, users with credentials, and no more than the permissions that the docs name. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { connect, credsAuthenticator } from '@nats-io/transport-node';
import { NATS_PROGRAMS, startNats, withoutNats } from '../support/nats.ts';
import { Accounts, type Permissions } from '../support/nats-accounts.ts';
import { makeCertificate } from '../support/proxy.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const PAGE = readFileSync(new URL('../../../docs/cluster.md', import.meta.url), 'utf8');

/** As docs/cluster.md names them. */
const permissionsOf = (what: RegExp): string[] =>
  [...what.exec(PAGE)![1]!.matchAll(/`([^`]+)`/g)].map(([, subject]) => subject!);

const TIDINGS: Permissions = {
  publish: { allow: permissionsOf(/may publish to ((?:`[^`]+`[,\sand]*)+)/) },
  subscribe: { allow: permissionsOf(/subscribe to ((?:`[^`]+`[,\sand]*)+)/) },
};
const OTHERS: Permissions = {
  publish: { deny: permissionsOf(/denied publishing to ((?:`[^`]+`[,\sand]*)+)/) },
};

async function setUp(t: TestContext, program: string) {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-access-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const { both: pem } = await makeCertificate(folder);
  const accounts = new Accounts();
  const tls = { ca: readFileSync(pem), cert: readFileSync(pem), key: readFileSync(pem) };
  const as = (permissions: Permissions) => ({
    tls: { ca: tls.ca.toString(), cert: tls.cert.toString(), key: tls.key.toString() },
    authenticator: credsAuthenticator(Buffer.from(accounts.creds(permissions))),
  });
  const nats = await startNats(t, {
    program,
    config: `tls { cert_file: "${pem}", key_file: "${pem}", ca_file: "${pem}", verify: true }\n${accounts.config}`,
    connect: as({ publish: {} }),
  });
  const node = (permissions: Permissions, ...args: string[]) => {
    const creds = join(folder, 'tidings.creds');
    writeFileSync(creds, accounts.creds(permissions));
    const files = ['-nats-creds', creds, '-nats-ca', pem, '-nats-cert', pem, '-nats-key', pem];
    return spawnServer(t, ['-nats', nats.urls.replace('nats:', 'tls:'), ...files, ...args]);
  };
  return { nats, as, node };
}

const send = (node: SpawnedServer, data: string) =>
  emit(node.controlUrl, { userId: '*', channel: 'news', payload: `data: ${data}` });

const errorsOf = (node: SpawnedServer) => node.log().filter(({ level }) => Number(level) >= 50);

withoutNats();
for (const program of NATS_PROGRAMS)
  test(`access - TLS, credentials, and the permissions of the docs are enough; others cannot write (${program})`, async (t) => {
    const { nats, as, node: start } = await setUp(t, program);
    const servers = nats.urls.split(',');
    await assert.rejects(connect({ servers, tls: { ca: as(TIDINGS).tls.ca }, reconnect: false }));
    const node = await start(TIDINGS, '-history', '2');
    const ids: unknown[] = [];
    for (let i = 0; i < 5; i += 1) ids.push((await send(node, `${i}`)).body['id']);

    const other = await connect({ servers, ...as(OTHERS) });
    t.after(() => other.close());
    const refused = (async () => {
      for await (const status of other.status())
        if (status.type === 'error') return status.error.message;
      return '';
    })();
    other.publish('tidings.e.c.news', 'forged');
    other.publish('elsewhere', 'x');
    await other.flush();
    assert.match(await refused, /permissions violation for publish to "tidings\.e\.c\.news"/i);

    // Two are at hand, the others are read from NATS.
    const headers = { ...bearer(tokenFor('ann', 'news')), 'last-event-id': String(ids[0]) };
    const stream = await openStream(t, `${node.publicUrl}/events/`, { headers });
    await send(node, 'last');
    await stream.arrived(5);
    const data = stream.events.map((event) => event.data);
    assert.deepEqual(data, ['1', '2', '3', '4', 'last']);
    assert.deepEqual(errorsOf(node), []);
  });

test('access - a user that may not write is told of in the log, with what it may not', {
  skip: withoutNats(),
}, async (t) => {
  const { node: start } = await setUp(t, NATS_PROGRAMS[0]!);
  const node = await start({ publish: { deny: ['tidings.e.>'] } });
  const answer = send(node, 'x').catch(() => undefined); // gets one after ten seconds, or the end

  await eventually(() => errorsOf(node).length > 0, { what: 'an error in the log' });

  assert.match(String(errorsOf(node)[0]!['reason']), /publish to "tidings\.e\.c\.news"/i);
  node.process.kill('SIGKILL');
  await answer;
});

test('access - a user with a password in the address, which is in no line of the log', async (t) => {
  const config = 'authorization { user: "ti@dings", password: "p/,:%x" }';
  const { urls } = await startNats(t, { config, connect: { user: 'ti@dings', pass: 'p/,:%x' } });
  const server = urls.replace('//', '//ti%40dings:p%2F%2C%3A%25x@');
  const node = await spawnServer(t, ['-nats', server]);
  assert.equal((await send(node, 'x')).status, 200);
  assert.ok(!JSON.stringify(node.log()).includes('%25x'));
});
