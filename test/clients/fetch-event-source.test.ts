/** `@microsoft/fetch-event-source`, which reports blank lines as events and takes a clean end as final. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  connectFetchEventSource,
  RECONNECT_ON_CLOSE,
} from '../support/client-fetch-event-source.ts';
import { type ConnectOptions, connected } from '../support/client-library.ts';
import {
  comesBackAfterRestart,
  deliversEachAtOnce,
  deliversEachInTurn,
  eventsUrl,
  join,
  staysSilentUnderHeartbeats,
} from '../support/client-scenarios.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { within } from '../support/wait.ts';

const connect = (t: TestContext, options: ConnectOptions) => connectFetchEventSource(t, options);
const connectToStay = (t: TestContext, options: ConnectOptions) =>
  connectFetchEventSource(t, options, RECONNECT_ON_CLOSE);

test('fetch-event-source - 100 events arrive in order', (t) => deliversEachInTurn(t, connect));

test('fetch-event-source - an event arrives before the next write', (t) =>
  deliversEachAtOnce(t, connect));

test('fetch-event-source - heartbeats are not events', (t) =>
  staysSilentUnderHeartbeats(t, connect));

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`fetch-event-source - comes back after a restart by ${signal}`, (t) =>
    comesBackAfterRestart(t, connectToStay, signal));
}

test('fetch-event-source - a clean end resolves its promise when onclose does not throw', async (t) => {
  const server = await spawnServer(t);
  const client = await join(t, server, connect);
  await server.stop('SIGTERM');
  assert.equal(await within(client.done), 'resolved');
});

test('fetch-event-source - by default it asks again after a 401', async (t) => {
  const server = await spawnServer(t);
  const client = connectFetchEventSource(t, { url: eventsUrl(server), token: 'not-a-token' });
  await connected(client, 2);
  assert.deepEqual([client.requests[0]?.status, client.requests[1]?.status], [401, 401]);
  assert.equal(client.received.length, 0);
});

test('fetch-event-source - an onopen that throws makes a 401 final', async (t) => {
  const server = await spawnServer(t);
  const client = connectFetchEventSource(
    t,
    { url: eventsUrl(server), token: 'not-a-token' },
    {
      onopen: async ({ status }) => {
        if (status !== 200) throw new Error(`refused with ${status}`);
      },
      onerror: (error) => {
        throw error;
      },
    },
  );
  assert.equal(String(await within(client.done)), 'Error: refused with 401');
  assert.equal(client.requests.length, 1);
});
