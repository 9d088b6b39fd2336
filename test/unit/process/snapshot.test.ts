/** The file between two processes: whatever is in it, it is taken whole or not at all. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Revocation } from '../../../src/hub/revocations.ts';
import { ChannelLog } from '../../../src/log/channel-log.ts';
import { type Dump, dumpEntries } from '../../../src/log/dump.ts';
import { Entry } from '../../../src/log/entry.ts';
import { MAX_EPOCHS } from '../../../src/log/lineage.ts';
import { removeSnapshot, setAside, writeSnapshot } from '../../../src/process/snapshot-file.ts';
import { MAX_HEAD, type Snapshot, UnusableSnapshot } from '../../../src/process/snapshot-format.ts';
import { type ReadOptions, readSnapshot } from '../../../src/process/snapshot-reader.ts';
import { newHub } from '../../support/hub.ts';
import { Random } from '../../support/prng.ts';

const SAMPLE = {
  epochs: [
    { epoch: 'old', head: 3 },
    { epoch: 'new', head: 9 },
  ],
  head: 9,
  evictedElsewhere: 1,
  evictions: [
    ['__proto__', null, 2],
    ['näws', 'ann', 3],
  ],
  entries: [
    { n: 3, to: null, channels: ['näws'], text: 'data: ä🙂\nid: old-3\n\n', age: 7.5 },
    { n: 4, to: 'ann', channels: ['näws', 'b'], text: 'data: \nid: new-4\n\n', age: 0 },
    { n: 9, to: ['ann', 'bob'], channels: ['b'], text: 'id: new-9\n\n', age: 0 },
  ],
} as const satisfies Dump;

const pathFor = (t: TestContext): string => {
  const folder = mkdtempSync(join(tmpdir(), 'tidings-unit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, 'log');
};

type Written = Dump & Partial<Snapshot>;

/** What the file holds, or undefined. */
function read(path: string, options: ReadOptions = {}): Written | undefined {
  let found: Written | undefined;
  const use = ({ keys, revocations: _, missedWebhooks: _missed, ...dump }: Snapshot) => {
    found = { ...dump, evictions: [...dump.evictions], entries: [...dump.entries] };
    if (keys !== undefined) found = { ...found, keys: { ...keys, keys: [...keys.keys] } };
  };
  readSnapshot(path, use, { now: () => 100, ...options });
  return found;
}

const isUnusable = (path: string, text: string | Buffer): void => {
  writeFileSync(path, text);
  assert.throws(() => read(path), UnusableSnapshot, String(text));
};

const sampleBytes = (path: string): Buffer => {
  writeSnapshot(path, SAMPLE, () => 100);
  return readFileSync(path);
};

test('snapshot - what is written is read, with blocks of any size', (t) => {
  const path = pathFor(t);
  assert.equal(read(path), undefined);
  const { length } = sampleBytes(path);
  for (let blockBytes = 1; blockBytes <= length + 1; blockBytes += 1)
    assert.deepEqual(read(path, { blockBytes }), SAMPLE);
});

test('snapshot - entries are older by the time between writing and reading', (t) => {
  const path = pathFor(t);
  sampleBytes(path);
  const agesAt = (time: number) => [...read(path, { now: () => time })!.entries].map((e) => e.age);
  assert.deepEqual(agesAt(105), [12.5, 5, 5]);
  assert.deepEqual(agesAt(50), [7.5, 0, 0], 'the clock was set back');
});

test('snapshot - cut short anywhere it is unusable', (t) => {
  const path = pathFor(t);
  const bytes = sampleBytes(path);
  for (let length = 0; length < bytes.length; length += 1)
    isUnusable(path, bytes.subarray(0, length));
  isUnusable(path, Buffer.concat([bytes, Buffer.from('\n')]));
  isUnusable(path, Buffer.concat([bytes, bytes]));
});

test('snapshot - with any byte changed it is unusable', (t) => {
  const path = pathFor(t);
  const bytes = sampleBytes(path);
  for (let at = 0; at < bytes.length; at += 1) {
    for (const mask of [0x01, 0x20, 0x80]) {
      const changed = Buffer.from(bytes);
      changed[at]! ^= mask;
      isUnusable(path, changed);
    }
  }
});

test('snapshot - random bytes are unusable', (t) => {
  const path = pathFor(t);
  const random = new Random();
  t.diagnostic(`seed ${random.seed}`);
  for (let i = 0; i < 100; i += 1)
    isUnusable(
      path,
      Buffer.from(Array.from({ length: random.below(300) }, () => random.below(256))),
    );
});

const FORMAT_1_HEAD = {
  format: 1,
  time: 90,
  epoch: 'old',
  head: 5,
  evictedThrough: { news: 2 },
  evictedElsewhere: 0,
};
const ENTRY = { n: 3, to: null, channels: ['news'], text: 'id: old-3\n\n', age: 1 };

const linesOf = (...values: unknown[]): string =>
  values.map((value) => `${JSON.stringify(value)}\n`).join('');

test('snapshot - revocations are kept, and a file of a version that knew of none is read', (t) => {
  const path = pathFor(t);
  const revocations: Revocation[] = [
    { kind: 'user', name: 'ann', issuedBefore: 5, until: 60 },
    { kind: 'token', name: '\ud83d', issuedBefore: 0, until: 70 },
  ];
  const seen: unknown[] = [];
  const read = () =>
    readSnapshot(path, (snapshot) => {
      seen.push(snapshot.revocations);
      for (const _ of snapshot.evictions);
      for (const _ of snapshot.entries);
    });
  writeSnapshot(path, { ...newHub().dump(), revocations });
  read();
  writeSnapshot(path, newHub().dump());
  read();
  assert.deepEqual(seen, [revocations, []]);
  for (const wrong of [[{ kind: 'user' }], [1], {}, [{ ...revocations[0], until: -1 }]]) {
    writeSnapshot(path, { ...newHub().dump(), revocations: wrong as Revocation[] });
    assert.throws(read, UnusableSnapshot);
  }
});

test('snapshot - format 1 is read', (t) => {
  const path = pathFor(t);
  writeFileSync(path, linesOf(FORMAT_1_HEAD, ENTRY, { ...ENTRY, n: 5 }, 2));
  assert.deepEqual(read(path), {
    epochs: [{ epoch: 'old', head: 5 }],
    head: 5,
    evictedElsewhere: 0,
    evictions: [['news', null, 2]],
    entries: [
      { ...ENTRY, age: 11 },
      { ...ENTRY, n: 5, age: 11 },
    ],
  });
  isUnusable(path, linesOf(FORMAT_1_HEAD, ENTRY, 2));
  isUnusable(path, linesOf(FORMAT_1_HEAD, ENTRY));
});

const CANNOT_BE: Record<string, readonly unknown[]> = {
  format: [undefined, 0, 4, '2', null],
  time: [undefined, -1, '0', null],
  epoch: [undefined, '', 'A', 'a-b', 'é', 7, 'a'.repeat(49), ['a']],
  head: [undefined, -1, 1.5, '5', 4, MAX_HEAD + 1, 2 ** 53 - 2, 1e300, null],
  evictedElsewhere: [undefined, -1, 6, 0.5, '0', null],
  missedWebhooks: [-1, 0.5, '0', null],
  evictedThrough: [undefined, null, [], 7, { news: 6 }, { news: '2' }, { '': 1 }, { 'a\n': 1 }],
};

const CANNOT_BE_ENTRY: Record<string, readonly unknown[]> = {
  n: [undefined, 0, -1, 6, 3.5, '3', 2 ** 53, null],
  to: [undefined, '', 7, [], ['ann', 'ann'], [''], ['ann', 7], {}, 'x'.repeat(257)],
  channels: [undefined, null, 'news', [], ['news', 'news'], [''], [null], ['a\u0000'], {}],
  text: [undefined, null, 7, '', 'id: old-3\n', 'data: x'],
  age: [undefined, null, -1, '1'],
};

test('snapshot - JSON of another shape is unusable', (t) => {
  const path = pathFor(t);
  for (const text of ['0\n', 'null\n', '[]\n', '{}\n', '"x"\n', '{"format":2}\n', '\n\n'])
    isUnusable(path, text);
  isUnusable(path, '{"format":1,"time":0,"epoch":"a","head":1}\n0\n');
  const last = { ...ENTRY, n: 5 };
  for (const [key, values] of Object.entries(CANNOT_BE))
    for (const value of values)
      isUnusable(path, linesOf({ ...FORMAT_1_HEAD, [key]: value }, ENTRY, last, 2));
  for (const [key, values] of Object.entries(CANNOT_BE_ENTRY))
    for (const value of values)
      isUnusable(path, linesOf(FORMAT_1_HEAD, { ...ENTRY, [key]: value }, 1));
  const tooOld = linesOf(FORMAT_1_HEAD, ENTRY, 1).replace('"age":1', '"age":1e999');
  isUnusable(path, tooOld);
});

test('snapshot - entries out of order, twice, or with something between are unusable', (t) => {
  const path = pathFor(t);
  isUnusable(path, linesOf(FORMAT_1_HEAD, ENTRY, ENTRY, 2));
  isUnusable(path, linesOf(FORMAT_1_HEAD, { ...ENTRY, n: 4 }, ENTRY, 2));
  isUnusable(path, linesOf(FORMAT_1_HEAD, ENTRY, ['news', null, 1], 2));
  isUnusable(path, linesOf(FORMAT_1_HEAD, ENTRY, null, 2));
});

/** Valid but for what is changed: with the right sum. */
const written = (path: string, change: object): void => {
  const dump = { ...SAMPLE, ...change } as Dump; // the wrong shapes are what is wanted
  writeSnapshot(path, dump, () => 100);
};

test('snapshot - epochs and evictions that cannot be are unusable, though the sum is right', (t) => {
  const path = pathFor(t);
  const epochs = (...heads: unknown[]) => ({ epochs: heads.map((head) => ({ epoch: 'e', head })) });
  const many = epochs(...Array.from({ length: MAX_EPOCHS + 1 }, () => 1));
  for (const change of [
    ...[{ epochs: undefined }, { epochs: [] }, { epochs: {} }, { epochs: ['e'] }],
    ...[epochs(10), epochs(3, 2), epochs('3'), epochs(-1), epochs(undefined), many],
    { evictions: [['news', null, 10]] },
    { evictions: [['news', null, 1, 1]] },
    { evictions: [['news', null]] },
    { evictions: [['news', '', 1]] },
    { evictions: [['', null, 1]] },
    { evictions: [[]] },
  ]) {
    written(path, change);
    assert.throws(() => read(path), UnusableSnapshot, JSON.stringify(change));
  }
});

const KEYS = {
  ages: { young: 1, old: 700.5, known: 700.5 },
  keys: [
    { key: 'inv-881', isOld: false, fingerprint: -(2 ** 31), n: 9 },
    {
      key: 'upload',
      isOld: true,
      runs: [
        [1, 2, 4],
        [17, 1, 3],
      ],
      fingerprints: [1, -2, 3],
    },
  ],
} as const;

test('snapshot - keys of emits are read as they were written, and are older by then', (t) => {
  const path = pathFor(t);
  writeSnapshot(path, { ...SAMPLE, keys: KEYS }, () => 90);
  const ages = { young: 11, old: 710.5, known: 710.5 };
  for (const blockBytes of [1, 7, 100, 100_000])
    assert.deepEqual(read(path, { blockBytes }), {
      ...SAMPLE,
      entries: SAMPLE.entries.map((entry) => ({ ...entry, age: entry.age + 10 })),
      keys: { ...KEYS, ages },
    });
});

test('snapshot - format 2, which has no keys, is read', (t) => {
  const path = pathFor(t);
  const lines = sampleBytes(path).toString().split('\n').slice(0, -2);
  const text = `${lines.join('\n').replace('"format":3', '"format":2')}\n`;
  const sha256 = createHash('sha256').update(text).digest('hex');
  writeFileSync(path, `${text}${JSON.stringify({ sha256 })}\n`);
  assert.deepEqual(read(path), SAMPLE);
});

test('snapshot - keys that cannot be are unusable, though the sum is right', (t) => {
  const path = pathFor(t);
  const [single, upload] = KEYS.keys;
  for (const key of [
    ...[
      { ...single, n: 0 },
      { ...single, n: 10 },
      { ...single, isOld: 1 },
      { ...single, key: 7 },
    ],
    ...[
      { ...single, fingerprint: 2 ** 31 },
      { ...single, fingerprint: undefined },
    ],
    ...[[[1, 2, 4]], [[0, 2, 4]], [[1, 3, 8]], [[1, 3]], {}, [[1, 3, 4, 1]], [1]].map((runs) => ({
      ...upload,
      runs,
    })),
    { ...upload, fingerprints: [1, 2, 'x'] },
  ]) {
    written(path, { keys: { ...KEYS, keys: [key] } });
    assert.throws(() => read(path), UnusableSnapshot, JSON.stringify(key));
  }
  written(path, { keys: { ages: { young: -1, old: 0, known: 0 }, keys: [] } });
  assert.throws(() => read(path), UnusableSnapshot);
  written(path, { keys: { ...KEYS, keys: [single, SAMPLE.entries[0]] } });
  assert.throws(() => read(path), UnusableSnapshot, 'an entry behind a key');
});

test('snapshot - what nobody asks for is a snapshot that is not used', (t) => {
  const path = pathFor(t);
  sampleBytes(path);
  assert.throws(() => readSnapshot(path, () => {}), UnusableSnapshot);
});

test('snapshot - when it cannot be written whole, nothing of it is left and the old one stays', (t) => {
  const path = pathFor(t);
  writeFileSync(path, 'old');
  function* failing() {
    yield SAMPLE.entries[0];
    throw new Error('in the middle');
  }
  assert.throws(() => writeSnapshot(path, { ...SAMPLE, entries: failing() }), /in the middle/);
  assert.deepEqual(readdirSync(dirname(path)), ['log']);
  assert.equal(readFileSync(path, 'utf8'), 'old');
});

test('snapshot - what is set aside takes the place of nothing', (t) => {
  const path = pathFor(t);
  const names = ['a', 'b', 'c'].map((text) => {
    writeFileSync(path, text);
    return setAside(path);
  });
  assert.deepEqual(names, [`${path}.unusable`, `${path}.unusable.1`, `${path}.unusable.2`]);
  assert.deepEqual(
    names.map((name) => readFileSync(name, 'utf8')),
    ['a', 'b', 'c'],
  );
  removeSnapshot(path); // there is none
});

test('snapshot - entries of several channels come once, in order, one text at a time', () => {
  const entry = (n: number, to?: Entry['to']): Entry =>
    new Entry({ n, to, bytes: Buffer.from(`<${n}>`) }, 10 - n);
  const [a, b] = [new ChannelLog(), new ChannelLog()];
  const shared = entry(2, new Set(['ann', 'bob']));
  for (const each of [entry(1), shared, entry(5, 'ann')]) a.append(each);
  for (const each of [shared, entry(4)]) b.append(each);
  const channels = [
    { name: 'a', log: a },
    { name: 'b', log: b },
  ];
  assert.deepEqual(
    [...dumpEntries(channels, 20)],
    [
      { n: 1, to: null, channels: ['a'], text: '<1>', age: 11 },
      { n: 2, to: ['ann', 'bob'], channels: ['a', 'b'], text: '<2>', age: 12 },
      { n: 4, to: null, channels: ['b'], text: '<4>', age: 14 },
      { n: 5, to: 'ann', channels: ['a'], text: '<5>', age: 15 },
    ],
  );
});
