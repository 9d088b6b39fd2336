/** Errors as RFC 9457 has them, for those who ask; for everybody else as they always were. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERROR_STATUS, ERROR_TITLE } from '../../src/errors.ts';
import { inFormFor } from '../../src/http/problem.ts';
import { connectRaw } from '../support/raw-client.ts';
import { startServer } from '../support/server.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const PROBLEM = 'application/problem+json';

async function ask(url: string, accept: string, init: RequestInit = {}) {
  const headers = { ...init.headers, accept };
  const response = await fetch(url, { ...init, headers });
  const type = response.headers.get('content-type');
  return { status: response.status, headers: response.headers, type, text: await response.text() };
}

/** The members that the standard asks for, beside those of the plain form. */
function assertProblem(text: string, status: number): void {
  const problem = JSON.parse(text) as Record<string, unknown>;
  const code = problem['error'] as keyof typeof ERROR_STATUS;
  assert.deepEqual(problem, {
    type: `urn:tidings:error:${code}`,
    title: ERROR_TITLE[code],
    status,
    detail: problem['message'],
    error: code,
    message: problem['message'],
  });
  assert.equal(ERROR_STATUS[code], status);
  assert.equal(typeof problem['message'], 'string');
}

const POST: RequestInit = { method: 'POST' };
const json = (body: string): RequestInit => {
  return { method: 'POST', headers: { 'content-type': 'application/json' }, body };
};

const FAILS: readonly (readonly [path: string, init: RequestInit, status: number])[] = [
  ['/nowhere', {}, 404],
  ['/emit/', {}, 405],
  ['/emit/', POST, 400],
  ['/emit/', json('{'), 400],
  ['/emit/', json(`"${'x'.repeat(2_000)}"`), 413],
  ['/emit/', { ...json('{}'), headers: { 'content-type': 'x/y' } }, 415],
  ['/healthz', { headers: { origin: 'https://evil.example' } }, 403],
  ['/token/', json('{"userId":"a","channel":"b","exp":"1"}'), 400],
];

const FORMS: Readonly<Record<string, 'plain' | 'problem'>> = {
  '*/*': 'plain',
  'application/*': 'plain',
  'application/json': 'plain',
  'application/problem+json;q=0': 'plain',
  'application/problem+json;q=0.000, */*': 'plain',
  'application/problem+jsonx': 'plain',
  'application/problem+json': 'problem',
  'Application/Problem+JSON; q=0.5': 'problem',
  'application/json, application/problem+json': 'problem',
};

test('problems - every error of the control port has both forms, on both of its listeners', async (t) => {
  const args = ['-bindctl-compat', '127.0.0.1:0', '-max-body', '1024'];
  const { server } = await startServer(t, args);
  for (const door of [server.controlUrl, server.compatUrl]) {
    for (const [path, init, status] of FAILS) {
      const plain = await ask(door + path, '*/*', init);
      const problem = await ask(door + path, PROBLEM, init);
      assert.deepEqual([plain.status, problem.status], [status, status], path);
      assert.deepEqual([plain.type, problem.type], ['application/json', PROBLEM], path);
      assertProblem(problem.text, status);
      const { error, message } = JSON.parse(problem.text) as { error: string; message: string };
      assert.equal(plain.text, `${JSON.stringify({ error, message })}\n`);
      assert.equal(problem.headers.get('allow'), plain.headers.get('allow'));
      assert.equal(problem.headers.get('cache-control'), 'no-store');
    }
  }
});

test('problems - only who names the type is answered in it', async (t) => {
  const { controlUrl } = await startServer(t);
  for (const [accept, form] of Object.entries(FORMS)) {
    const { type } = await ask(`${controlUrl}/nowhere`, accept);
    assert.equal(type, form === 'plain' ? 'application/json' : PROBLEM, accept);
  }
});

test('problems - what is no error has one form', async (t) => {
  const { controlUrl } = await startServer(t);
  const { status, type } = await ask(`${controlUrl}/position/`, PROBLEM);
  assert.deepEqual([status, type], [200, 'application/json']);
});

test('problems - the errors of the public port have them too, and keep their headers', async (t) => {
  const { publicUrl, eventsUrl } = await startServer(t, ['-max-streams', '1']);
  const lost = await ask(`${publicUrl}/nowhere`, PROBLEM);
  assert.deepEqual([lost.status, lost.type], [404, PROBLEM]);
  const unknown = await ask(eventsUrl, PROBLEM);
  assertProblem(unknown.text, 401);
  assert.match(String(unknown.headers.get('www-authenticate')), /invalid_token/);
  const wrong = await ask(eventsUrl, PROBLEM, POST);
  assertProblem(wrong.text, 405);
  assert.match(String(wrong.headers.get('allow')), /GET/);
  const first = await fetch(eventsUrl, { headers: bearer(tokenFor('ann')) });
  t.after(() => first.body?.cancel());
  const full = await ask(eventsUrl, PROBLEM, { headers: bearer(tokenFor('bob')) });
  assertProblem(full.text, 503);
  assert.match(String(full.headers.get('retry-after')), /^\d+$/);
});

test('problems - a body that breaks off in odd chunks is one on the compatible listener', async (t) => {
  const { server } = await startServer(t, ['-bindctl-compat', '127.0.0.1:0']);
  const client = await connectRaw(t, server.compatUrl);
  const head = `POST /emit/ HTTP/1.1\r\nHost: localhost\r\nAccept: ${PROBLEM}\r\nTransfer-Encoding: chunked\r\n\r\n`;
  client.send(`${head}zz\r\n`);
  const text = await client.until(/\}\n$/);
  assert.match(text, /^HTTP\/1\.1 400 .*Content-Type: application\/problem\+json/s);
  assertProblem(text.slice(text.indexOf('\r\n\r\n')), 400);
});

test('problems - what else an error says is a member of the problem, too', () => {
  const error = { code: 'FIELD_INVALID', message: 'line 3 is none' } as const;
  const body = JSON.stringify({ error: error.code, message: error.message, failed: 3 });
  const told = inFormFor(PROBLEM, { status: 400, error, body });
  const problem = JSON.parse(told.body ?? '') as Record<string, unknown>;
  assert.deepEqual([problem['status'], problem['failed']], [400, 3]);
});
