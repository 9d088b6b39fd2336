/**
 * docs/recipes/web-push.md: who had the event in the page is not pushed, and who had not is, with a
 * message that only their browser can open. Chromium subscribes at Google's push service and at no
 * other: what `subscribe` returns, and the way of a message into the browser, are stood in for.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { missingChromium, openBrowser } from '../support/chromium.ts';
import { runClient } from '../support/client-process.ts';
import { openNews, post } from '../support/emitting.ts';
import { FrontDoor } from '../support/front-door.ts';
import { type Device, PushService } from '../support/push-service.ts';
import { fileOf, recipe, startApplication } from '../support/recipes.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { leaveOut, runs } from '../support/tools.ts';
import { eventually } from '../support/wait.ts';
import { WEBHOOK_SECRETS } from '../support/webhook-receiver.ts';

const PAGE = 'web-push.md';
const SECRET = WEBHOOK_SECRETS[0]!;

/** A receipt is looked after for one second at least, and webhooks are gathered for another. */
const PUSH = { withinMs: 15_000, what: 'a push' };

interface VapidKeys {
  readonly publicKey: string;
  readonly privateKey: string;
}

interface Scene {
  readonly running: RunningServer;
  readonly application: string;
  readonly service: PushService;
  readonly publicKey: string;
}

async function startScene(t: TestContext): Promise<Scene> {
  const made = execFileSync('npx', ['--no-install', 'web-push', 'generate-vapid-keys', '--json']);
  const { publicKey, privateKey } = JSON.parse(String(made)) as VapidKeys;
  const service = await PushService.open(t);
  const application = await startApplication(t, recipe(PAGE, 'The application'), {
    controlUrl: '',
    env: {
      ...{ VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, WEBHOOK_SECRET: SECRET },
      NODE_EXTRA_CA_CERTS: service.certificate,
    },
    replace: {
      "['a-session', '42']": "['a-session', '42'], ['b-session', '43']",
      '/^fcm\\.googleapis\\.com$': '/^localhost$|^fcm\\.googleapis\\.com$',
    },
  });
  const webhook = ['-webhook', `${application}/hooks/tidings`, '-webhook-secret', SECRET];
  return { running: await startServer(t, webhook), application, service, publicKey };
}

/** Runs the recipe's own, with a receipt that does not take ten seconds. */
async function emit(t: TestContext, { controlUrl }: RunningServer): Promise<string> {
  const replace = { '"within": 10': '"within": 1' };
  const file = fileOf(t, recipe(PAGE, 'The emit'), { controlUrl, name: 'emit.sh', replace });
  let output = '';
  const client = runClient(t, ['sh', file], (text) => {
    output += text;
  });
  assert.equal(await client.exited(), 0, output + client.stderr());
  return (JSON.parse(output) as { id: string }).id;
}

const subscribe = async ({ application }: Scene, session: string, body: unknown): Promise<number> =>
  (
    await fetch(`${application}/push`, {
      method: 'POST',
      headers: { cookie: `theme=dark; session=${session}` },
      body: JSON.stringify(body),
    })
  ).status;

async function newDevice(scene: Scene, session: string): Promise<Device> {
  const device = scene.service.subscribe(scene.publicKey);
  assert.equal(await subscribe(scene, session, device.subscription), 204);
  return device;
}

const textsOf = ({ pushed }: Device) => pushed.map(({ text }) => JSON.parse(text) as unknown);

const shown = (id: string) => ({
  ...{ title: 'Invoice 7', body: 'It is due on Friday.', url: '/invoices/7', id },
});

test('recipes - web push: who had the event in the page is not pushed, everybody else is', async (t) => {
  if (!runs('curl', '-V')) return leaveOut(t, 'no curl');
  const scene = await startScene(t);
  const inPage = await newDevice(scene, 'a-session');
  const [away, gone] = [await newDevice(scene, 'b-session'), await newDevice(scene, 'b-session')];
  gone.status = 410;
  const page = await openNews(t, scene.running, '42');
  const first = await emit(t, scene.running);
  assert.equal((await page.next()).id, first);
  await eventually(() => away.pushed.length === 1 && gone.pushed.length === 1, PUSH);
  const second = await emit(t, scene.running);
  await eventually(() => away.pushed.length === 2, PUSH);
  await scene.running.server.stop();

  assert.deepEqual(textsOf(away), [shown(first), shown(second)]);
  assert.deepEqual(textsOf(gone), [shown(first)], 'removed by its 410');
  assert.deepEqual(textsOf(inPage), []);
  assert.deepEqual([...inPage.faults, ...away.faults, ...gone.faults], []);
  const { headers, vapid } = away.pushed[0]!;
  assert.deepEqual(
    [headers['content-encoding'], headers['ttl'], headers['topic']],
    ['aes128gcm', '86400', first],
  );
  const { aud, sub, exp } = vapid;
  assert.deepEqual([aud, sub], [scene.service.origin, 'mailto:push@app.example']);
  const lifeSeconds = exp - Date.now() / 1_000;
  assert.ok(lifeSeconds > 0 && lifeSeconds <= 86_400, `${lifeSeconds}`);
});

test('recipes - web push: takes no subscription of a stranger or to a stranger, and no forged webhook', async (t) => {
  const scene = await startScene(t);
  const { subscription, pushed } = await newDevice(scene, 'a-session');
  assert.equal(await subscribe(scene, 'no-session', subscription), 401);
  for (const endpoint of [
    'http://localhost:1/',
    'https://127.0.0.1/',
    'https://localhost.evil.example/',
  ])
    assert.equal(await subscribe(scene, 'a-session', { ...subscription, endpoint }), 400, endpoint);
  const data = { id: 'e-1', users: ['42'], channels: ['news'], event: 'data: {}\n' };
  const forged = { type: 'batch', events: [{ seq: 1, type: 'event.undelivered', data }] };
  const signed = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(Math.floor(Date.now() / 1_000)),
    'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}`,
  };
  const hook = `${scene.application}/hooks/tidings`;
  const body = JSON.stringify(forged);
  assert.equal((await fetch(hook, { method: 'POST', headers: signed, body })).status, 401);
  assert.equal((await post(hook, forged)).status, 401);
  assert.deepEqual(pushed, []);
});

test('recipes - web push: the page subscribes, and its service worker shows what was pushed', async (t) => {
  const missing = missingChromium() || (!runs('curl', '-V') && 'no curl');
  if (missing) return leaveOut(t, missing);
  const scene = await startScene(t);
  const { application, service, publicKey, running } = scene;
  const device = service.subscribe(publicKey);
  const script = fileOf(t, recipe(PAGE, 'The service worker'), { controlUrl: '', name: 'sw.js' });
  const streams = running.publicUrl;
  const door = await FrontDoor.open(t, { application, streams, scripts: { '/sw.js': script } });
  const browser = await openBrowser(t, { permissions: ['notifications'] });
  await browser.addCookies([{ name: 'session', value: 'b-session', url: door.url }]);
  const page = await browser.newPage();
  await page.goto(`${door.url}/push`);
  await page.evaluate(`document.body.innerHTML = '<button id="notify">Notify me</button>'`);
  await page.evaluate(`PushManager.prototype.subscribe = async (options) => {
    globalThis.options = options;
    return ${JSON.stringify(device.subscription)};
  }; undefined`);
  const inspector = await browser.newCDPSession(page);
  const registered = new Promise<string>((resolve) => {
    inspector.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
      if (registrations[0] !== undefined) resolve(registrations[0].registrationId);
    });
  });
  await inspector.send('ServiceWorker.enable');
  await page.addScriptTag({ content: recipe(PAGE, 'The page').code });
  const stored = page.waitForResponse((response) => response.request().method() === 'POST');
  await page.click('#notify');
  assert.equal((await stored).status(), 204);
  assert.deepEqual(await page.evaluate('options'), {
    userVisibleOnly: true,
    applicationServerKey: publicKey,
  });

  const id = await emit(t, running);
  await eventually(() => device.pushed.length === 1, PUSH);
  const message = { origin: door.url, registrationId: await registered };
  const read = `navigator.serviceWorker.ready
    .then((registration) => registration.getNotifications())
    .then((all) => all.map(({ title, body, tag, data }) => ({ title, body, tag, data })))`;
  // Chromium drops what comes while a worker is being inspected for the first time; the tag makes one of several.
  const notifications = await eventually(
    async () => {
      const data = device.pushed[0]!.text;
      await inspector.send('ServiceWorker.deliverPushMessage', { ...message, data });
      const all = await page.evaluate<unknown[]>(read);
      return all.length > 0 ? all : undefined;
    },
    { what: 'a notification' },
  );
  const { title, body, url } = shown(id);
  assert.deepEqual(notifications, [{ title, body, tag: id, data: url }]);
  await running.server.stop();
});
