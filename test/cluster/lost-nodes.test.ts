/** Nodes that are killed, suspended or cut off: what the others say of them, and when they are gone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { startNats, withoutNats } from '../support/nats.ts';
import { acquainted, ask, membersOf, openOn, tell } from '../support/nodes.ts';
import { startServer } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

const skip = withoutNats();

test('lost nodes - one that is killed or suspended is told of, until it counts as lost; one that is stopped is not', {
  skip,
}, async (t) => {
  const { urls } = await startNats(t);
  const args = ['-nats', urls];
  const a = await startServer(t, args);
  const [killed, suspended, stopped] = await Promise.all([1, 2, 3].map(() => spawnServer(t, args)));
  await acquainted([a, killed!, suspended!, stopped!]);
  await openOn(t, killed!, 'kim', 'news');
  await openOn(t, suspended!, 'sue', 'news');
  const mine = await openOn(t, a, 'ann', 'news');
  assert.equal(await stopped!.stop(), 0);
  await eventually(async () => (await membersOf(a)) === 3, { withinMs: 2_000 });
  assert.equal((await ask(a, '/users/ann/'))['complete'], undefined);

  await killed!.stop('SIGKILL');
  suspended!.process.kill('SIGSTOP');
  t.after(() => void suspended!.process.kill('SIGCONT'));
  const third = { complete: false, nodes: 3, answered: 1 };

  const event = { userId: ['sue', 'ann'], channel: 'news', data: 'x' };
  const revocation = { userId: 'sue', issuedBefore: 9_999_999_999, ttl: 60 };
  // At once: after four seconds they may count as lost.
  const [byName, one, all, news, verdict, ended, emitted, revoked] = await Promise.all([
    fetch(`${a.controlUrl}/users/?ids=sue,ann,complete`),
    ask(a, '/users/sue/'),
    ask(a, '/channels/?sort=streams'),
    ask(a, '/channels/news/'),
    ask(a, '/explain/?userId=sue'),
    tell(a, '/disconnect/', { userId: 'kim' }),
    tell(a, '/emit/', event),
    tell(a, '/revoke/', revocation),
  ]);

  assert.equal(byName.headers.get('tidings-nodes'), '1/3');
  const states = { sue: 'offline', ann: 'online', complete: 'offline' };
  assert.deepEqual(await byName.json(), states);
  const { user, state, streams, ...rest } = one;
  assert.deepEqual([user, state, streams, rest], ['sue', 'offline', [], third]);
  assert.deepEqual([all['complete'], news['answered'], verdict['complete']], [false, 1, false]);
  assert.deepEqual(ended, { streams: 0, ...third });
  assert.deepEqual([emitted['offline'], emitted['complete']], [['sue'], false]);
  assert.equal((await mine.next()).data, 'x');
  const { complete, nodes, answered, message } = revoked;
  assert.deepEqual([complete, nodes, answered], [false, 3, 1]);
  assert.match(String(message), /send it again/);
  await eventually(async () => (await membersOf(a)) === 1, { withinMs: 20_000 });
  const { complete: afterwards, users } = await ask(a, '/channels/news/');
  assert.deepEqual([afterwards, users], [undefined, [{ user: 'ann', streams: 1 }]]);

  suspended!.process.kill('SIGCONT');
  await eventually(async () => (await membersOf(a)) === 2);
  // What was revoked meanwhile is in force there, too, and has ended its stream.
  await eventually(async () => (await ask(a, '/users/sue/'))['state'] === 'away');
  assert.equal((await ask(a, '/users/sue/'))['complete'], undefined);
});

test('lost nodes - one that is cut off speaks for itself and says so, and has all when it is back', {
  skip,
}, async (t) => {
  const nats = await startNats(t);
  const way = await FaultProxy.open(t, nats.urls.replace('nats:', 'http:'));
  const a = await startServer(t, ['-nats', nats.urls]);
  const b = await startServer(t, ['-nats', way.url.replace('http:', 'nats:')]);
  await acquainted([a, b]);
  const stream = await openOn(t, b, 'bob', 'news');
  way.fault = () => () => {};
  way.cutAll();

  const own = await ask(b, '/users/bob/');
  assert.deepEqual([own['state'], own['complete'], own['answered']], ['online', false, 1]);
  const [seen, told] = await Promise.all([
    ask(a, '/users/bob/'),
    tell(a, '/revoke/', { userId: 'bob', issuedBefore: 9_999_999_999, ttl: 60 }),
  ]);
  assert.deepEqual([seen['complete'], told['complete']], [false, false]);
  const refused = await post(`${b.controlUrl}/revoke/`, { userId: 'ann', ttl: 60 });
  assert.equal(refused.status, 503);
  assert.match(refused.text, /BACKPLANE_DOWN/);
  assert.equal((await ask(b, '/revocations/'))['complete'], false);
  assert.equal(stream.ended, false);

  way.fault = () => (chunk, client) => void client.write(chunk);
  way.cutAll();
  await eventually(() => stream.ended, { withinMs: 10_000, what: 'the revocation on the other' });
  await eventually(async () => (await ask(b, '/users/bob/'))['complete'] === undefined, {
    withinMs: 10_000,
  });
  assert.deepEqual(await ask(b, '/revocations/'), await ask(a, '/revocations/'));
});
