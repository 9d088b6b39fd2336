/** docs/recipes/emit.md: each program emits, and says what is wrong when it may not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { type TestContext, test } from 'node:test';
import { runClient } from '../support/client-process.ts';
import { openNews } from '../support/emitting.ts';
import { freePort } from '../support/free-ports.ts';
import { fileOf, recipe, recipesOf } from '../support/recipes.ts';
import { startServer, TWO_THREADS } from '../support/server.ts';
import { leaveOut, PYTHON, runs } from '../support/tools.ts';

interface Kitchen {
  readonly program: string;
  /** Of the file. */
  readonly ending: string;
  /** Undefined when everything is there. */
  readonly missing: string | undefined;
  readonly replace?: Readonly<Record<string, string>>;
}

/** Where Debian has Guzzle, in place of Composer. */
const DEBIANS_GUZZLE = '/usr/share/php/GuzzleHttp/autoload.php';

const unless = (isThere: boolean, missing: string) => (isThere ? undefined : missing);
const php = (code: string, what: string): Kitchen => ({
  program: 'php',
  ending: 'php',
  missing: unless(runs('php', '-r', code), `no PHP with ${what}`),
});
const python = (what: string): Kitchen => ({
  program: PYTHON,
  ending: 'py',
  missing: unless(runs(PYTHON, '-c', `import ${what}`), `no Python with ${what}`),
});

const curl: Kitchen = {
  program: 'sh',
  ending: 'sh',
  missing: unless(runs('curl', '-V'), 'no curl'),
};

const REPEATED = 'A shell that tries again';

const KITCHENS: Readonly<Record<string, Kitchen>> = {
  'PHP with curl': php('exit(extension_loaded("curl") ? 0 : 1);', 'its curl extension'),
  'PHP with streams': php('exit(0);', 'its command line'),
  'PHP with Guzzle': {
    ...php(`require "${DEBIANS_GUZZLE}";`, 'Guzzle (php-guzzlehttp-guzzle)'),
    replace: { 'vendor/autoload.php': DEBIANS_GUZZLE },
  },
  'Python with requests': python('requests'),
  'Python with httpx': python('httpx'),
  Node: { program: process.execPath, ending: 'mjs', missing: undefined },
  'A shell': curl,
  [REPEATED]: curl,
};

async function cook(t: TestContext, name: string, controlUrl: string) {
  const { program, ending, replace = {} } = KITCHENS[name]!;
  const options = { controlUrl, name: `emit.${ending}`, replace };
  const file = fileOf(t, recipe('emit.md', name), options);
  let output = '';
  const client = runClient(t, [program, file], (text) => {
    output += text;
  });
  const code = await client.exited(30_000);
  return { code, output, all: output + client.stderr() };
}

test('recipes - every program that emits is run', () => {
  const names = recipesOf('emit.md').map(({ name }) => name);
  assert.deepEqual(
    names,
    Object.keys(KITCHENS),
    'one block under each heading, and a line for it here',
  );
});

for (const [name, { missing }] of Object.entries(KITCHENS)) {
  test(`recipes - ${name}: emits, and prints the id`, async (t) => {
    if (missing !== undefined) return leaveOut(t, missing);
    const running = await startServer(t);
    const stream = await openNews(t, running, '42');
    const { code, output, all } = await cook(t, name, running.controlUrl);
    assert.equal(code, 0, all);
    const { id, streams } = JSON.parse(output) as Record<string, unknown>;
    assert.equal(streams, 1);
    const { event, data, id: received } = await stream.next();
    assert.deepEqual([event, received, JSON.parse(data)], ['invoice', id, { paid: true }]);
  });

  test(`recipes - ${name}: fails with the reason`, async (t) => {
    if (missing !== undefined) return leaveOut(t, missing);
    const { controlUrl } = await startServer(t, ['-ctl-token', 'secret']);
    const { code, all } = await cook(t, name, controlUrl);
    assert.notEqual(code, 0, all);
    assert.match(all, /CONTROL_TOKEN_INVALID/);
  });
}

/** The last answer: curl prints the bodies of those that it tries again after, too. */
const lastOf = (output: string): Record<string, unknown> =>
  JSON.parse(output.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;

test(`recipes - ${REPEATED}: waits for tidings, and emits once`, async (t) => {
  if (curl.missing !== undefined) return leaveOut(t, curl.missing);
  const address = `127.0.0.1:${await freePort()}`;
  const away = http.createServer((_, res) => res.writeHead(503, { connection: 'close' }).end());
  away.listen(Number(address.split(':')[1]), '127.0.0.1');
  const asked = once(away, 'request');
  const early = cook(t, REPEATED, `http://${address}`);
  await asked;
  await new Promise((resolve) => away.close(resolve));
  const running = await startServer(t, ['-bindctl', address, ...TWO_THREADS]);
  const first = await early;
  assert.equal(first.code, 0, first.all);
  const second = await cook(t, REPEATED, running.controlUrl);
  const { id, duplicate } = lastOf(second.output);
  const { id: firstId } = lastOf(first.output);
  assert.deepEqual([id, duplicate], [firstId, true]);
  assert.match(String(id), /-1$/, 'there is one event');
});
