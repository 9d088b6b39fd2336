/** The npm package `eventsource-client`, which looks at no status but 204. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectEventSourceClient } from '../support/client-eventsource-client.ts';
import { connected } from '../support/client-library.ts';
import {
  comesBackAfterRestart,
  deliversEachAtOnce,
  deliversEachInTurn,
  eventsUrl,
  staysSilentUnderHeartbeats,
} from '../support/client-scenarios.ts';
import { spawnServer } from '../support/spawn-server.ts';

test('eventsource-client - 100 events arrive in order', (t) =>
  deliversEachInTurn(t, connectEventSourceClient));

test('eventsource-client - an event arrives before the next write', (t) =>
  deliversEachAtOnce(t, connectEventSourceClient));

test('eventsource-client - heartbeats are not events', (t) =>
  staysSilentUnderHeartbeats(t, connectEventSourceClient));

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`eventsource-client - comes back after a restart by ${signal}`, (t) =>
    comesBackAfterRestart(t, connectEventSourceClient, signal));
}

test('eventsource-client - asks again after a 401 and hands out nothing of its body', async (t) => {
  const server = await spawnServer(t);
  const handle = connectEventSourceClient(t, { url: eventsUrl(server), token: 'not-a-token' });
  await connected(handle, 3, { withinMs: 15_000 });
  assert.deepEqual(new Set(handle.requests.map(({ status }) => status)), new Set([401]));
  assert.equal(handle.received.length, 0);
});
