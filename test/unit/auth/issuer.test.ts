/** When an issuer is asked for its keys, and what is done with what it says. */
import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import {
  Issuer,
  type IssuerOptions,
  MAX_ABSENT,
  WITHDRAWN_WITHIN_MS,
} from '../../../src/auth/issuer.ts';
import { createLogger } from '../../../src/logger.ts';
import { type IssuerServer, newKey, publish, startIssuer } from '../../support/issuer.ts';
import type { Owner } from '../../support/sse-client.ts';
import { eventually } from '../../support/wait.ts';

const [one, two] = [newKey('one'), newKey('two', 'ES256')];

/** Asks every hour, unless the test says otherwise. */
function ask(t: Owner, server: Pick<IssuerServer, 'url'>, options: Partial<IssuerOptions> = {}) {
  const log: Record<string, unknown>[] = [];
  const write = (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>);
  const used: string[] = [];
  const issuer = new Issuer({
    url: server.url,
    logger: createLogger('debug', { write }),
    changed: (keys) => void used.push(keys.map(({ kid }) => kid).join()),
    refreshMs: 3_600_000,
    retryMs: 3_600_000,
    pauseMs: 0,
    ...options,
  });
  t.after(() => issuer.close());
  issuer.start();
  const faults = () => log.filter((line) => 'fault' in line);
  return { issuer, log, used, faults };
}

test('issuer - a thousand tokens of an unknown key cause one request', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server, { pauseMs: 3_600_000 });
  await eventually(() => used.length === 1);
  const soon = await Promise.all(Array.from({ length: 1_000 }, () => issuer.lookUp('new')));
  assert.deepEqual([new Set(soon), server.count], [new Set(['unsure']), 1], 'asked a moment ago');

  const late = ask(t, server);
  await eventually(() => late.used.length === 1);
  const before = server.count;
  const known = await Promise.all(Array.from({ length: 1_000 }, () => late.issuer.lookUp('new')));
  assert.deepEqual([new Set(known), server.count - before], [new Set(['absent']), 1]);
});

test('issuer - so many names are remembered as absent, and further ones are not sure', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server, { pauseMs: 3_600_000, refreshMs: 50 });
  await eventually(() => used.length === 1);
  let answer = () => {};
  server.answer = (res) => {
    answer = () => res.end(JSON.stringify(publish(one)));
  };
  const before = server.count;
  await eventually(() => server.count > before, { what: 'a refresh' });
  const names = Array.from({ length: MAX_ABSENT + 1 }, (_, i) => `new-${i}`);
  const all = Promise.all(names.map((name) => issuer.lookUp(name)));
  answer();
  await eventually(() => server.count === before + 2, { what: 'the further look' });
  answer();
  assert.deepEqual(new Set(await all), new Set(['absent']));
  const again = [issuer.lookUp(names[MAX_ABSENT - 1]), issuer.lookUp(names[MAX_ABSENT])];
  assert.deepEqual(await Promise.all(again), ['absent', 'unsure']);
});

/** A refresh is under way. It is answered with one key by the first of `answers`, what is asked then by the next. */
async function refreshing(t: Owner) {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server, { pauseMs: 3_600_000, refreshMs: 50 });
  await eventually(() => used.length === 1);
  const answers: (() => void)[] = [];
  server.answer = (res) => void answers.push(() => res.end(JSON.stringify(publish(one))));
  await eventually(() => answers.length === 1, { what: 'a refresh' });
  return { server, issuer, used, answers };
}

// An answer that was made before the key was there says nothing of it.
test('issuer - a token that finds a request under way is not refused by an answer from before', async (t) => {
  const { server, issuer, used, answers } = await refreshing(t);
  const known = Array.from({ length: 1_000 }, () => issuer.lookUp('two'));
  server.publish(publish(one, two));
  answers[0]?.();
  assert.deepEqual(new Set(await Promise.all(known)), new Set(['known']));
  assert.deepEqual(used, ['one', 'one,two']);
});

test('issuer - behind a request under way there is one more, and behind that none', async (t) => {
  const { issuer, answers } = await refreshing(t);
  const first = Array.from({ length: 1_000 }, () => issuer.lookUp('new'));
  answers[0]?.();
  await eventually(() => answers.length === 2, { what: 'one more' });
  const later = [issuer.lookUp('new'), issuer.lookUp('other')];
  answers[1]?.();
  assert.deepEqual(new Set(await Promise.all(first)), new Set(['absent']));
  assert.deepEqual(new Set(await Promise.all(later)), new Set(['absent', 'unsure']));
  assert.equal(answers.length, 2);
});

test('issuer - within the pause what was absent stays absent, and others are not sure', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer } = ask(t, server, { pauseMs: 3_600_000 });
  assert.equal(await issuer.lookUp('new'), 'absent', 'waits for the request that has just begun');
  assert.deepEqual(await Promise.all([issuer.lookUp('new'), issuer.lookUp('other')]), [
    'absent',
    'unsure',
  ]);
  assert.deepEqual(
    [await issuer.lookUp('one'), await issuer.lookUp(undefined)],
    ['known', 'known'],
  );
  assert.equal(server.count, 1);
});

test('issuer - what was absent is not sure any more once a newer set is there', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer } = ask(t, server, { pauseMs: 3_600_000, refreshMs: 50 });
  assert.equal(await issuer.lookUp('new'), 'absent');
  // It may have come right behind that set.
  await eventually(async () => (await issuer.lookUp('new')) === 'unsure');
});

test('issuer - a new key is found when a token names it, a withdrawn one goes with the next answer', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server);
  await eventually(() => used.length === 1);
  server.publish(publish(two));
  assert.equal(await issuer.lookUp('two'), 'known');
  assert.deepEqual(used, ['one', 'two']);
  assert.equal(await issuer.lookUp('one'), 'absent');
});

test('issuer - a key that is withdrawn is gone after the next refresh, without any token', async (t) => {
  assert.equal(WITHDRAWN_WITHIN_MS, 300_000, 'docs/reference.md says five minutes');
  const server = await startIssuer(t, publish(one, two));
  const { used } = ask(t, server, { refreshMs: 5 });
  await eventually(() => server.count > 2);
  assert.deepEqual(used, ['one,two'], 'told of changes only');
  server.publish(publish(two));
  await eventually(() => used.length === 2);
  assert.deepEqual(used, ['one,two', 'two']);
});

test('issuer - when it is down its keys stay in use, nothing is absent, and it is told once', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used, log, faults } = ask(t, server, { refreshMs: 5, retryMs: 5 });
  await eventually(() => used.length === 1);
  server.fail(502);
  await eventually(() => faults().length > 3);
  assert.deepEqual([await issuer.lookUp('one'), await issuer.lookUp('new')], ['known', 'unsure']);
  assert.deepEqual(
    faults()
      .map(({ level }) => level)
      .slice(0, 3),
    [40, 20, 20],
  );
  assert.match(String(faults()[0]!['fault']), /^the answer was 502$/);
  server.publish(publish(one));
  await eventually(() => log.some(({ msg }) => /again$/.test(String(msg))));
  assert.deepEqual(used, ['one']);
});

test('issuer - keys of one that is down for too long are given up, until it is back', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server, { refreshMs: 5, retryMs: 5, keepMs: 50 });
  await eventually(() => used.length === 1);
  server.fail();
  await eventually(() => used.length === 2);
  assert.deepEqual([used, await issuer.lookUp('one')], [['one', ''], 'unsure']);
  server.publish(publish(one));
  await eventually(() => used.length === 3);
});

test('issuer - a set without keys is taken at its word, and leaves everybody unsure', async (t) => {
  const server = await startIssuer(t, publish(one));
  const { issuer, used } = ask(t, server, { refreshMs: 5 });
  await eventually(() => used.length === 1);
  server.publish({ keys: [] });
  await eventually(() => used.length === 2);
  assert.deepEqual(
    [await issuer.lookUp('one'), await issuer.lookUp(undefined)],
    ['unsure', 'unsure'],
  );
});

const BAD: Record<string, [act: (server: IssuerServer) => void, fault: RegExp]> = {
  garbage: [(server) => server.publish('<html>'), /no key set/],
  'another document': [(server) => server.publish({ jwks_uri: 'x' }), /no key set/],
  'a redirect': [(server) => server.fail(302), /302, and redirects are not followed/],
  'not modified': [(server) => server.fail(304), /304/],
  'not found': [(server) => server.fail(404), /404/],
  'no content': [(server) => server.fail(204), /204/],
  'half an answer': [
    (server) => {
      server.answer = (res) => {
        res.writeHead(200, { 'content-length': 100 }).write('{');
        res.socket?.destroySoon();
      };
    },
    /UND_ERR_SOCKET|terminated|closed/,
  ],
  'a huge answer': [
    (server) => server.publish(`{"keys":[${' '.repeat(600_000)}]}`),
    /larger than 524288 bytes/,
  ],
  'an answer without an end': [
    (server) => {
      server.answer = (res) => {
        const more = (error?: Error | null) => {
          if (!error && !res.destroyed) res.write(' '.repeat(65_536), more);
        };
        more();
      };
    },
    /larger than 524288 bytes/,
  ],
  'a small answer that is huge when unpacked': [
    (server) => {
      const packed = gzipSync(' '.repeat(50_000_000));
      server.answer = (res) => res.setHeader('content-encoding', 'gzip').end(packed);
    },
    /larger than 524288 bytes/,
  ],
};

for (const [name, [act, fault]] of Object.entries(BAD))
  test(`issuer - ${name} is a fault, and the keys stay`, async (t) => {
    const server = await startIssuer(t, publish(one));
    const { issuer, used, faults } = ask(t, server);
    await eventually(() => used.length === 1);
    act(server);
    assert.equal(await issuer.lookUp('new'), 'unsure');
    assert.match(String(faults()[0]!['fault']), fault);
    assert.deepEqual(used, ['one']);
  });

test('issuer - nobody there, or one that never answers, is a fault in time', async (t) => {
  const silent = createServer();
  silent.listen(0, '127.0.0.1');
  await eventually(() => silent.listening);
  const { port } = silent.address() as { port: number };
  t.after(() => void silent.close());
  silent.on('connection', (socket) => t.after(() => void socket.destroy()));
  const { issuer, faults } = ask(t, { url: `http://127.0.0.1:${port}/` });
  const known = issuer.lookUp('one');
  await eventually(() => faults().length === 1, { withinMs: 15_000 });
  assert.match(String(faults()[0]!['fault']), /no whole answer came within 5000 ms/);
  assert.equal(await known, 'unsure');

  const gone = ask(t, { url: 'http://127.0.0.1:1/' });
  await eventually(() => gone.faults().length === 1);
  assert.match(String(gone.faults()[0]!['fault']), /ECONNREFUSED|bad port/);
});

test('issuer - one that drips for ever is a fault in time', async (t) => {
  const server = await startIssuer(t, publish(one));
  server.answer = (res) => {
    const drip = setInterval(() => res.write(' '), 20);
    res.on('close', () => clearInterval(drip));
  };
  const { faults } = ask(t, server);
  await eventually(() => faults().length === 1, { withinMs: 15_000 });
  assert.match(String(faults()[0]!['fault']), /no whole answer came within 5000 ms/);
});

test('issuer - closed while it is asked, it says nothing and asks no more', async (t) => {
  const server = await startIssuer(t, publish(one));
  server.answer = () => {};
  const { issuer, used, log } = ask(t, server, { retryMs: 1 });
  const known = issuer.lookUp('one');
  await eventually(() => server.count === 1);
  issuer.close();
  assert.equal(await known, 'unsure');
  assert.deepEqual([used, log], [[], []]);
});
