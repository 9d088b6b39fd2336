/** Where a page's state and its stream meet: the position of the control port, and the claim `from`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { post } from '../support/emitting.ts';
import { type RunningServer, startServer } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const HEADER = 'tidings-position';

const emitTo = async ({ controlUrl }: RunningServer, data: string) => {
  const reply = await post(`${controlUrl}/emit/`, { userId: '*', channel: 'news', data });
  return { id: JSON.parse(reply.text).id as string, header: reply.headers.get(HEADER) };
};

const openFrom = (t: Owner, { eventsUrl }: RunningServer, from: string) =>
  openStream(t, eventsUrl, { headers: bearer(tokenFor('ann', 'news', { claims: { from } })) });

test('position - the id of the newest event, before the first and after each', async (t) => {
  const running = await startServer(t);
  const ask = async () => {
    const response = await fetch(`${running.controlUrl}/position/`);
    const { id, ...rest } = (await response.json()) as { id: string };
    assert.deepEqual([response.status, response.headers.get(HEADER), rest], [200, id, {}]);
    return id;
  };
  assert.match(await ask(), /^[a-z0-9]+-0$/);
  for (let i = 0; i < 3; i += 1) {
    const { id, header } = await emitTo(running, 'x');
    assert.deepEqual([header, await ask()], [id, id]);
  }
});

test('position - every answer of the control port has it, errors too', async (t) => {
  const running = await startServer(t, ['-max-body', '1024']);
  const { id } = await emitTo(running, 'x');
  const post_ = (type: string, body: string) => ({
    method: 'POST',
    body,
    headers: { 'content-type': type },
  });
  const cases: [path: string, init: RequestInit, status: number][] = [
    ['/healthz', {}, 200],
    ['/readyz', { method: 'HEAD' }, 200],
    ['/position', {}, 200],
    ['/token/', post_('application/json', '{"userId":"a","channel":"c","exp":60}'), 200],
    ['/token/', post_('application/json', '{}'), 400],
    ['/emit/', post_('application/json', '{'), 400],
    ['/emit/', post_('text/plain', 'x'), 415],
    ['/emit/', post_('application/json', 'x'.repeat(2_000)), 413],
    ['/emit/', {}, 405],
    ['/nowhere', {}, 404],
  ];
  for (const [path, init, status] of cases) {
    const response = await fetch(running.controlUrl + path, init);
    await response.text();
    assert.deepEqual([response.status, response.headers.get(HEADER)], [status, id], path);
  }
});

test('position - whoever the guard turns away does not learn it', async (t) => {
  const running = await startServer(t, ['-ctl-token', 'control-token']);
  for (const [headers, status] of [
    [{}, 401],
    [bearer('wrong'), 401],
    [{ ...bearer('control-token'), origin: 'https://evil.example' }, 403],
  ] as const) {
    for (const path of ['/position/', '/healthz', '/nowhere']) {
      const response = await fetch(running.controlUrl + path, { headers });
      assert.equal(response.status, status);
      assert.equal(response.headers.get(HEADER), null);
      assert.doesNotMatch(await response.text(), /-0/);
    }
  }
  const response = await fetch(running.publicUrl);
  assert.equal(response.headers.get(HEADER), null, 'nor do browsers');
});

test('from - a stream starts behind the id in its token, unless it brings one itself', async (t) => {
  const running = await startServer(t);
  const { eventsUrl } = running;
  const ids: string[] = [];
  for (const data of ['1', '2', '3', '4']) ids.push((await emitTo(running, data)).id);
  const headers = bearer(tokenFor('ann', 'news', { claims: { from: ids[0] } }));
  const first = async (query: string, extra = {}) =>
    (await openStream(t, eventsUrl + query, { headers: { ...headers, ...extra } })).next();
  assert.equal((await first('')).data, '2');
  assert.equal((await first('', { 'last-event-id': '' })).data, '2');
  assert.equal((await first(`?lastEventId=${ids[1]}`)).data, '3');
  const byHeader = await first(`?lastEventId=${ids[1]}`, { 'last-event-id': ids[2] });
  assert.equal(byHeader.data, '4');
});

test('from - one that is not ours is told as a gap, like that of a browser', async (t) => {
  const running = await startServer(t);
  await emitTo(running, 'x');
  for (const [from, reason] of [
    ['other-1', 'epoch'],
    ['nonsense \u{1f600}\n', 'unknown'],
    ['', 'unknown'],
  ] as const) {
    const stream = await openFrom(t, running, from);
    await stream.arrived(1);
    const notice = stream.events.find(({ event }) => event === 'tidings.gap');
    assert.equal(JSON.parse(notice!.data).reason, reason);
  }
});
