/** Routes of the control app: by path with its parameters, by method, and by what becomes of the body. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type Route, Router } from '../../src/control/router.ts';
import type { Answer } from '../../src/http/answer.ts';
import { exchangeHandler } from '../../src/http/exchange.ts';
import { Listener } from '../../src/http/listener.ts';
import { NodeApp } from '../../src/http/node-app.ts';
import { NodeListener } from '../../src/http/node-listener.ts';
import { createApp } from '../../src/http/uws.ts';
import { createLogger } from '../../src/logger.ts';

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
  },
];

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
