/** `curl -N`: exit code 0 is a stream that ended whole, 18 one that was cut. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { connectCurl } from '../support/client-curl.ts';
import { type ConnectOptions, callbacks } from '../support/client-library.ts';
import {
  deliversEachAtOnce,
  deliversEachInTurn,
  eventsUrl,
  isOpenedAtOnce,
  join,
  say,
  staysSilentUnderHeartbeats,
} from '../support/client-scenarios.ts';
import { withoutOpening } from '../support/opening.ts';
import { spawnServer } from '../support/spawn-server.ts';

const hasCurl = spawnSync('curl', ['--version']).status === 0;
const connect = (t: TestContext, options: ConnectOptions) => connectCurl(t, options);

function curlTest(name: string, run: (t: TestContext) => Promise<void>): void {
  test(`curl - ${name}`, async (t) => (hasCurl ? run(t) : t.skip('curl is not installed')));
}

curlTest('100 events arrive in order', (t) => deliversEachInTurn(t, connect));

curlTest('an event arrives before the next write', (t) => deliversEachAtOnce(t, connect));

curlTest('asking for compression changes nothing', (t) =>
  deliversEachAtOnce(t, (owner, options) => connectCurl(owner, options, ['--compressed'])),
);

curlTest('the first frame is there at once', (t) => isOpenedAtOnce(t, connect));

curlTest('with -notices false it prints events alone', async (t) => {
  const server = await spawnServer(t, ['-notices', 'false']);
  const client = await join(t, server, connect);
  await say(server, 'one');
  await callbacks(client, 1);
  assert.match(client.body(), /^retry: [1-4]\d{3}\n:\ndata: one\nid: \S+\n\n/);
});

curlTest('heartbeats are comments only', (t) => staysSilentUnderHeartbeats(t, connect));

for (const { signal, code } of [
  { signal: 'SIGTERM', code: 0 },
  { signal: 'SIGKILL', code: 18 },
] as const) {
  curlTest(`exits with ${code} when the server is stopped by ${signal}`, async (t) => {
    const server = await spawnServer(t);
    const client = await join(t, server, connect);
    const id = await say(server, 'last');
    await callbacks(client, 1);
    await server.stop(signal);
    assert.equal(await client.exited(), code, client.stderr());
    assert.match(client.body(), /^retry: [1-4]\d{3}\n/);
    assert.match(withoutOpening(client.body()), /^data: last\nid: \S+\n\n:\n/);
    assert.equal(client.received[0]?.id, id);
  });
}

curlTest('a 401 is one short answer', async (t) => {
  const server = await spawnServer(t);
  const client = connectCurl(t, { url: eventsUrl(server), token: 'not-a-token' });
  assert.equal(await client.exited(), 0);
  assert.equal(client.requests[0]?.status, 401);
  assert.equal(typeof (JSON.parse(client.body()) as Record<string, unknown>)['error'], 'string');
});

curlTest('a 401 fails with -f', async (t) => {
  const server = await spawnServer(t);
  const client = connectCurl(t, { url: eventsUrl(server), token: 'not-a-token' }, ['-f']);
  assert.equal(await client.exited(), 22);
});
