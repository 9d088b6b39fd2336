/** Native EventSource across origins, watched on the wire: what Chromium sends, and what makes it stop or come back. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  missingChromium,
  openBrowser,
  openPageStream,
  type PageStream,
} from '../support/chromium.ts';
import { eventsUrl, heartbeats, say } from '../support/client-scenarios.ts';
import { startSite, startWireTap, type WireTap } from '../support/client-site.ts';
import { post } from '../support/emitting.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

function browserTest(name: string, run: (t: TestContext) => Promise<void>): void {
  const reason = missingChromium();
  test(`native EventSource - ${name}`, (t) => (reason ? t.skip(reason) : run(t)));
}

interface Scene {
  readonly server: SpawnedServer;
  readonly tap: WireTap;
  readonly stream: PageStream;
}

interface SceneOptions {
  readonly args?: readonly string[];
  readonly token?: string;
  /** In place of the origin of the page. */
  readonly allowed?: string;
  /** Runs before the page asks for its stream. */
  readonly before?: (server: SpawnedServer) => Promise<void>;
}

/** A page of another origin that opens a stream with `?token=`, past a wire tap. */
async function openScene(t: TestContext, options: SceneOptions = {}): Promise<Scene> {
  const site = await startSite(t);
  const cors = ['-query-token', '-cors', options.allowed ?? site];
  const server = await spawnServer(t, [...cors, ...(options.args ?? [])]);
  await options.before?.(server);
  const tap = await startWireTap(t, server.publicUrl);
  const page = await (await openBrowser(t)).newPage();
  await page.goto(site);
  const url = `${tap.url}/events/?token=${options.token ?? tokenFor('ann')}`;
  return { server, tap, stream: await openPageStream(page, `new EventSource('${url}')`) };
}

const methods = (tap: WireTap): string[] => tap.requests.map(({ method }) => method);
const trail = async (stream: PageStream) =>
  (await stream.events()).map(({ name, state }) => `${name} ${state}`);

browserTest('events cross origins with a token in the query', async (t) => {
  const { server, stream, tap } = await openScene(t);
  await stream.arrived('open', 1);
  for (let n = 1; n <= 10; n += 1) {
    await say(server, `event ${n}`);
    const last = (await stream.arrived('message', n)).at(-1)!;
    assert.equal(last.data, `event ${n}`);
  }
  assert.deepEqual(methods(tap), ['GET']);
});

browserTest('a page of an unlisted origin gets nothing', async (t) => {
  const { server, stream, tap } = await openScene(t, { allowed: 'https://app.example' });
  await stream.arrived('error', 1);
  assert.equal(
    tap.requests[0]?.status,
    200,
    'it is the browser that keeps the answer from the page',
  );
  await say(server, 'secret');
  assert.deepEqual(await trail(stream), ['error 2']);
});

browserTest('comes back with its last id and without a preflight', async (t) => {
  const { server, stream, tap } = await openScene(t);
  await stream.arrived('open', 1);
  const id = await say(server, 'before');
  await stream.arrived('message', 1);
  tap.cut();
  await stream.arrived('open', 2, { withinMs: 15_000 });
  assert.deepEqual(methods(tap), ['GET', 'GET']);
  assert.equal(tap.requests[1]?.headers['last-event-id'], id);
  await say(server, 'after');
  await stream.arrived('message', 2);
  assert.deepEqual(await stream.messages(), ['before', 'after']);
});

for (const ending of ['end', 'reset'] as const) {
  browserTest(`S-37 comes back after a${ending === 'end' ? ' clean end' : ' reset'}`, async (t) => {
    const { server, stream, tap } = await openScene(t);
    await stream.arrived('open', 1);
    const id = await say(server, 'before');
    await stream.arrived('message', 1);
    tap[ending]();
    await say(server, 'meanwhile');
    await stream.arrived('message', 2, { withinMs: 15_000 });
    assert.deepEqual(await stream.messages(), ['before', 'meanwhile']);
    assert.deepEqual(await trail(stream), [
      ...['open 1', 'message 1', 'error 0'],
      ...['open 1', 'message 1'],
    ]);
    assert.equal(tap.requests[1]?.headers['last-event-id'], id);
  });
}

browserTest('a 401 is final', async (t) => {
  const { server, stream, tap } = await openScene(t, {
    args: ['-heartbeat', '1'],
    token: 'not-a-token',
  });
  await stream.arrived('error', 1);
  await heartbeats(t, server, 6); // longer than the 3 s after which Chromium comes back by default
  assert.deepEqual(await trail(stream), ['error 2']);
  assert.deepEqual(
    tap.requests.map(({ status }) => status),
    [401],
  );
});

browserTest('heartbeats dispatch nothing', async (t) => {
  const { server, stream, tap } = await openScene(t, { args: ['-heartbeat', '1'] });
  await stream.arrived('open', 1);
  await heartbeats(t, server);
  assert.deepEqual(await trail(stream), ['open 1']);
  await say(server, 'one');
  await stream.arrived('message', 1);
  await heartbeats(t, server);
  assert.deepEqual(await trail(stream), ['open 1', 'message 1']);
  assert.equal(tap.requests.length, 1);
});

browserTest('one stream too many comes back by itself when there is room', async (t) => {
  const held: Array<{ close(): void }> = [];
  const { server, stream, tap } = await openScene(t, {
    args: ['-max-streams', '1'],
    before: async (started) => {
      held.push(await openStream(t, eventsUrl(started), { headers: bearer(tokenFor('bob')) }));
    },
  });
  await stream.arrived('error', 1);
  assert.deepEqual(await trail(stream), ['open 1', 'error 0'], 'a refusal leaves it connecting');
  assert.equal(tap.requests[0]?.status, 200);
  held[0]?.close();
  await stream.arrived('open', 2, { withinMs: 40_000 });
  const streams = async () => {
    await say(server, 'welcome');
    return (await stream.messages()).includes('welcome');
  };
  await eventually(streams, { withinMs: 10_000, what: 'an event after the wait' });
});

browserTest(
  'a token that is revoked while it streams ends the stream, and the page stays away',
  async (t) => {
    const { server, stream, tap } = await openScene(t, { args: ['-heartbeat', '1'] });
    await stream.arrived('open', 1);
    await say(server, 'before');
    await stream.arrived('message', 1);
    const { status } = await post(`${server.controlUrl}/revoke/`, { userId: 'ann', ttl: 60 });
    assert.equal(status, 200);
    await say(server, 'after');
    await eventually(async () => (await stream.readyState()) === 2, { withinMs: 15_000 });
    assert.deepEqual(
      tap.requests.map(({ method }) => method),
      ['GET', 'GET'],
    );
    await heartbeats(t, server, 5);
    assert.deepEqual(await trail(stream), ['open 1', 'message 1', 'error 0', 'error 2']);
    assert.equal(tap.requests.length, 2);
  },
);
