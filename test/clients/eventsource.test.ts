/** The npm package `eventsource`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectEventSource } from '../support/client-eventsource.ts';
import {
  comesBackAfterRestart,
  deliversEachAtOnce,
  deliversEachInTurn,
  eventsUrl,
  heartbeats,
  staysSilentUnderHeartbeats,
} from '../support/client-scenarios.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { eventually } from '../support/wait.ts';

test('eventsource - 100 events arrive in order', (t) => deliversEachInTurn(t, connectEventSource));

test('eventsource - an event arrives before the next write', (t) =>
  deliversEachAtOnce(t, connectEventSource));

test('eventsource - heartbeats are not events', (t) =>
  staysSilentUnderHeartbeats(t, connectEventSource));

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`eventsource - comes back after a restart by ${signal}`, (t) =>
    comesBackAfterRestart(t, connectEventSource, signal));
}

test('eventsource - a 401 stops it for good', async (t) => {
  const server = await spawnServer(t, ['-heartbeat', '1']);
  const client = connectEventSource(t, { url: eventsUrl(server), token: 'not-a-token' });
  await eventually(() => client.errors.length > 0, { what: 'an error event' });
  assert.deepEqual(client.errors, [401]);
  assert.equal(client.source.readyState, client.source.CLOSED);
  await heartbeats(t, server, 5); // longer than the 3 s after which it would have come back
  assert.equal(client.requests.length, 1);
});
