/** The page of `-dev`: what somebody sees in the first minute, used as they would use it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import type { Page } from 'playwright-core';
import { missingChromium, openBrowser } from '../support/chromium.ts';
import { onFixedPort } from '../support/client-scenarios.ts';
import { missing } from '../support/proxy.ts';
import { emit, type SpawnedServer, spawnServer } from '../support/spawn-server.ts';

const PATIENCE_MS = 15_000;

function browserTest(name: string, run: (t: TestContext) => Promise<void>): void {
  const reason = missingChromium();
  test(`try page - ${name}`, (t) => (reason ? t.skip(reason) : run(t)));
}

interface Opened {
  readonly server: SpawnedServer;
  readonly page: Page;
  /** What the browser complained about: a refused script or style, an uncaught error. */
  readonly complaints: readonly string[];
}

async function openTryPage(t: TestContext, args: readonly string[] = []): Promise<Opened> {
  const server = await spawnServer(t, ['-dev', ...args]);
  const page = await (await openBrowser(t)).newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on('console', (line) => line.type() === 'error' && complaints.push(line.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(`${server.controlUrl}/`);
  await isConnected(page, 'ann on news');
  return { server, page, complaints };
}

const state = (page: Page) => page.locator('header').getByRole('status');

const isConnected = (page: Page, who: string) =>
  state(page)
    .filter({ hasText: `connected as ${who}` })
    .waitFor();

const row = (page: Page, text: string) => page.getByRole('listitem').filter({ hasText: text });

/** Time, name, data and id of the event in whose row the text is. */
async function parts(page: Page, text: string): Promise<string[]> {
  await row(page, text).waitFor();
  return row(page, text).locator('*').allTextContents();
}

async function send(page: Page, payload: string): Promise<void> {
  await page.getByLabel('Payload').fill(payload);
  await page.getByRole('button', { name: 'Emit' }).click();
}

browserTest('shows an event from its form and one from outside', async (t) => {
  const { server, page, complaints } = await openTryPage(t);
  await send(page, 'event: greeting\ndata: hello from the form');
  const [time, ...first] = await parts(page, 'hello from the form');
  assert.match(time!, /^\d\d:\d\d:\d\d\.\d{3}$/);
  assert.deepEqual(first.slice(0, 2), ['greeting', 'hello from the form']);
  await page.getByText(/^Sent as \S+ to 1 stream\.$/).waitFor();
  const payload = 'data: two\ndata: lines';
  const { body } = await emit(server.controlUrl, { userId: '*', channel: 'news', payload });
  const [, ...second] = await parts(page, 'two lines');
  assert.deepEqual(second, ['message', 'two\nlines', body['id']]);
  assert.deepEqual(complaints, []);
});

browserTest('shows markup in a payload as text', async (t) => {
  const { page, complaints } = await openTryPage(t);
  const markup = '<img src=x onerror="document.title=1"><b>bold</b>';
  await send(page, `data: ${markup}`);
  await row(page, markup).waitFor();
  assert.equal(await page.locator('li img').count(), 0);
  assert.deepEqual(complaints, []);
});

browserTest('listens as somebody else on another channel', async (t) => {
  const { server, page } = await openTryPage(t);
  const form = page.locator('form').filter({ hasText: 'Connect' });
  await form.getByLabel('User').fill("Ünï & Co's");
  await form.getByLabel('Channel').fill('a b');
  await form.getByRole('button').click();
  await isConnected(page, "Ünï & Co's on a b");
  await emit(server.controlUrl, { userId: 'ann', channel: 'news', payload: 'data: not for me' });
  await emit(server.controlUrl, { userId: "Ünï & Co's", channel: 'a b', payload: 'data: for me' });
  await row(page, 'for me').waitFor();
  assert.equal(await page.getByRole('listitem').count(), 1);
});

browserTest('its commands work in a shell', async (t) => {
  const absent = missing('curl');
  if (absent) return t.skip(absent);
  const { page } = await openTryPage(t);
  await page.getByLabel('Payload').fill("event: from-shell\ndata: it's a & b");
  const [token, , command] = ((await page.locator('pre').textContent()) ?? '').split('\n\n');
  const run = (text: string) => promisify(execFile)('/bin/sh', ['-c', text]);
  assert.match((await run(`${token}; echo $TOKEN`)).stdout, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  await run(command!);
  await send(page, 'event: from-shell\ndata: the page knows the name now');
  await run(command!);
  await row(page, "it's a & b").waitFor();
});

browserTest('comes back after a restart with another secret', async (t) => {
  const address = [...(await onFixedPort('-bind')), ...(await onFixedPort('-bindctl'))];
  const { server, page } = await openTryPage(t, address);
  await server.stop('SIGKILL');
  await state(page).filter({ hasNotText: 'connected as' }).waitFor();
  const next = await spawnServer(t, [
    '-dev',
    ...address,
    '-secret',
    'another-secret-of-32-bytes-or-more',
  ]);
  await isConnected(page, 'ann on news');
  await emit(next.controlUrl, { userId: 'ann', channel: 'news', payload: 'data: after' });
  await row(page, 'after').waitFor();
});
