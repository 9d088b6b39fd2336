/** What a native EventSource gets when its connection was cut: each event once, in order, without a line of code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { missingChromium, openBrowser, openPageStream } from '../support/chromium.ts';
import { say } from '../support/client-scenarios.ts';
import { startSite, startWireTap } from '../support/client-site.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { tokenFor } from '../support/tokens.ts';

test('resume - a native EventSource misses nothing over five cuts', async (t) => {
  const reason = missingChromium();
  if (reason) return t.skip(reason);
  const site = await startSite(t);
  const server = await spawnServer(t, ['-query-token', '-cors', site]);
  const tap = await startWireTap(t, server.publicUrl);
  const page = await (await openBrowser(t)).newPage();
  await page.goto(site);
  const url = `${tap.url}/events/?token=${tokenFor('ann')}`;
  const stream = await openPageStream(page, `new EventSource('${url}')`);
  await stream.arrived('open', 1);
  const expected: string[] = [];
  const sayNext = async () => {
    expected.push(String(expected.length));
    await say(server, expected.at(-1)!);
  };
  for (let cut = 1; cut <= 5; cut += 1) {
    for (let n = 0; n < 10; n += 1) await sayNext();
    await stream.arrived('message', 1); // an id to come back with
    tap.cut();
    for (let n = 0; n < 10; n += 1) await sayNext();
    await stream.arrived('open', cut + 1, { withinMs: 15_000 });
  }
  await stream.arrived('message', expected.length);
  assert.deepEqual(await stream.messages(), expected);
  assert.deepEqual(new Set(tap.requests.map(({ method }) => method)), new Set(['GET']));
});
