/** What a client library gets when it comes back: everything it missed, or an honest word about the loss. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  connectEventSource,
  connectEventSource2,
  connectEventSource3,
} from '../support/client-eventsource.ts';
import { connectEventSourceClient } from '../support/client-eventsource-client.ts';
import {
  connectFetchEventSource,
  page,
  RECONNECT_ON_CLOSE,
} from '../support/client-fetch-event-source.ts';
import { type ConnectOptions, callbacks, connected } from '../support/client-library.ts';
import {
  type Connect,
  join,
  missesNothingBeforeItsFirstEvent,
  onFixedPort,
  say,
} from '../support/client-scenarios.ts';
import { startWireTap } from '../support/client-site.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';

const connectToStay = (t: TestContext, options: ConnectOptions) =>
  connectFetchEventSource(t, options, RECONNECT_ON_CLOSE);

const LIBRARIES: readonly (readonly [string, Connect])[] = [
  ['eventsource 2', connectEventSource2],
  ['eventsource 3', connectEventSource3],
  ['eventsource 4', connectEventSource],
  ['fetch-event-source', connectToStay],
  ['eventsource-client', connectEventSourceClient],
];

for (const [name, connect] of LIBRARIES) {
  test(`resume - ${name} that is cut before its first event misses nothing`, (t) =>
    missesNothingBeforeItsFirstEvent(t, connect));

  test(`resume - ${name} gets what was emitted while its connection was cut`, async (t) => {
    const server = await spawnServer(t);
    const tap = await startWireTap(t, server.publicUrl);
    const client = connect(t, { url: `${tap.url}/events/`, token: tokenFor('ann') });
    await connected(client);
    await say(server, '0');
    await callbacks(client, 1);
    tap.cut();
    for (let n = 1; n <= 50; n += 1) await say(server, String(n));
    await callbacks(client, 51, { withinMs: 15_000 });
    await say(server, 'live again');
    await callbacks(client, 52);
    const expected = [...Array.from({ length: 51 }, (_, n) => String(n)), 'live again'];
    assert.deepEqual(
      client.received.map(({ data }) => data),
      expected,
    );
  });

  test(`resume - ${name} is told by a new server that the old one's events are gone`, async (t) => {
    const address = await onFixedPort();
    const old = await spawnServer(t, address);
    const client = await join(t, old, connect);
    const id = await say(old, 'before');
    await callbacks(client, 1);
    await old.stop('SIGKILL');
    await spawnServer(t, address);
    await connected(client, 2, { withinMs: 30_000 });
    await callbacks(client, 2);
    const gap = client.received[1]!;
    const { after, reason } = JSON.parse(gap.data) as Record<string, unknown>;
    assert.deepEqual(
      { event: gap.event, after, reason },
      { event: 'tidings.gap', after: id, reason: 'epoch' },
    );
  });
}

test('resume - fetch-event-source in a page shown again gets what it missed while hidden', async (t) => {
  const server = await spawnServer(t);
  const client = await join(t, server, connectToStay);
  t.after(() => Object.assign(page, { hidden: false }));
  await say(server, 'seen');
  await callbacks(client, 1);
  Object.assign(page, { hidden: true }).dispatchEvent(new Event('visibilitychange'));
  await say(server, 'missed');
  assert.equal(client.requests.length, 1);
  Object.assign(page, { hidden: false }).dispatchEvent(new Event('visibilitychange'));
  await callbacks(client, 2);
  assert.deepEqual(
    client.received.map(({ data }) => data),
    ['seen', 'missed'],
  );
});
