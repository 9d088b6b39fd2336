/** What Prometheus makes of a server: the format, and each alert when its condition is true. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { emitRaw, openNews, post } from '../support/emitting.ts';
import { limitedTo } from '../support/file-limit.ts';
import { type Samples, samplesOf, scrape } from '../support/metrics.ts';
import {
  type AlertCase,
  alertTests,
  asFile,
  lasting,
  promtool,
  withoutPromtool,
} from '../support/promtool.ts';
import { missing } from '../support/proxy.ts';
import { connectRaw, type RawClient, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

const RULES = fileURLToPath(new URL('../../../deploy/alerts.yml', import.meta.url));
const ALERTS = [...readFileSync(RULES, 'utf8').matchAll(/- alert: (\w+)/g)].map(
  ([, name]) => name!,
);

const skip = withoutPromtool();

test('metrics - promtool has nothing to say against them, quiet or not', { skip }, async (t) => {
  const running = await startServer(t);
  const read = async () => (await fetch(`${running.controlUrl}/metrics`)).text();
  assert.equal(promtool(['check', 'metrics'], await read()), '');
  await openNews(t, running);
  await emitRaw(running, 'data: x');
  assert.equal(promtool(['check', 'metrics'], await read()), '');
});

test('alerts - promtool takes the rules', { skip }, () => {
  assert.equal(promtool(['check', 'rules', RULES]), '');
});

test('alerts - each says what to do', () => {
  const text = readFileSync(RULES, 'utf8');
  for (const key of ['summary', 'action', 'severity'])
    assert.equal(text.match(new RegExp(`${key}:`, 'g'))?.length, ALERTS.length, key);
});

/** Scrapes before and after something has happened, until what is expected has moved. */
async function around(
  running: { controlUrl: string },
  what: () => Promise<unknown>,
  hasHappened: (before: Samples, after: Samples) => boolean,
): Promise<ReturnType<typeof lasting>> {
  const before = await scrape(running);
  await what();
  let after = before;
  await eventually(
    async () => {
      after = await scrape(running);
      return hasHappened(before, after);
    },
    { withinMs: 15_000, what: 'a change of the metrics' },
  );
  return lasting(before, after);
}

const grows = (series: string) => (before: Samples, after: Samples) =>
  after.get(series)! > (before.get(series) ?? 0);

const comeBack = async (t: TestContext, { eventsUrl }: RunningServer, id: string) =>
  openStream(t, eventsUrl, { headers: { ...bearer(tokenFor('ann')), 'last-event-id': id } });

const idOf = (text: string): string => (JSON.parse(text) as { id: string }).id;

/** Each makes its condition true on a server, and nothing else. */
const CONDITIONS: Readonly<
  Record<string, (t: TestContext) => Promise<ReturnType<typeof lasting>>>
> = {
  async TidingsNotReady(t) {
    const folder = `${process.env['TMPDIR'] ?? '/tmp'}/tidings-alerts-${process.pid}`;
    const running = await startServer(t, ['-drain', '60', '-snapshot', folder]);
    await openNews(t, running);
    await openNews(t, running, 'bob');
    void running.server.stop();
    t.after(() => running.server.hasten());
    const samples = await scrape(running);
    running.server.hasten();
    return lasting(samples, samples);
  },

  async TidingsEmitsRefused(t) {
    // With more of them each would have to be behind.
    const running = await startServer(t, ['-memory', '1', '-threads', '1']);
    await openNews(t, running);
    for (let i = 0; i < 25; i += 1) await emitRaw(running, `data: ${'x'.repeat(50_000)}`);
    const client = await connectRaw(t, running.controlUrl);
    // Read in one turn of the loop, in which nothing is written: each may take as much as its channels do.
    const channels = Array.from({ length: 30 }, (_, i) => `channel=c${i}`).join('&');
    const body = `userId=*&payload=data:x&channel=news&${channels}`;
    const type = 'Content-Type: application/x-www-form-urlencoded';
    const head = `POST /emit/ HTTP/1.1\r\nHost: 127.0.0.1\r\n${type}\r\nContent-Length: ${body.length}\r\n\r\n`;
    const refused = 'tidings_emits_total{result="MEMORY_FULL"}';
    return around(running, async () => client.send(`${head}${body}`.repeat(200)), grows(refused));
  },

  async TidingsSlow(t) {
    const running = await startServer(t, ['-threads', '1']);
    await openNews(t, running);
    const { log } = running;
    let isSlow = true;
    // A log that takes its time: it is written to between the emit and the flush.
    log.push = (...lines) => {
      const end = performance.now() + 1_300;
      while (isSlow && performance.now() < end);
      isSlow = false;
      return Array.prototype.push.apply(log, lines);
    };
    return around(
      running,
      () => emitRaw(running, 'data: x'),
      grows('tidings_emit_to_send_seconds_count'),
    );
  },

  async TidingsConnectionsNearLimit(t) {
    const running = await spawnServer(t, [], limitedTo(128));
    const limit = (await scrape(running)).get('tidings_connections_limit')!;
    for (let i = 0; i < limit - 3; i += 1) await connectRaw(t, running.publicUrl);
    return around(
      running,
      async () => {},
      (_, after) => after.get('tidings_connections')! > limit * 0.9,
    );
  },

  async TidingsConnectionsRefused(t) {
    const running = await spawnServer(t, [], limitedTo(128));
    const limit = (await scrape(running)).get('tidings_connections_limit')!;
    const open: RawClient[] = [];
    for (let i = 0; i < limit; i += 1) open.push(await connectRaw(t, running.publicUrl));
    const series = await around(
      running,
      async () => {
        open.push(await connectRaw(t, running.publicUrl));
        open.push(await connectRaw(t, running.publicUrl));
        for (const client of open.slice(0, limit / 2)) client.socket.destroy();
      },
      (before, after) =>
        after.get('tidings_connections')! < limit * 0.8 &&
        grows('tidings_connections_refused_total{listener="public"}')(before, after),
    );
    return series;
  },

  async TidingsStreamsRefused(t) {
    const running = await startServer(t, ['-max-streams', '1']);
    await openNews(t, running);
    const headers = bearer(tokenFor('bob'));
    const refused = 'tidings_streams_refused_total{reason="streams"}';
    const open = async () => (await fetch(running.eventsUrl, { headers })).text();
    return around(running, open, grows(refused));
  },

  async TidingsTokensRefused(t) {
    const running = await startServer(t);
    const refused = 'tidings_streams_refused_total{reason="token"}';
    const open = () => fetch(running.eventsUrl, { headers: bearer('rubbish') });
    return around(running, open, grows(refused));
  },

  async 'TidingsTokensRefused, revoked'(t) {
    const running = await startServer(t);
    await post(`${running.controlUrl}/revoke/`, { userId: 'ann', ttl: 60 });
    const refused = 'tidings_streams_refused_total{reason="revoked"}';
    const open = () => fetch(running.eventsUrl, { headers: bearer(tokenFor('ann')) });
    return around(running, open, grows(refused));
  },

  async TidingsWebhooksNotTaken(t) {
    const receiver = await webhookReceiver(t);
    receiver.state.status = 503;
    const webhook = ['-webhook', receiver.url, '-webhook-secret', WEBHOOK_SECRETS[0]!];
    const running = await startServer(t, webhook);
    const failed = 'tidings_webhook_requests_total{result="failed"}';
    const series = await around(running, () => openNews(t, running), grows(failed));
    receiver.state.status = 200;
    return series;
  },

  async TidingsWebhooksDropped(t) {
    const receiver = await webhookReceiver(t);
    receiver.state.status = 503;
    const webhook = ['-webhook', receiver.url, '-webhook-secret', WEBHOOK_SECRETS[0]!];
    const running = await startServer(t, [...webhook, '-max-body', '9000000']);
    const emit = async () => {
      const receipt = { within: 1 };
      const event = { userId: 'ann', channel: 'news', data: 'x'.repeat(7_000_000), receipt };
      // 16 MB of receipts may wait, and 16 MB of webhooks.
      for (let i = 0; i < 4; i += 1) {
        const { text } = await post(`${running.controlUrl}/emit/`, event);
        assert.ok(text.includes('"id"'), text);
        await eventually(async () => (await scrape(running)).get('tidings_receipts_waiting') === 0);
      }
    };
    const dropped = 'tidings_webhook_events_total{result="dropped"}';
    const series = await around(running, emit, grows(dropped));
    receiver.state.status = 200;
    return series;
  },

  async TidingsGaps(t) {
    const running = await startServer(t, ['-history', '1']);
    const first = idOf((await emitRaw(running, 'data: 1')).text);
    await emitRaw(running, 'data: 2');
    await emitRaw(running, 'data: 3');
    const told = 'tidings_gaps_total{reason="evicted"}';
    return around(running, () => comeBack(t, running, first), grows(told));
  },

  async TidingsHistoryCut(t) {
    const running = await startServer(t, ['-memory', '1']);
    const evicted = 'tidings_log_evictions_total{reason="memory"}';
    const emit = async () => {
      for (let i = 0; i < 40; i += 1) await emitRaw(running, `data: ${'x'.repeat(50_000)}`);
    };
    return around(running, emit, grows(evicted));
  },

  async TidingsStalled(t) {
    const running = await startServer(t, ['-stall', '1', '-max-body', '4000000']);
    const client = await connectRaw(t, running.publicUrl);
    client.send(streamRequest(tokenFor('ann')));
    await eventually(async () => (await scrape(running)).get('tidings_streams') === 1);
    client.socket.pause();
    const stall = async () => {
      for (let i = 0; i < 12; i += 1)
        await post(`${running.controlUrl}/emit/`, {
          userId: '*',
          channel: 'news',
          data: 'x'.repeat(1_000_000),
        });
    };
    return around(running, stall, grows('tidings_streams_closed_total{reason="stalled"}'));
  },
};

/** What a condition makes true besides its own alert. */
const BESIDE: Readonly<Record<string, readonly string[]>> = {
  // The rest of the history goes first.
  TidingsEmitsRefused: ['TidingsHistoryCut'],
  TidingsSlow: ['TidingsLoopLate'],
  TidingsWebhooksDropped: ['TidingsWebhooksNotTaken'],
};

/** Without the cause, where an alert has several. */
const alertOf = (name: string): string => name.split(',')[0]!;

const NOTHING = 'nothing';

test('alerts - none fires on a server that does well', { skip }, async (t) => {
  const running = await startServer(t);
  const stream = await openNews(t, running);
  const series = await around(
    running,
    () => emitRaw(running, 'data: x'),
    grows('tidings_deliveries_total'),
  );
  assert.equal(stream.events.length, 1);
  assertFiring(t, [{ name: NOTHING, series, firing: [] }]);
});

test('alerts - a server that does not answer', { skip }, (t) => {
  const series = [{ series: 'up{job="tidings",instance="here"}', values: '0+0x60' }];
  assertFiring(t, [{ name: 'TidingsDown', series, firing: ['TidingsDown'] }]);
});

for (const [name, make] of Object.entries(CONDITIONS))
  test(`alerts - ${name} fires when its condition is true on a server, and no other does`, {
    skip: skip || (name.startsWith('TidingsConnections') && missing('prlimit')),
  }, async (t) => {
    const series = await make(t);
    assertFiring(t, [{ name, series, firing: [alertOf(name), ...(BESIDE[name] ?? [])] }]);
  });

test('alerts - there is no other', () => {
  const tested = [
    'TidingsDown',
    ...Object.keys(CONDITIONS).map(alertOf),
    ...Object.values(BESIDE).flat(),
  ];
  assert.deepEqual(new Set(ALERTS), new Set(tested));
});

function assertFiring(t: TestContext, cases: readonly AlertCase[]): void {
  const file = asFile(t, 'tests.yml', alertTests(RULES, cases));
  assert.equal(promtool(['test', 'rules', file]), '');
}

test('alerts - name only series that a server tells', async (t) => {
  const running = await startServer(t);
  const told = new Set(
    [...samplesOf(await (await fetch(`${running.controlUrl}/metrics`)).text()).keys()].map((key) =>
      key.replace(/\{.*/, ''),
    ),
  );
  for (const [name] of readFileSync(RULES, 'utf8').matchAll(/\btidings_\w+/g))
    assert.ok(told.has(name), name);
});
