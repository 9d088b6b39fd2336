/** The page that users already have: `event-source-polyfill` with a bearer token, behind Apache with TLS. */
import assert from 'node:assert/strict';
import { copyFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { missingApache, startApache } from '../support/apache.ts';
import {
  clockMs,
  missingChromium,
  openBrowser,
  openPageStream,
  type PageStream,
} from '../support/chromium.ts';
import { heartbeats, onFixedPort, say } from '../support/client-scenarios.ts';
import { FaultProxy } from '../support/fault-proxy.ts';
import { temporaryFolder } from '../support/proxy.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';

const POLYFILL = createRequire(import.meta.url).resolve('event-source-polyfill');
const PAGE = '<!doctype html><title>page</title><script src="polyfill.js"></script>';

/** Each `name` is skipped, with the reason, where Chromium or Apache is absent. */
function browserTest(name: string, run: (t: TestContext) => Promise<void>): void {
  const reason = missingChromium() || missingApache();
  test(`polyfill behind Apache - ${name}`, (t) => (reason ? t.skip(reason) : run(t)));
}

type Upstream = Pick<SpawnedServer, 'publicUrl'>;

/** Apache with the contract's block in front of a server, and the page open in Chromium. */
async function openSite(t: TestContext, { publicUrl }: Upstream) {
  const documentRoot = await temporaryFolder(t, 'site');
  await writeFile(path.join(documentRoot, 'index.html'), PAGE);
  await copyFile(POLYFILL, path.join(documentRoot, 'polyfill.js'));
  const publicPort = Number(new URL(publicUrl).port);
  const { url } = await startApache(t, { publicPort, documentRoot });
  const page = await (await openBrowser(t)).newPage();
  await page.goto(`${url}/`);
  return page;
}

async function openPolyfill(
  t: TestContext,
  server: Upstream,
  { token = tokenFor('ann'), options = '' } = {},
): Promise<PageStream> {
  const page = await openSite(t, server);
  const headers = `headers: { Authorization: "Bearer ${token}" }`;
  return openPageStream(page, `new EventSourcePolyfill("/api/sse/", { ${headers}, ${options} })`);
}

browserTest('events arrive in order, each before the next is emitted', async (t) => {
  const server = await spawnServer(t, ['-heartbeat', '60']);
  const stream = await openPolyfill(t, server);
  await stream.arrived('open', 1, { withinMs: 10_000 });
  const lateness: number[] = [];
  for (let n = 1; n <= 20; n += 1) {
    const emittedMs = clockMs();
    const id = await say(server, `event ${n}`);
    const last = (await stream.arrived('message', n)).at(-1)!;
    assert.deepEqual({ id: last.id, data: last.data }, { id, data: `event ${n}` });
    lateness.push(last.atMs - emittedMs);
  }
  assert.equal((await stream.events()).length, 21, 'one open and the events, nothing else');
  t.diagnostic(`lateness over 20: max ${Math.max(...lateness).toFixed(1)} ms`);
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  browserTest(`comes back after the server is restarted by ${signal}`, async (t) => {
    const address = await onFixedPort();
    const old = await spawnServer(t, address);
    const stream = await openPolyfill(t, old);
    await stream.arrived('open', 1, { withinMs: 10_000 });
    // The server must be back before the page is: Apache's 503 would be final for the polyfill.
    const payload = 'retry: 5000\ndata: before';
    await emit(old.controlUrl, { userId: '*', channel: 'news', payload });
    await stream.arrived('message', 1);
    await old.stop(signal);
    const next = await spawnServer(t, address);
    await stream.arrived('open', 2, { withinMs: 30_000 });
    await say(next, 'after');
    await stream.arrived('message', 2);
    assert.deepEqual(await stream.messages(), ['before', 'after']);
  });
}

browserTest('a stream cut before its first event misses nothing', async (t) => {
  const server = await spawnServer(t);
  const link = await FaultProxy.open(t, server.publicUrl);
  const stream = await openPolyfill(t, { publicUrl: link.url });
  await stream.opened(1, { withinMs: 10_000 });
  link.cutAll();
  await say(server, 'while away');
  await stream.arrived('message', 1, { withinMs: 15_000 });
  await say(server, 'live');
  await stream.arrived('message', 2);
  assert.deepEqual(await stream.messages(), ['while away', 'live']);
});

browserTest('heartbeats keep it connected and are not events', async (t) => {
  const server = await spawnServer(t, ['-heartbeat', '1']);
  const stream = await openPolyfill(t, server, { options: 'heartbeatTimeout: 3000' });
  await stream.arrived('open', 1, { withinMs: 10_000 });
  await heartbeats(t, server, 6); // twice as long as it waits before it gives a silent stream up
  assert.deepEqual(
    (await stream.events()).map(({ name }) => name),
    ['open'],
  );
});

browserTest('a 401 is final', async (t) => {
  const server = await spawnServer(t, ['-heartbeat', '1']);
  const stream = await openPolyfill(t, server, { token: 'not-a-token' });
  await stream.arrived('error', 1, { withinMs: 10_000 });
  await heartbeats(t, server, 5); // longer than any delay after which it comes back
  assert.deepEqual(
    (await stream.events()).map(({ name, state }) => ({ name, state })),
    [{ name: 'error', state: 2 }],
  );
});
