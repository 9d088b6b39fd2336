/** Python's `requests` with `sseclient-py`, which would see each event one write late without the closing comment. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type ConnectOptions, callbacks } from '../support/client-library.ts';
import { connectPython, findPython } from '../support/client-python.ts';
import {
  deliversEachAtOnce,
  deliversEachInTurn,
  eventsUrl,
  isOpenedAtOnce,
  join,
  say,
  staysSilentUnderHeartbeats,
} from '../support/client-scenarios.ts';
import { spawnServer } from '../support/spawn-server.ts';

const python = findPython();
const connect = (t: TestContext, options: ConnectOptions) => connectPython(t, options, python);

function pythonTest(name: string, run: (t: TestContext) => Promise<void>): void {
  test(`requests and sseclient-py - ${name}`, async (t) =>
    python ? run(t) : t.skip('no Python with requests and sseclient-py'));
}

pythonTest('100 events arrive in order', (t) => deliversEachInTurn(t, connect));

pythonTest('an event arrives before the next write', (t) => deliversEachAtOnce(t, connect));

pythonTest('the first frame is there at once', (t) => isOpenedAtOnce(t, connect));

pythonTest('heartbeats are not events', (t) => staysSilentUnderHeartbeats(t, connect));

for (const { signal, ending } of [
  { signal: 'SIGTERM', ending: 'clean' },
  { signal: 'SIGKILL', ending: 'cut' },
] as const) {
  pythonTest(`sees a ${ending} end when the server is stopped by ${signal}`, async (t) => {
    const server = await spawnServer(t);
    const client = await join(t, server, connect);
    await say(server, 'last');
    await callbacks(client, 1);
    await server.stop(signal);
    assert.equal(await client.exited(), 0, client.stderr());
    assert.equal(client.ending(), ending);
    assert.equal(client.received.length, 1, 'the end of the stream is no event');
  });
}

pythonTest('a 401 raises HTTPError', async (t) => {
  const server = await spawnServer(t);
  const client = connectPython(t, { url: eventsUrl(server), token: 'not-a-token' }, python);
  assert.equal(await client.exited(), 1);
  assert.match(client.stderr(), /requests\.exceptions\.HTTPError: 401/);
  assert.equal(client.received.length, 0);
});
