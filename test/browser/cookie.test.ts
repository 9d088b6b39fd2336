/** Native EventSource on the application's own site, which can send no header: the token is a cookie. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { missingApache, startApache } from '../support/apache.ts';
import { missingChromium, openBrowser, openPageStream } from '../support/chromium.ts';
import { eventsUrl, heartbeats, say } from '../support/client-scenarios.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';

function browserTest(name: string, run: (t: TestContext) => Promise<void>): void {
  const reason = missingChromium() || missingApache();
  test(`cookie behind Apache - ${name}`, (t) => (reason ? t.skip(reason) : run(t)));
}

/** A page of the site, logged in by the cookie that an application would have set. */
async function openLoggedIn(t: TestContext, server: SpawnedServer, token: string) {
  const publicPort = Number(new URL(eventsUrl(server)).port);
  const { url } = await startApache(t, { publicPort });
  const browser = await openBrowser(t);
  const cookie = { name: 'tidings', value: token, httpOnly: true, secure: true } as const;
  await browser.addCookies([{ ...cookie, url, sameSite: 'Strict' }]);
  const page = await browser.newPage();
  await page.goto(`${url}/index.html`); // any page of the origin will do, also Apache's 404
  return openPageStream(page, "new EventSource('/api/sse/')");
}

browserTest('the stream opens and events arrive', async (t) => {
  const server = await spawnServer(t);
  const stream = await openLoggedIn(t, server, tokenFor('ann'));
  await stream.arrived('open', 1, { withinMs: 10_000 });
  for (let n = 1; n <= 10; n += 1) {
    await say(server, `event ${n}`);
    await stream.arrived('message', n);
  }
  assert.deepEqual(
    await stream.messages(),
    Array.from({ length: 10 }, (_, n) => `event ${n + 1}`),
  );
});

browserTest('a wrong cookie is refused for good', async (t) => {
  const server = await spawnServer(t, ['-heartbeat', '1']);
  const stream = await openLoggedIn(t, server, 'not-a-token');
  await stream.arrived('error', 1, { withinMs: 10_000 });
  await heartbeats(t, server, 5);
  assert.deepEqual(
    (await stream.events()).map(({ name, state }) => ({ name, state })),
    [{ name: 'error', state: 2 }],
  );
});
