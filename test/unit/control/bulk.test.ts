/** Lines that are emitted while the body still comes: how fast they are taken, and what is told of them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bulk, type BulkOptions, MAX_PENDING_BYTES } from '../../../src/control/bulk.ts';
import { BulkReport } from '../../../src/control/bulk-report.ts';
import type { TextLine } from '../../../src/control/lines.ts';
import { type ErrorCode, TidingsError } from '../../../src/errors.ts';
import { BodyPieces } from '../../../src/http/body-pieces.ts';
import { Counts } from '../../../src/hub/counts.ts';
import type { Published } from '../../../src/publish/publisher.ts';
import { Random } from '../../support/prng.ts';
import { eventually } from '../../support/wait.ts';

const RES = { pause: () => {}, resume: () => {} };

const bufferOf = (bytes: Buffer): ArrayBuffer =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;

type TakeOptions = Partial<Omit<BulkOptions, 'emit'>> & {
  readonly emit?: (text: string, line: number) => Published | Promise<Published>;
};

/** Takes a body that has come already; `text` numbers the events that were emitted. */
async function take(body: string | readonly Buffer[], { emit: own, ...options }: TakeOptions = {}) {
  const pieces = new BodyPieces(RES, { silenceMs: undefined });
  const emitted: string[] = [];
  const note = (text: string): Published => {
    emitted.push(text);
    return { id: `e-${emitted.length}`, streams: 1 };
  };
  const emit = ({ text, number }: TextLine) => (own ?? note)(text, number);
  const report = new BulkReport(new Counts([]));
  const bulk = new Bulk({ maxLineBytes: 1_000, pendingBytes: () => 0, emit, report, ...options });
  const answer = bulk.run(pieces);
  for (const piece of typeof body === 'string' ? [Buffer.from(body)] : body)
    pieces.push(bufferOf(piece));
  pieces.end();
  const { status, body: told = '', closes, headers } = await answer;
  return { status, told: JSON.parse(told), emitted, closes, headers };
}

const fails = (code: ErrorCode): never => {
  throw new TidingsError(code, `${code}, said`);
};

test('bulk - 200 only when nothing failed, 207 by number when something did, 400 when nothing was taken', async () => {
  const emit = (text: string, line: number): Published => {
    if (text === 'bad') fails('FIELD_INVALID');
    return { id: `e-${line}`, streams: 2 };
  };
  const whole = await take('a\nb\n\nc\n', { emit });
  assert.equal(whole.status, 200);
  const counts = { accepted: 3, duplicates: 0, failed: 0, truncated: false, streams: 6 };
  assert.deepEqual(whole.told, { ...counts, first: 'e-1', last: 'e-4' });
  const partly = await take('bad\nb\nbad\nc\n', { emit });
  assert.equal(partly.status, 207);
  assert.deepEqual(partly.told, {
    accepted: 2,
    duplicates: 0,
    failed: 2,
    truncated: false,
    streams: 4,
    first: 'e-2',
    last: 'e-4',
    errors: [
      { line: 1, error: 'FIELD_INVALID', message: 'FIELD_INVALID, said' },
      { line: 3, error: 'FIELD_INVALID', message: 'FIELD_INVALID, said' },
    ],
  });
  const none = await take('bad\nbad\n', { emit });
  assert.equal(none.status, 400);
  assert.deepEqual([none.told.error, none.told.failed], ['FIELD_INVALID', 2]);
  for (const empty of ['', '\n', '\r\n \n']) {
    const { status, told } = await take(empty, { emit });
    assert.deepEqual([status, told.error, told.accepted], [400, 'BODY_MALFORMED', 0]);
    assert.match(told.message, /one JSON object a line/);
  }
});

test('bulk - all failures are counted, the first 100 told', async () => {
  const { told } = await take('x\n'.repeat(250), { emit: () => fails('FIELD_MISSING') });
  assert.equal(told.failed, 250);
  const lines = told.errors.map(({ line }: { line: number }) => line);
  assert.deepEqual(
    lines,
    Array.from({ length: 100 }, (_, i) => i + 1),
  );
});

test('bulk - an unfinished last line is not applied, and said; a whole object needs no line end', async () => {
  for (const cut of ['{"a', '{', '{"a":1', '{"a":"\xc3']) {
    const { status, told, emitted } = await take([
      Buffer.from('{"a":1}\n'),
      Buffer.from(cut, 'latin1'),
    ]);
    assert.deepEqual([status, told.accepted, told.failed, told.truncated], [207, 1, 0, true], cut);
    assert.deepEqual(emitted, ['{"a":1}']);
  }
  const { status, told } = await take('{"a":1}\n{"a":2}');
  assert.deepEqual([status, told.accepted, told.truncated], [200, 2, false]);
  assert.equal((await take('{"a')).status, 400);
});

test('bulk - any split of the body gives the same answer', async () => {
  const random = new Random();
  const emit = (text: string, line: number): Published => {
    if (text.includes('7')) fails('FIELD_INVALID');
    return { id: `e-${line}`, streams: line };
  };
  const body = Buffer.from(
    `${Array.from({ length: 300 }, (_, i) => `{"ä":${i}}${i % 5 === 0 ? '\r' : ''}\n`).join('')}{"€`,
  );
  const whole = await take([body], { emit });
  assert.equal(whole.status, 207);
  for (let round = 0; round < 50; round += 1) {
    const most = round === 0 ? 1 : 1 + random.below(round < 25 ? 30 : 1_000);
    const pieces: Buffer[] = [];
    for (let at = 0; at < body.length; at += pieces.at(-1)!.length)
      pieces.push(body.subarray(at, at + 1 + random.below(most)));
    const { status, told } = await take(pieces, { emit });
    assert.deepEqual([status, told], [whole.status, whole.told], `seed ${random.seed}, ${round}`);
  }
});

test('bulk - hundreds of thousands of lines leave the event loop to others between slices', async () => {
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const pieces = Array.from({ length: 20 }, () => Buffer.from('{}\n'.repeat(20_000)));
  const { told } = await take(pieces);
  isOver = true;
  assert.equal(told.accepted, 400_000);
  assert.ok(turns > 20, `${turns} turns`);
});

test('bulk - no line is taken while streams have much before them', async () => {
  let pending = MAX_PENDING_BYTES + 1;
  let emitted = 0;
  const taking = take('{}\n'.repeat(100), {
    pendingBytes: () => pending,
    emit: () => {
      emitted += 1;
      return { id: 'e-1', streams: 0 };
    },
  });
  for (let turn = 0; turn < 20; turn += 1) await new Promise(setImmediate);
  assert.ok(emitted <= 16, `${emitted} were emitted`);
  pending = 0;
  assert.equal((await taking).told.accepted, 100);
});

test('bulk - nor when each line comes in a piece of its own', async () => {
  let pending = 0;
  let emitted = 0;
  const pieces = new BodyPieces(RES, { silenceMs: undefined });
  const emit = () => {
    emitted += 1;
    pending = MAX_PENDING_BYTES + 1; // the first fills it
    return { id: 'e-1', streams: 0 };
  };
  const report = new BulkReport(new Counts([]));
  const bulk = new Bulk({ maxLineBytes: 1_000, pendingBytes: () => pending, emit, report });
  const answer = bulk.run(pieces);
  for (let i = 0; i < 50; i += 1) {
    pieces.push(bufferOf(Buffer.from('{}\n')));
    await new Promise(setImmediate);
  }
  pieces.end();
  assert.equal(emitted, 1);
  pending = 0;
  const again = setInterval(() => (pending = 0), 1);
  assert.equal((await answer).status, 200);
  clearInterval(again);
  assert.equal(emitted, 50);
});

test('bulk - what ended it is the status, whatever was wrong with lines before', async () => {
  const emit = (text: string): Published => fails(text === 'a' ? 'FIELD_INVALID' : 'DRAINING');
  const { status, headers } = await take('a\nb\n', { emit });
  assert.equal(status, 503);
  assert.ok(headers?.some(([name]) => name === 'Retry-After'));
});

test('bulk - a line waits for room and does not fail; the order stays', async () => {
  let refusals = 3;
  const seen: number[] = [];
  const emit = (_: string, line: number): Published => {
    if (line === 2 && refusals > 0) {
      refusals -= 1;
      fails('MEMORY_FULL');
    }
    seen.push(line);
    return { id: `e-${line}`, streams: 0 };
  };
  const { status } = await take('a\nb\nc\n', { emit });
  assert.deepEqual([status, seen, refusals], [200, [1, 2, 3], 0]);
});

test('bulk - a server that leaves takes no further line, and says how far it came', async () => {
  const emit = (_: string, line: number): Published =>
    line >= 3 ? fails('DRAINING') : { id: `e-${line}`, streams: 0 };
  const { status, told, closes } = await take('a\nb\nc\nd\n', { emit });
  assert.deepEqual([status, told.accepted, told.failed, told.truncated], [207, 2, 1, true]);
  assert.deepEqual(told.errors, [{ line: 3, error: 'DRAINING', message: 'DRAINING, said' }]);
  assert.equal(closes, true);
  const none = await take('a\n', { emit: () => fails('DRAINING') });
  assert.deepEqual([none.status, none.told.error], [503, 'DRAINING']);
  assert.ok(none.headers?.some(([name]) => name === 'Retry-After'));
});

test('bulk - with a publisher that answers later only so many events are on their way', async () => {
  const waiting: (() => void)[] = [];
  let most = 0;
  const emit = (text: string, line: number): Promise<Published> =>
    new Promise((resolve, reject) => {
      waiting.push(() =>
        text === 'bad'
          ? reject(new TidingsError('FIELD_INVALID', 'no'))
          : resolve({ id: `e-${line}`, streams: 1 }),
      );
      most = Math.max(most, waiting.length);
    });
  const taking = take(`bad\n${'x\n'.repeat(9_998)}bad\n`, { emit });
  let answered = 0;
  await eventually(() => {
    for (const answer of waiting.splice(0).reverse()) {
      answer();
      answered += 1;
    }
    return answered === 10_000;
  });
  const { status, told } = await taking;
  assert.deepEqual([status, told.accepted, told.failed, told.streams], [207, 9_998, 2, 9_998]);
  assert.deepEqual([told.first, told.last], ['e-2', 'e-9999']);
  assert.deepEqual(
    told.errors.map(({ line }: { line: number }) => line),
    [1, 10_000],
  );
  assert.ok(most <= 4_096 && most > 1_000, `${most} at once`);
});

test('bulk - a bug is no failure of a line: it becomes the answer of a bug', async () => {
  const emit = (): never => {
    throw new RangeError('a bug');
  };
  await assert.rejects(take('a\n', { emit }), RangeError);
  await assert.rejects(
    take('a\n', { emit: () => Promise.reject(new RangeError('x')) }),
    RangeError,
  );
});
