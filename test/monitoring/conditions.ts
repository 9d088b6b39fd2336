/** Conditions of the alerts: each is made true on a server, by each of its causes, and nothing else. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { MAX_WAITING } from '../../src/public/waiting-room.ts';
import { emitRaw, openNews, post } from '../support/emitting.ts';
import { limitedTo } from '../support/file-limit.ts';
import { type IssuerServer, newKey, publish, startIssuer } from '../support/issuer.ts';
import { type Samples, scrape } from '../support/metrics.ts';
import { startNats } from '../support/nats.ts';
import { acquainted } from '../support/nodes.ts';
import { type InputSeries, lasting } from '../support/promtool.ts';
import { connectRaw, type RawClient, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { spawnServer } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { type Deed, environmentFor } from '../support/thread-hook.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { WEBHOOK_SECRETS, webhookReceiver } from '../support/webhook-receiver.ts';

/** Scrapes before and after something has happened, until what is expected has moved. */
export async function around(
  running: { controlUrl: string },
  what: () => Promise<unknown>,
  hasHappened: (before: Samples, after: Samples) => boolean,
): Promise<readonly InputSeries[]> {
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

export const grows = (series: string) => (before: Samples, after: Samples) =>
  after.get(series)! > (before.get(series) ?? 0);

const comeBack = async (t: TestContext, { eventsUrl }: RunningServer, id: string) =>
  openStream(t, eventsUrl, { headers: { ...bearer(tokenFor('ann')), 'last-event-id': id } });

const idOf = (text: string): string => (JSON.parse(text) as { id: string }).id;

async function refuseConnections(t: TestContext, listener: 'public' | 'control') {
  const running = await spawnServer(t, [], limitedTo(128));
  const limit = (await scrape(running)).get('tidings_connections_limit')!;
  const url = listener === 'public' ? running.publicUrl : running.controlUrl;
  const open: RawClient[] = [];
  const refused = `tidings_connections_refused_total{listener="${listener}"}`;
  const refuse = async () => {
    while (!open.some(({ closed }) => closed)) open.push(await connectRaw(t, url));
    for (const client of open.slice(limit / 2)) client.socket.destroy();
  };
  return around(
    running,
    refuse,
    (before, after) =>
      after.get('tidings_connections')! < limit * 0.8 && grows(refused)(before, after),
  );
}

async function loseNats(t: TestContext, series: string) {
  const nats = await startNats(t);
  const running = await spawnServer(t, ['-nats', nats.urls]);
  const lost = await around(
    running,
    () => nats.servers[0]!.stop('SIGKILL'),
    (before, after) => before.get(series) === 1 && after.get(series) === 0,
  );
  await running.stop('SIGKILL'); // it would wait for NATS to take its last words
  return lost;
}

async function refuseStream(t: TestContext, limit: string) {
  const running = await startServer(t, [`-max-${limit}`, '1']);
  await openNews(t, running);
  const user = limit === 'streams-per-user' ? 'ann' : 'bob';
  const open = async () =>
    (await fetch(running.eventsUrl, { headers: bearer(tokenFor(user)) })).text();
  return around(running, open, grows(`tidings_streams_refused_total{reason="${limit}"}`));
}

async function refuseToken(t: TestContext, reason: string, token: string) {
  const running = await startServer(t);
  const open = () => fetch(running.eventsUrl, { headers: bearer(token) });
  return around(running, open, grows(`tidings_streams_refused_total{reason="${reason}"}`));
}

const notStored = (result: string) => `tidings_emits_total{result="${result}"}`;
const NOT_STORED = ['BACKPLANE_BUSY', 'BACKPLANE_DOWN', 'OUTCOME_UNKNOWN'].map(notStored);
let withoutStore: Promise<readonly InputSeries[]> | undefined;

/** A NATS server that is suspended with more than may be on the way, then gone: takes an emit's ten seconds once. */
async function refuseToStore(t: TestContext, result: string) {
  withoutStore ??= startNats(t).then(async ({ urls, servers }) => {
    const running = await spawnServer(t, ['-nats', urls]);
    const event = { userId: '*', channel: 'news', data: 'x' };
    const emit = (body: object) => post(`${running.controlUrl}/emit/`, body);
    const lose = async () => {
      servers[0]!.signal('SIGSTOP');
      // 64 MB may be on the way: behind them there is room for a small one.
      const large = { ...event, data: 'x'.repeat(900_000) };
      const all = Array.from({ length: 80 }, () => emit(large));
      await Promise.race(all);
      await servers[0]!.stop('SIGKILL');
      await eventually(async () => (await scrape(running)).get('tidings_backplane_up') === 0);
      await Promise.all([...all, emit(event)]);
    };
    const series = await around(running, lose, (before, after) =>
      NOT_STORED.every((name) => grows(name)(before, after)),
    );
    await running.stop('SIGKILL'); // it would wait for NATS to take its last words
    return series;
  });
  const [name] = notStored(result).split('}');
  return (await withoutStore).filter(({ series }) => series.startsWith(name!));
}

/** Requests for streams whose answers nobody waits for. */
async function openMany(
  t: TestContext,
  url: string,
  { count, token }: { count: number; token: string },
): Promise<void> {
  const { hostname: host, port } = new URL(url);
  const request = streamRequest(token);
  for (let i = 0; i < count; i += 1) {
    const socket = connect({ host, port: Number(port) }).on('error', () => {});
    t.after(() => void socket.destroy());
    socket.write(request);
  }
}

const ISSUER = 'https://issuer.example';

const tokensOf = ({ url }: IssuerServer): string[] => ['-jwks', url, '-issuer', ISSUER];

/** By the name of the alert and, where it has several, the cause: the value of the label that it sums over. */
export const CONDITIONS: Readonly<
  Record<string, (t: TestContext) => Promise<readonly InputSeries[]>>
> = {
  async 'TidingsNotReady, serving'(t) {
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

  async 'TidingsNotReady, keys'(t) {
    const issuer = await startIssuer(t, publish(newKey('k')));
    issuer.fail();
    const samples = await scrape(await startServer(t, tokensOf(issuer)));
    return lasting(samples, samples);
  },

  'TidingsNotReady, nats': (t) => loseNats(t, 'tidings_ready'),
  TidingsBackplaneDown: (t) => loseNats(t, 'tidings_backplane_up'),

  async TidingsNodesUnheard(t) {
    const args = ['-nats', (await startNats(t)).urls];
    const [running, other] = await Promise.all([spawnServer(t, args), spawnServer(t, args)]);
    await acquainted([running, other]);
    const unanswered = 'tidings_cluster_unanswered_total';
    const ask = async () => {
      other.process.kill('SIGSTOP');
      await fetch(`${running.controlUrl}/users/ann/`);
    };
    const series = await around(running, ask, grows(unanswered));
    other.process.kill('SIGCONT');
    return series;
  },

  async 'TidingsEmitsRefused, THREADS_BEHIND'(t) {
    const deed: Deed = { kind: 'busy', ms: 3_000, thread: 2 };
    const running = await spawnServer(t, ['-threads', '2'], environmentFor(t, deed));
    const flood = async () => {
      running.process.kill('SIGUSR2');
      // 32 MB may be before a thread. Those that are taken are answered when it goes on.
      const payload = `data: ${'x'.repeat(900_000)}`;
      let isRefused = false;
      const emit = async () => {
        isRefused ||= (await emitRaw(running, payload)).status === 429;
      };
      const all: Promise<void>[] = [];
      await eventually(() => all.push(emit()) > 0 && isRefused, { withinMs: 10_000 });
      await Promise.all(all);
    };
    const refused = 'tidings_emits_total{result="THREADS_BEHIND"}';
    const series = await around(running, flood, grows(refused));
    // What has kept the thread is for other alerts, or is not, as the samples fall.
    return series.filter(({ series: name }) => name.startsWith('tidings_emits_total'));
  },

  async 'TidingsEmitsRefused, MEMORY_FULL'(t) {
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

  'TidingsEmitsNotStored, BACKPLANE_BUSY': (t) => refuseToStore(t, 'BACKPLANE_BUSY'),
  'TidingsEmitsNotStored, BACKPLANE_DOWN': (t) => refuseToStore(t, 'BACKPLANE_DOWN'),
  'TidingsEmitsNotStored, OUTCOME_UNKNOWN': (t) => refuseToStore(t, 'OUTCOME_UNKNOWN'),

  async TidingsReceiptsFull(t) {
    const receiver = await webhookReceiver(t);
    const webhook = ['-webhook', receiver.url, '-webhook-secret', WEBHOOK_SECRETS[0]!];
    const running = await startServer(t, webhook);
    const receipt = { within: 3_600 };
    const event = { userId: 'ann', channel: 'news', data: 'x', receipt };
    const emit = async () => {
      for (const count of [10_000, 1])
        await post(`${running.controlUrl}/emit/`, Array(count).fill(event));
    };
    return around(running, emit, grows('tidings_emits_total{result="RECEIPTS_FULL"}'));
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

  async TidingsLoopLate(t) {
    const running = await startServer(t, ['-threads', '1']);
    await openNews(t, running);
    const block = async () => {
      const end = performance.now() + 800;
      while (performance.now() < end);
    };
    const isLate = (before: Samples, after: Samples) =>
      after.get('tidings_loop_delay_seconds_sum')! >
      before.get('tidings_loop_delay_seconds_sum')! + 0.5;
    return around(running, block, isLate);
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

  'TidingsConnectionsRefused, public': (t) => refuseConnections(t, 'public'),
  'TidingsConnectionsRefused, control': (t) => refuseConnections(t, 'control'),

  'TidingsStreamsRefused, streams': (t) => refuseStream(t, 'streams'),
  'TidingsStreamsRefused, streams-per-user': (t) => refuseStream(t, 'streams-per-user'),
  'TidingsStreamsRefused, streams-per-address': (t) => refuseStream(t, 'streams-per-address'),

  async 'TidingsStreamsRefused, waiting'(t) {
    const key = newKey('k', 'ES256');
    const issuer = await startIssuer(t, publish(key));
    issuer.answer = () => {}; // ever
    const running = await spawnServer(t, [...tokensOf(issuer), '-threads', '1']);
    const exp = Math.floor(Date.now() / 1_000) + 60;
    const token = key.token({ userId: 'ann', channel: 'news', iss: ISSUER, exp });
    const refused = 'tidings_streams_refused_total{reason="waiting"}';
    const series = await around(
      running,
      () => openMany(t, running.publicUrl, { count: MAX_WAITING + 5, token }),
      grows(refused),
    );
    // No key is known all the while, which is for another alert.
    return series.filter(({ series: name }) => !name.startsWith('tidings_ready'));
  },

  'TidingsTokensRefused, token': (t) => refuseToken(t, 'token', 'rubbish'),
  'TidingsTokensRefused, token-time': (t) =>
    refuseToken(t, 'token-time', tokenFor('ann', 'news', { expiresIn: -10 })),

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
    running.server.hasten(); // or it would try for 5 seconds to hand over the rest
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
    running.server.hasten(); // or it would try for 5 seconds to hand over the rest
    return series;
  },

  async 'TidingsGaps, lagged'(t) {
    const running = await startServer(t, ['-history', '1', '-max-body', '4000000']);
    const stream = await openNews(t, running);
    stream.pause();
    const lag = async () => {
      for (let i = 0; i < 12; i += 1) await emitRaw(running, `data: ${'x'.repeat(1_000_000)}`);
      stream.resume();
    };
    return around(running, lag, grows('tidings_gaps_total{reason="lagged"}'));
  },

  async 'TidingsGaps, evicted'(t) {
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
