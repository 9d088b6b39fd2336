import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ClaimPath,
  claimsWith,
  overlap,
  parseClaimPath,
  valueAt,
} from '../../../src/auth/claim-path.ts';
import { Random } from '../../support/prng.ts';

const path = (text: string): ClaimPath => {
  const parsed = parseClaimPath(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
};

// RFC 6901, section 5, but for the pointer to the whole document.
const DOCUMENT = {
  foo: ['bar', 'baz'],
  '': 0,
  'a/b': 1,
  'c%d': 2,
  'e^f': 3,
  'g|h': 4,
  'i\\j': 5,
  'k"l': 6,
  ' ': 7,
  'm~n': 8,
};

test('claim path - the examples of RFC 6901', () => {
  const expected: [string, unknown][] = [
    ['/foo', ['bar', 'baz']],
    ['/foo/0', 'bar'],
    ['/', 0],
    ['/a~1b', 1],
    ['/c%d', 2],
    ['/e^f', 3],
    ['/g|h', 4],
    ['/i\\j', 5],
    ['/k"l', 6],
    ['/ ', 7],
    ['/m~0n', 8],
  ];
  for (const [pointer, value] of expected)
    assert.deepEqual(valueAt(DOCUMENT, path(pointer)), value, pointer);
});

test('claim path - a name is taken as it is, with dots, slashes inside, colons and tildes', () => {
  for (const name of ['sub', 'https://app.example/channels', 'a.b', 'a/b', 'm~n', '~2', 'é', '0'])
    assert.equal(valueAt({ [name]: 'x' }, path(name)), 'x', name);
  assert.equal(valueAt({ a: { b: 'x' } }, path('a.b')), undefined);
});

test('claim path - ~01 is ~1, and a ~ that escapes nothing is no pointer', () => {
  assert.deepEqual(path('/~01').steps, ['~1']);
  for (const bad of ['/~', '/~2', '/a~', '/a/~x/b']) assert.equal(parseClaimPath(bad), undefined);
});

test('claim path - nothing that is inherited, no length, no character, no odd index', () => {
  const claims = JSON.parse('{"list":["x"],"text":"abc","none":null,"n":1}') as object;
  for (const text of [
    'constructor',
    'toString',
    '__proto__',
    '/__proto__/toString',
    '/constructor/name',
    '/list/length',
    '/list/-',
    '/list/00',
    '/list/+0',
    '/list/1',
    '/list/map',
    '/text/0',
    '/text/length',
    '/none/x',
    '/n/toFixed',
  ])
    assert.equal(valueAt(claims as Record<string, unknown>, path(text)), undefined, text);
});

test('claim path - what is put somewhere is found there, through JSON, whatever the names', () => {
  const random = new Random();
  const names = ['a', 'b', '', '0', '-', '~', '/', '~1', 'a/b', '__proto__', 'constructor', 'é.x'];
  const escaped = (step: string) => step.replaceAll('~', '~0').replaceAll('/', '~1');
  const any = () =>
    path(
      `/${Array.from({ length: 1 + random.below(4) }, () => escaped(random.pick(names))).join('/')}`,
    );
  for (let i = 0; i < 2_000; i += 1) {
    const [user, channel] = [any(), any()];
    const isPrefix = (a: ClaimPath, b: ClaimPath) => `${b.text}/`.startsWith(`${a.text}/`);
    const expected = isPrefix(user, channel) || isPrefix(channel, user);
    const what = `seed ${random.seed}: ${user.text} ${channel.text}`;
    assert.equal(overlap(user, channel), expected, what);
    if (expected) continue;
    const text = JSON.stringify(
      claimsWith([
        [user, 'ann'],
        [channel, ['x', 'y']],
      ]),
    );
    const claims = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([valueAt(claims, user), valueAt(claims, channel)], ['ann', ['x', 'y']], what);
    assert.equal(({} as Record<string, unknown>)['a'], undefined, 'no prototype was written to');
  }
});
