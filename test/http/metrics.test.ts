/** `GET /metrics`: each series moves when it should, and the trace of an emit is kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CATALOGUE } from '../../src/metrics/catalogue.ts';
import { emitRaw, openNews, post } from '../support/emitting.ts';
import { moved, type Samples, samplesOf, scrape } from '../support/metrics.ts';
import { connectRaw, streamRequest } from '../support/raw-client.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const TRACEPARENT = `00-${TRACE}-00f067aa0ba902b7-01`;
const OPEN_METRICS = { accept: 'application/openmetrics-text;version=1.0.0,text/plain;q=0.5' };

// What moves by itself.
const RESTLESS = /^(process|tidings_loop|tidings_flush|tidings_connections |tidings_connections$)/;

/** By how much; with several threads a series may have moved once in each. */
type Moves = Readonly<Record<string, number | readonly number[]>>;

/** `what` moves these, and nothing else but what shows the state of things. */
async function assertMoves(
  running: RunningServer,
  what: () => Promise<unknown>,
  expected: Moves,
): Promise<void> {
  const before = await scrape(running);
  await what();
  let after: Samples = before;
  const pick = () => {
    const all = Object.entries(moved(before, after));
    const isTold = ([name]: [string, number]) => !RESTLESS.test(name) && !/_bucket|_sum/.test(name);
    return Object.fromEntries(all.filter(isTold));
  };
  const isThere = () =>
    Object.entries(expected).every(([name, by]) => [by].flat().includes(pick()[name]!));
  await eventually(async () => {
    after = await scrape(running);
    return isThere();
  }).catch(() => assert.deepEqual(pick(), expected));
  for (const name of Object.keys(pick())) assert.ok(name in expected || isGauge(name), name);
}

const isGauge = (name: string): boolean =>
  CATALOGUE.some((series) => series.type === 'gauge' && series.name === name.replace(/\{.*/, ''));

const emitTo = ({ controlUrl }: RunningServer, fields: Record<string, string>) =>
  post(`${controlUrl}/emit/`, new URLSearchParams(fields));

test('metrics - text for Prometheus, with every series of the catalogue, not to be kept', async (t) => {
  const { controlUrl } = await startServer(t);
  const response = await fetch(`${controlUrl}/metrics`);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const samples = samplesOf(await response.text());
  const names = [...samples.keys()].map((series) => series.replace(/\{.*/, ''));
  for (const { name, type } of CATALOGUE)
    assert.ok(names.includes(type === 'histogram' ? `${name}_count` : name), name);
});

test('metrics - behind the guard of the control port, and not on the public one', async (t) => {
  const { controlUrl, publicUrl } = await startServer(t, ['-ctl-token', 'sesame']);
  assert.equal((await fetch(`${controlUrl}/metrics`)).status, 401);
  const headers = { authorization: 'Bearer sesame' };
  assert.equal((await fetch(`${controlUrl}/metrics`, { headers })).status, 200);
  assert.equal((await fetch(`${publicUrl}/metrics`, { headers })).status, 404);
  const foreign = { ...headers, origin: 'https://evil.example' };
  assert.equal((await fetch(`${controlUrl}/metrics`, { headers: foreign })).status, 403);
});

test('metrics - a stream that opens, gets events, and leaves', async (t) => {
  const running = await startServer(t);
  let client: Awaited<ReturnType<typeof connectRaw>> | undefined;
  await assertMoves(
    running,
    async () => {
      client = await connectRaw(t, running.publicUrl);
      client.send(streamRequest(tokenFor('ann')));
    },
    { tidings_streams: 1, tidings_streams_opened_total: 1, 'tidings_users{state="online"}': 1 },
  );
  await assertMoves(running, () => emitRaw(running, 'data: x'), {
    'tidings_emits_total{result="accepted"}': 1,
    tidings_deliveries_total: 1,
    tidings_delivered_bytes_total: (await frameLength(running)) ?? 0,
    tidings_emit_to_send_seconds_count: 1,
    tidings_log_entries: 1,
  });
  await assertMoves(running, async () => client?.socket.destroy(), {
    tidings_streams: -1,
    'tidings_streams_closed_total{reason="left"}': 1,
    'tidings_users{state="online"}': -1,
    'tidings_users{state="away"}': 1,
  });
});

// An id of the same length as the next one, until the tenth.
async function frameLength({ controlUrl }: RunningServer): Promise<number | undefined> {
  const response = await fetch(`${controlUrl}/position/`);
  const id = response.headers.get('tidings-position');
  return `data: x\nid: ${id}\n\n`.length;
}

test('metrics - an emit for nobody is neither delivered nor timed', async (t) => {
  const running = await startServer(t);
  await assertMoves(running, () => emitRaw(running, 'data: x'), {
    'tidings_emits_total{result="accepted"}': 1,
    tidings_log_entries: 1,
  });
});

test('metrics - emits that are refused, by the code of the answer', async (t) => {
  const running = await startServer(t, ['-memory', '1', '-max-body', '4000000']);
  await assertMoves(running, () => emitTo(running, { userId: 'ann' }), {
    'tidings_emits_total{result="FIELD_MISSING"}': 1,
  });
  const large = { userId: '*', channel: 'news', payload: `data: ${'x'.repeat(2_000_000)}` };
  await assertMoves(running, () => emitTo(running, large), {
    'tidings_emits_total{result="EVENT_TOO_LARGE"}': 1,
  });
});

test('metrics - a stream that is refused, for its token or a limit', async (t) => {
  const running = await startServer(t, ['-max-streams-per-user', '1']);
  await assertMoves(running, () => fetch(running.eventsUrl, { headers: bearer('rubbish') }), {
    'tidings_streams_refused_total{reason="token"}': 1,
  });
  const old = bearer(tokenFor('ann', 'news', { expiresIn: -1 }));
  await assertMoves(running, () => fetch(running.eventsUrl, { headers: old }), {
    'tidings_streams_refused_total{reason="token-time"}': 1,
  });
  await openNews(t, running);
  const again = () => fetch(running.eventsUrl, { headers: bearer(tokenFor('ann')) });
  await assertMoves(running, async () => (await again()).text(), {
    'tidings_streams_refused_total{reason="streams-per-user"}': 1,
  });
});

test('metrics - streams that come back, level, behind, or to a gap', async (t) => {
  const running = await startServer(t, ['-history', '1']);
  const ids: string[] = [];
  for (const payload of ['data: 1', 'data: 2', 'data: 3']) {
    const { text } = await emitRaw(running, payload);
    ids.push((JSON.parse(text) as { id: string }).id);
  }
  const comeBack = (id: string) => () =>
    openStream(t, running.eventsUrl, {
      headers: { ...bearer(tokenFor('ann')), 'last-event-id': id },
    });
  const opened = { tidings_streams: 1, tidings_streams_opened_total: 1 };
  await assertMoves(running, comeBack(ids[2]!), {
    ...opened,
    'tidings_returns_total{result="level"}': 1,
  });
  await assertMoves(running, comeBack(ids[1]!), {
    ...opened,
    'tidings_returns_total{result="behind"}': 1,
    tidings_deliveries_total: 1,
    tidings_delivered_bytes_total: `data: 3\nid: ${ids[2]}\n\n`.length,
    tidings_catch_up_seconds_count: 1,
  });
  await assertMoves(running, comeBack(ids[0]!), {
    ...opened,
    'tidings_returns_total{result="gap"}': 1,
    'tidings_gaps_total{reason="evicted"}': 1,
    tidings_deliveries_total: 1,
    tidings_delivered_bytes_total: `data: 3\nid: ${ids[2]}\n\n`.length,
    tidings_catch_up_seconds_count: 1,
  });
  await assertMoves(running, comeBack('other-7'), {
    ...opened,
    'tidings_returns_total{result="gap"}': 1,
    'tidings_gaps_total{reason="epoch"}': 1,
  });
  await assertMoves(running, () => emitRaw(running, 'data: 4'), {
    'tidings_emits_total{result="accepted"}': 1,
    'tidings_log_evictions_total{reason="history"}': 1,
    tidings_deliveries_total: 4,
    tidings_delivered_bytes_total: 4 * `data: 3\nid: ${ids[2]}\n\n`.length,
    tidings_emit_to_send_seconds_count: [1, 2],
  });
});

test('metrics - a reader that takes nothing is blocked', async (t) => {
  const running = await startServer(t, ['-max-body', '4000000']);
  const client = await connectRaw(t, running.publicUrl);
  client.send(streamRequest(tokenFor('ann')));
  await eventually(async () => (await scrape(running)).get('tidings_streams') === 1);
  client.socket.pause();
  await eventually(
    async () => {
      await emitRaw(running, `data: ${'x'.repeat(1_000_000)}`);
      return (await scrape(running)).get('tidings_streams_blocked') === 1;
    },
    { withinMs: 20_000 },
  );
  client.socket.resume();
  await eventually(async () => (await scrape(running)).get('tidings_streams_blocked') === 0, {
    withinMs: 20_000,
  });
});

test('metrics - the loop is looked at while there is something to do', async (t) => {
  const running = await startServer(t);
  await openNews(t, running);
  await eventually(
    async () => (await scrape(running)).get('tidings_loop_delay_seconds_count')! > 0,
  );
});

test('traceparent - its trace id is in the log, and an exemplar of how long the event took', async (t) => {
  const running = await startServer(t);
  const { controlUrl, log } = running;
  await openNews(t, running);
  const headers = { traceparent: TRACEPARENT };
  const body = new URLSearchParams({ userId: '*', channel: 'news', payload: 'data: x' });
  const response = await fetch(`${controlUrl}/emit/`, { method: 'POST', headers, body });
  const { id } = (await response.json()) as { id: string };
  const line = log.find(({ msg }) => msg === 'emit');
  assert.deepEqual([line?.['event'], line?.['trace'], line?.['streams']], [id, TRACE, 1]);
  const found = await eventually(async () => {
    const open = await fetch(`${controlUrl}/metrics`, { headers: OPEN_METRICS });
    assert.match(open.headers.get('content-type')!, /^application\/openmetrics-text; version=1/);
    const text = await open.text();
    assert.ok(text.endsWith('\n# EOF\n'));
    return /^tidings_emit_to_send_seconds_bucket.* # (.*)$/m.exec(text)?.[1];
  });
  assert.match(found ?? '', new RegExp(`^\\{trace_id="${TRACE}"\\} [\\d.e-]+ \\d{10}(\\.\\d+)?$`));
  assert.doesNotMatch(await (await fetch(`${controlUrl}/metrics`)).text(), /trace_id/);
});

test('traceparent - one that is none changes nothing', async (t) => {
  const running = await startServer(t);
  const headers = { traceparent: 'rubbish' };
  const body = new URLSearchParams({ userId: '*', channel: 'news', payload: 'data: x' });
  const reply = await fetch(`${running.controlUrl}/emit/`, { method: 'POST', headers, body });
  assert.equal(reply.status, 200);
  assert.equal(running.log.find(({ msg }) => msg === 'emit')?.['trace'], undefined);
});
