/** Routes of the control app: by path with its parameters, by method, and by what becomes of the body. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import { type Route, Router } from '../../../src/control/router.ts';
import type { Answer } from '../../../src/http/answer.ts';
import type { BodyPieces } from '../../../src/http/body-pieces.ts';
import { exchangeHandler } from '../../../src/http/exchange.ts';
import { Listener } from '../../../src/http/listener.ts';
import { NodeApp } from '../../../src/http/node-app.ts';
import { NodeListener } from '../../../src/http/node-listener.ts';
import { createApp } from '../../../src/http/uws.ts';
import { createLogger } from '../../../src/logger.ts';
import { connectRaw } from '../../support/raw-client.ts';
import { eventually } from '../../support/wait.ts';

const said = (body: string): Answer => ({ status: 200, body });

const ROUTES: readonly Route[] = [
  {
    method: 'get',
    path: '/users/{id}/{what}/',
    body: 'none',
    run: ({ params, query }) => said(JSON.stringify([...params, query])),
  },
  { method: 'get', path: '/users/me/streams/', body: 'none', run: () => said('mine') },
  {
    method: 'post',
    path: '/users/{id}/{what}/',
    body: 'fields',
    run: ({ values }, { params }) => said(`${values.get('a')} ${params.get('id')}`),
    streamed: { types: ['text/pieces'], run: (pieces) => takeSlowly(pieces) },
  },
];

/** What came of a body: its size, and whether it ended. */
const told: string[] = [];
let taken = 0;

// Each piece keeps its taker for two turns of the loop, in which the server must not bring more.
async function takeSlowly(pieces: BodyPieces): Promise<Answer> {
  let bytes = 0;
  let largest = 0;
  const sum = createHash('sha256');
  for (let piece = await pieces.next(); piece !== undefined; piece = await pieces.next()) {
    await new Promise(setImmediate);
    await new Promise(setImmediate);
    bytes += piece.length;
    taken += piece.length;
    largest = Math.max(largest, piece.length);
    sum.update(piece);
  }
  told.push(`${bytes} ${pieces.isWhole ? 'whole' : 'cut'}`);
  return said(JSON.stringify({ bytes, largest, sum: sum.digest('hex'), isWhole: pieces.isWhole }));
}

const ADDRESS = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

/** Serves the routes; the URL. */
async function serve(t: TestContext, door: string): Promise<string> {
  const capabilities = (allow: string): Answer => ({ status: 204, headers: [['Allow', allow]] });
  const router = new Router(ROUTES, { maxBodyBytes: 1_024, capabilities });
  const logger = createLogger('silent', { write: () => {} });
  const rules = { logger, isTight: () => false, takesBodies: true };
  const handler = exchangeHandler(rules, (exchange, req) => router.run(exchange, req.getUrl()));
  if (door === 'compat') {
    const app = new NodeApp(handler, () => {});
    t.after(() => app.close());
    return (await NodeListener.open(app, ADDRESS, 'x')).url;
  }
  const app = createApp().any('/*', handler);
  const listener = await Listener.open(app, ADDRESS, { flag: 'x', scheme: 'http' });
  t.after(() => {
    listener.close();
    app.close();
  });
  return listener.url;
}

for (const door of ['addon', 'compat'])
  test(`router - parameters of a path, methods and the query (${door})`, async (t) => {
    const url = await serve(t, door);
    const ask = async (path: string, init?: RequestInit) => {
      const response = await fetch(url + path, init);
      return [response.status, await response.text()] as const;
    };
    assert.deepEqual(await ask('/users/a%2Fb%C3%A9/c?x=%20'), [
      200,
      '[["id","a/bé"],["what","c"],"x=%20"]',
    ]);
    assert.deepEqual(await ask('/users/me/streams'), [200, 'mine'], 'exact paths come first');
    const body = new URLSearchParams({ a: '1' });
    assert.deepEqual(await ask('/users/ann/x/', { method: 'POST', body }), [200, '1 ann']);
    for (const [method, status] of [
      ['PUT', 405],
      ['OPTIONS', 204],
    ] as const) {
      const response = await fetch(`${url}/users/ann/x`, { method });
      assert.deepEqual(
        [response.status, response.headers.get('allow')],
        [status, 'GET, HEAD, POST'],
      );
    }
    for (const path of ['/users/ann', '/users//x', '/users/a/b/c', '/'])
      assert.equal((await ask(path))[0], 404, path);
    for (const path of ['/users/%E9/x', '/users/%/x'])
      assert.match((await ask(path)).join(), /^400,.*percent-encode/, path);
  });

/** What the addon for Node 20 reads at once, and Node itself (behind the compatible door): 512 KiB. */
const READ_AT_ONCE = 600_000;

/** The addons for later Nodes read on, paused or not, until the kernel has no more: what both ends' buffers hold. */
const mostAtOnce = (door: string): number =>
  door === 'compat' || Number.parseInt(process.versions.node, 10) <= 20
    ? READ_AT_ONCE
    : kernelHolds('tcp_rmem') + kernelHolds('tcp_wmem');

/** The largest buffer that Linux gives to one end of a connection, in bytes (tcp(7)). */
function kernelHolds(what: 'tcp_rmem' | 'tcp_wmem'): number {
  const most = readFileSync(`/proc/sys/net/ipv4/${what}`, 'utf8').trim().split(/\s+/)[2];
  assert.ok(Number(most) > 0, `${what}: ${most}`);
  return Number(most);
}

const HEAD = 'POST /users/ann/x/ HTTP/1.1\r\nHost: x\r\nContent-Type: text/pieces\r\n';

for (const door of ['addon', 'compat'])
  for (const coding of ['length', 'chunks'])
    test(`router - a body of any length comes in pieces, no faster than they are taken (${door}, ${coding})`, async (t) => {
      const url = await serve(t, door);
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      t.after(() => agent.destroy());
      const most = mostAtOnce(door);
      // More than may come at once: else nothing could be said of the pause.
      const body = randomBytes(Math.max(24_000_000, 1.5 * most));
      const sum = createHash('sha256').update(body).digest('hex');
      for (const size of [body.length, 0, 100_000]) {
        const part = body.subarray(0, size);
        const headers = {
          'content-type': 'Text/Pieces; charset=utf-8',
          ...(coding === 'length' ? { 'content-length': size } : {}),
        };
        const request = http.request(`${url}/users/ann/x/`, { method: 'POST', agent, headers });
        for (let at = 0; at < size; at += 50_000) request.write(part.subarray(at, at + 50_000));
        const response = await new Promise<http.IncomingMessage>((resolve, reject) =>
          request.on('response', resolve).on('error', reject).end(),
        );
        const seen = JSON.parse(await text(response));
        assert.deepEqual([seen.bytes, seen.isWhole], [size, true]);
        if (size === body.length) assert.equal(seen.sum, sum);
        assert.ok(seen.largest <= most, `a piece of ${seen.largest} bytes`);
      }
    });

for (const door of ['addon', 'compat'])
  test(`router - who takes a body in pieces hears of its end when it is cut (${door})`, async (t) => {
    const url = await serve(t, door);
    for (const [head, begun] of [
      [`${HEAD}Content-Length: 100000\r\n\r\n`, 'x'.repeat(1_234)],
      [`${HEAD}Transfer-Encoding: chunked\r\n\r\n`, '4d2\r\n'.concat('x'.repeat(1_234), '\r\n')],
    ] as const) {
      told.length = 0;
      taken = 0;
      const raw = await connectRaw(t, url);
      raw.send(head + begun);
      await eventually(() => taken === 1_234, { what: 'what was sent' });
      raw.socket.destroy();
      await eventually(() => told.length > 0, { what: 'the end of the body' });
      assert.deepEqual(told, ['1234 cut']);
    }
  });

test('router - Expect is answered before the pieces of a body, and one of another coding refused', async (t) => {
  const url = await serve(t, 'addon');
  const raw = await connectRaw(t, url);
  raw.send(`${HEAD}Content-Length: 3\r\nExpect: 100-Continue\r\n\r\n`);
  await raw.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/);
  raw.send('abc');
  await raw.until(/"bytes":3,/);
  const packed = await connectRaw(t, url);
  packed.send(`${HEAD}Content-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc`);
  await packed.until(/^HTTP\/1\.1 415 [\s\S]*Content-Encoding gzip/);
});
