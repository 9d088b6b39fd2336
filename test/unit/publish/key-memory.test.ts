/** Keys of emits: how long they are known, what they take, and which go first. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyMemory } from '../../../src/publish/key-memory.ts';
import { Upload } from '../../../src/publish/upload.ts';

function start(budgetBytes = 1_000_000) {
  const clock = { now: 0 };
  const memory = new KeyMemory({ seconds: 600, budgetBytes, now: () => clock.now });
  const told: number[] = [];
  memory.tellBytes((bytes) => told.push(bytes));
  return { clock, memory, told };
}

const done = { fingerprint: 1, n: 7 };

test('key memory - a key is known for its time from its last use, and not forever', () => {
  const { clock, memory } = start();
  memory.set('a', done);
  for (let i = 0; i < 20; i += 1) {
    clock.now += 599;
    memory.set(`other-${i}`, done);
    assert.equal(memory.use('a'), done, `after ${clock.now} seconds`);
  }
  clock.now += 1_200;
  assert.equal(memory.use('a'), undefined);
  assert.equal(memory.bytes, 0);
  assert.equal(memory.reachSeconds, 600, 'what was used before is forgotten');
});

test('key memory - whatever the times between uses, none within the time is forgotten', () => {
  const { clock, memory } = start();
  const used = new Map<string, number>();
  for (let i = 0; i < 3_000; i += 1) {
    clock.now += (i * 7_919) % 97;
    const name = `k${(i * 31) % 40}`;
    const last = used.get(name);
    if (last !== undefined && clock.now - last <= 600) assert.equal(memory.use(name), done, name);
    else memory.set(name, done);
    used.set(name, clock.now);
  }
});

test('key memory - a new server says so until its time has passed', () => {
  const { clock, memory } = start();
  assert.equal(memory.shortWindow, 'reset');
  clock.now = 599;
  assert.equal(memory.shortWindow, 'reset');
  clock.now = 601;
  memory.set('a', done);
  assert.equal(memory.shortWindow, undefined);
  clock.now = 10_000;
  memory.set('b', done);
  assert.equal(memory.shortWindow, undefined, 'nothing was forgotten too early');
});

test('key memory - within its budget, by forgetting what was not used for longest, which is told', () => {
  const { clock, memory, told } = start(100_000);
  clock.now = 10_000;
  memory.set('first', done);
  for (let i = 0; i < 5_000; i += 1) {
    memory.set(`key-${i}`, done);
    assert.ok(memory.bytes <= 101_000, `${memory.bytes}`);
    memory.use('kept');
    if (i === 0) memory.set('kept', done);
  }
  assert.equal(memory.use('first'), undefined);
  assert.equal(memory.use('kept'), done, 'it was used all the time');
  assert.equal(memory.use('key-4999'), done);
  assert.equal(memory.shortWindow, 'short');
  assert.ok(memory.reachSeconds < 600);
  assert.equal(told.at(-1), memory.bytes);
});

test('key memory - another one goes on from what it is told', () => {
  const { clock, memory } = start();
  const upload = new Upload();
  for (let line = 1; line <= 5; line += 1) upload.set(line, { fingerprint: line, n: line + 10 });
  upload.set(7, { fingerprint: 7, n: 3 });
  upload.await(9, { fingerprint: 7, n: 0, published: Promise.resolve({ id: 'e-1', streams: 0 }) });
  memory.set('old', done);
  clock.now = 650;
  memory.set('upload', upload);
  memory.use('nothing');
  const dump = memory.dump();
  const other = start();
  other.memory.restore({ ...dump, keys: JSON.parse(JSON.stringify([...dump.keys])) });
  assert.equal(other.memory.shortWindow, undefined);
  const { fingerprint, n } = other.memory.use('old') as typeof done;
  assert.deepEqual({ fingerprint, n }, done);
  const taken = other.memory.use('upload') as Upload;
  assert.deepEqual(taken.runs, upload.runs);
  assert.deepEqual(taken.get(7), { fingerprint: 7, n: 3 });
  assert.equal(taken.get(9), undefined);
  assert.equal(other.memory.bytes, memory.bytes);
});
