/** docs/recipes/pages.md in a real Chromium: nothing is missing and nothing is there twice, whatever is cut when. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { Page } from 'playwright-core';
import { missingChromium, openBrowser } from '../support/chromium.ts';
import { onFixedPort } from '../support/client-scenarios.ts';
import { FrontDoor } from '../support/front-door.ts';
import { recipe, startApplication } from '../support/recipes.ts';
import { TWO_THREADS } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { leaveOut } from '../support/tools.ts';
import { eventually } from '../support/wait.ts';

/** Browsers come back after 1 to 4 seconds, and after a failure later than that. */
const RETURN = { withinMs: 30_000 };

const SCRIPTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Turbo: { '/turbo.js': 'node_modules/@hotwired/turbo/dist/turbo.es2017-esm.js' },
  htmx: {
    '/htmx.js': 'node_modules/htmx.org/dist/htmx.js',
    '/sse.js': 'node_modules/htmx-ext-sse/dist/sse.js',
  },
};

async function startScene(t: TestContext, name: string) {
  const addresses = [...(await onFixedPort()), ...(await onFixedPort('-bindctl'))];
  const args = [...addresses, ...(name === 'htmx' ? TWO_THREADS : [])];
  const server = await spawnServer(t, args);
  const application = await startApplication(t, recipe('pages.md', name), server);
  const scripts = SCRIPTS[name]!;
  const door = await FrontDoor.open(t, { application, streams: server.publicUrl, scripts });
  const page = await (await openBrowser(t)).newPage();
  const add = async (text: string): Promise<number> =>
    (await fetch(`${application}/todos?text=${text}`, { method: 'POST' })).status;
  return { server, startAgain: () => spawnServer(t, args), door, page, add };
}

async function shows(page: Page, ...items: string[]): Promise<void> {
  const all = page.locator('#todos li');
  // It may be loaded anew at that moment.
  const texts = () => all.allTextContents().catch(() => []);
  const isSo = async () => (await texts()).join() === items.join();
  await eventually(isSo, { ...RETURN, what: `the list ${items}` }).catch(async (error: Error) => {
    throw new Error(`${error.message}; it is ${await texts()}`);
  });
}

for (const name of Object.keys(SCRIPTS)) {
  test(`recipes - ${name}: a page misses nothing between rendering and its stream, nor later`, {
    timeout: 120_000,
  }, async (t) => {
    const missing = missingChromium();
    if (missing) return leaveOut(t, missing);
    const { server, startAgain, door, page, add } = await startScene(t, name);
    await add('rendered');
    door.hold();
    await page.goto(door.url);
    await eventually(() => door.heldCount === 1, { what: 'the page asks for its stream' });
    await add('between');
    door.release();
    await shows(page, 'rendered', 'between');
    await add('<live>');
    await shows(page, 'rendered', 'between', '<live>');
    door.hold();
    door.cut();
    await eventually(() => door.heldCount > 0, { ...RETURN, what: 'the page comes back' });
    await add('away');
    door.release();
    await shows(page, 'rendered', 'between', '<live>', 'away');
    await server.stop('SIGKILL');
    assert.equal(await add('untold'), 500, 'stored, but nobody could be told');
    await startAgain();
    await shows(page, 'rendered', 'between', '<live>', 'away', 'untold');
  });
}
