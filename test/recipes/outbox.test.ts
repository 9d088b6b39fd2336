/** docs/recipes/outbox.md with a real PostgreSQL: what is committed is emitted, once, whenever the relay dies. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { hasPostgres, type Postgres, startPostgres } from '../support/postgres.ts';
import { type FileOptions, fileOf, recipe } from '../support/recipes.ts';
import { startServer, TWO_THREADS } from '../support/server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { leaveOut, runs } from '../support/tools.ts';

const PAGE = 'outbox.md';

const ROWS = 1_000;

const codeOf = (name: string): string => recipe(PAGE, name).code;

/** Runs the relay once; its exit code, and what it said. */
async function relay(t: Owner, { env }: Postgres, options: Omit<FileOptions, 'name'>) {
  const file = fileOf(t, recipe(PAGE, 'The relay'), { ...options, name: 'relay.sh' });
  const child = spawn('sh', [file], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, said };
}

test('recipes - the outbox: what is committed is emitted, once, whenever the relay dies', {
  timeout: 120_000,
}, async (t) => {
  if (!hasPostgres()) return leaveOut(t, 'no PostgreSQL');
  if (!runs('curl', '-V')) return leaveOut(t, 'no curl');
  const { controlUrl, eventsUrl } = await startServer(t, TWO_THREADS);
  const stream = await openStream(t, eventsUrl, { headers: bearer(tokenFor('42', 'orders')) });
  const database = await startPostgres(t);
  const rows = () => Number(database.run('SELECT count(*) FROM outbox'));
  database.run('CREATE TABLE orders (id int, paid boolean); INSERT INTO orders VALUES (7, false)');
  database.run(codeOf('The table'));

  database.run(codeOf('The transaction').replace('COMMIT', 'ROLLBACK'));
  assert.deepEqual(
    await relay(t, database, { controlUrl }),
    { code: 0, said: '' },
    'nothing to do',
  );
  database.run(codeOf('The transaction'));
  const away = await relay(t, database, { controlUrl: 'http://127.0.0.1:1' });
  assert.notEqual(away.code, 0, 'tidings is away');
  assert.equal(rows(), 1, 'kept for the next time');
  const sent = await relay(t, database, { controlUrl });
  assert.equal(sent.code, 0, sent.said);
  const { event, data } = await stream.next();
  assert.deepEqual([event, JSON.parse(data)], ['paid', { order: 7 }]);

  database.run(`INSERT INTO outbox (event) VALUES ('{"userId": 42, "data": "no channel"}')`);
  const poison = await relay(t, database, { controlUrl });
  assert.equal(poison.code, 0, poison.said);
  assert.match(poison.said, /FIELD_MISSING/);
  assert.equal(rows(), 0, 'it is not in the way of others');

  database.run(`INSERT INTO outbox (event) SELECT json_build_object('userId', 42, 'channel', 'orders',
    'data', n || E' "\\\\" \\n ü') FROM generate_series(1, ${ROWS}) n`);
  const dying = await relay(t, database, { controlUrl, replace: { 'COMMIT;': 'ROLLBACK;' } });
  assert.equal(dying.code, 0, dying.said);
  assert.equal(rows(), ROWS, 'it died before it had deleted them');
  const again = await relay(t, database, { controlUrl });
  assert.equal(again.code, 0, again.said);
  assert.equal(rows(), 0);
  database.run(codeOf('The transaction'));
  await relay(t, database, { controlUrl });
  await stream.arrived(ROWS + 2);
  const numbered = stream.events.slice(1, -1).map((item) => item.data);
  const wanted = Array.from({ length: ROWS }, (_, i) => `${i + 1} "\\" \n ü`);
  assert.deepEqual(numbered, wanted, 'each once, and in order');
  assert.equal(stream.events.at(-1)?.event, 'paid');
});
