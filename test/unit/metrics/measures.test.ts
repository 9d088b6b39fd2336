/** What a hub counts and times, how that of several adds up, and how large it is as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Histogram, TIME_BOUNDS } from '../../../src/hub/histogram.ts';
import { Lots, MAX_LOTS } from '../../../src/hub/lots.ts';
import { type Measures, measuresOf, mergeMeasures } from '../../../src/hub/measures.ts';
import { CATALOGUE } from '../../../src/metrics/catalogue.ts';
import { render } from '../../../src/metrics/render.ts';
import { FakeSink } from '../../support/fake-sink.ts';
import { append, newHub } from '../../support/hub.ts';
import { samplesOf } from '../../support/metrics.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

const open = (hub: ReturnType<typeof newHub>, user: string, channels = ['news']) => {
  const sink = new FakeSink();
  const stream = hub.open(sink, { user, channels, address: '', expiresAt: Infinity });
  return { sink, stream };
};

const one = ({ values }: Measures, name: string, label = ''): number | undefined =>
  values[name]?.[label];

test('histogram - a time is in the first bucket that it does not exceed', () => {
  const histogram = new Histogram();
  histogram.add(TIME_BOUNDS[0]);
  histogram.add(0.02, 3);
  histogram.add(1_000);
  const { counts, sum } = histogram.times;
  assert.equal(counts[0], 1);
  assert.equal(counts[TIME_BOUNDS.indexOf(0.025)], 3);
  assert.equal(counts.at(-1), 1);
  assert.equal(counts.length, TIME_BOUNDS.length + 1);
  assert.ok(Math.abs(sum - 1_000.06005) < 1e-9);
});

test('lots - what was appended between two turns is timed from the first of it, when it is all written', () => {
  let now = 0;
  const lots = new Lots(() => now);
  lots.marked(1, undefined);
  now = 5;
  lots.marked(2, undefined);
  lots.marked(2, undefined); // for another stream
  lots.flushed(1, 10);
  assert.equal(lots.times.times.sum, 0, 'the second is not out yet');
  now = 20;
  lots.marked(3, undefined);
  lots.flushed(2, 30);
  assert.equal(lots.times.times.sum, 0.06);
  lots.flushed(3, 40);
  assert.equal(lots.times.times.sum, 0.08);
});

test('lots - an event that is traced is timed for itself, and is the exemplar of its bucket', () => {
  let now = 0;
  const lots = new Lots(() => now);
  lots.marked(1, undefined);
  now = 6;
  lots.marked(2, TRACE);
  lots.marked(3, undefined);
  lots.flushed(3, 10);
  const { exemplars, sum, counts } = lots.times.times;
  const [exemplar] = Object.values(exemplars);
  assert.equal(exemplar?.trace, TRACE);
  assert.equal(exemplar?.value, 0.004);
  assert.equal(sum, 0.01 + 0.004 + 0.004);
  assert.equal(
    counts.reduce((a, b) => a + b),
    3,
  );
});

test('lots - however many turns a flush takes, only so many are kept apart', () => {
  const lots = new Lots(() => 0);
  for (let n = 1; n <= 3 * MAX_LOTS; n += 1) {
    lots.marked(n, TRACE);
    lots.flushed(0, 0);
  }
  lots.flushed(MAX_LOTS - 1, 1_000);
  const { counts } = lots.times.times;
  const count = counts.reduce((a, b) => a + b);
  assert.equal(count, MAX_LOTS - 1);
  lots.flushed(3 * MAX_LOTS, 1_000);
  assert.equal(
    lots.times.times.counts.reduce((a, b) => a + b),
    3 * MAX_LOTS,
  );
});

test('measures - deliveries are events times streams, whatever was written together, and only those', async () => {
  const hub = newHub();
  open(hub, 'ann');
  open(hub, 'bob');
  append(hub, { n: 1, to: undefined, channels: ['news'], bytes: Buffer.from('one') });
  append(hub, { n: 2, to: 'ann', channels: ['news'], bytes: Buffer.from('second') });
  append(hub, { n: 3, to: 'eve', channels: ['news'], bytes: Buffer.from('nobody') });
  append(hub, { n: 4, to: undefined, channels: ['elsewhere'], bytes: Buffer.from('nobody') });
  await turn();
  const measures = measuresOf(hub);
  assert.equal(one(measures, 'deliveries'), 3);
  assert.equal(one(measures, 'deliveredBytes'), 3 + 3 + 6);
  assert.equal(one(measures, 'entries'), 4);
  assert.equal(one(measures, 'channels'), 2);
  // Two were for somebody.
  assert.equal(
    measures.times['emit']?.counts.reduce((a, b) => a + b),
    2,
  );
});

test('measures - an event larger than one write is one delivery, to a reader that blocks in it too', async () => {
  const hub = newHub();
  const { sink, stream } = open(hub, 'ann');
  sink.isFull = true;
  const bytes = Buffer.alloc(100_000, 'x');
  append(hub, { n: 1, to: undefined, channels: ['news'], bytes });
  await turn();
  assert.equal(one(measuresOf(hub), 'blocked'), 1);
  sink.isFull = false;
  stream.writable();
  await turn();
  assert.equal(one(measuresOf(hub), 'blocked'), 0);
  assert.equal(one(measuresOf(hub), 'deliveries'), 1);
  assert.equal(one(measuresOf(hub), 'deliveredBytes'), bytes.length);
});

test('measures - a stream that comes back behind the others is timed until it is level', async () => {
  const hub = newHub();
  for (let n = 1; n <= 3; n += 1)
    append(hub, { n, to: undefined, channels: ['news'], bytes: Buffer.from(`${n}`) });
  const options = { user: 'ann', channels: ['news'], address: '', expiresAt: Infinity };
  hub.open(new FakeSink(), { ...options, lastEventId: 'e-3' });
  hub.open(new FakeSink(), { ...options, lastEventId: 'e-1' });
  hub.open(new FakeSink(), { ...options, lastEventId: 'old-1' });
  hub.open(new FakeSink(), options);
  assert.equal(one(measuresOf(hub), 'catchingUp'), 1);
  await turn();
  const measures = measuresOf(hub);
  assert.equal(one(measures, 'catchingUp'), 0);
  assert.deepEqual(measures.values['returns'], { level: 1, behind: 1, gap: 1 });
  assert.equal(one(measures, 'gaps', 'epoch'), 1);
  assert.equal(
    measures.times['catchUp']?.counts.reduce((a, b) => a + b),
    1,
  );
});

test('measures - one that leaves while it catches up is forgotten', () => {
  const hub = newHub();
  append(hub, { n: 1, to: undefined, channels: ['news'], bytes: Buffer.from('1') });
  const options = { user: 'ann', channels: ['news'], address: '', expiresAt: Infinity };
  const stream = hub.open(new FakeSink(), { ...options, lastEventId: 'e-0' });
  assert.equal(one(measuresOf(hub), 'catchingUp'), 1);
  stream.aborted();
  assert.equal(one(measuresOf(hub), 'catchingUp'), 0);
  assert.equal(one(measuresOf(hub), 'closed', 'left'), 1);
  assert.equal(one(measuresOf(hub), 'opened'), 1);
});

test('measures - evictions are told by what made them', () => {
  let now = 0;
  const hub = newHub({
    retention: { capacity: 2, ttlSeconds: 10, budgetBytes: 5_000 },
    now: () => now,
  });
  const news = ['news'];
  for (let n = 1; n <= 5; n += 1)
    append(hub, { n, to: undefined, channels: news, bytes: Buffer.from('x') });
  assert.deepEqual(measuresOf(hub).values['evictions'], { history: 3, age: 0, memory: 0 });
  append(hub, { n: 6, to: undefined, channels: ['other'], bytes: Buffer.alloc(2_800) });
  assert.deepEqual(measuresOf(hub).values['evictions'], { history: 3, age: 0, memory: 2 });
  now = 60;
  hub.expire(hub.channels.get('other')!);
  const measures = measuresOf(hub);
  assert.deepEqual(measures.values['evictions'], { history: 3, age: 1, memory: 2 });
  assert.equal(one(measures, 'entries'), 0);
  assert.equal(one(measures, 'memoryUsed'), 0);
});

test('measures - those of two hubs add up, and of two exemplars the newer one stays', () => {
  const times = (count: number, at: number) => ({
    counts: [count, 0],
    sum: count,
    exemplars: { 0: { trace: `${at}`, value: 1, at } },
  });
  const merged = mergeMeasures([
    { values: { a: { x: 1, y: 2 }, b: { '': 1 } }, times: { t: times(1, 20) } },
    { values: { a: { x: 10, z: 5 } }, times: { t: times(2, 10) } },
  ]);
  assert.deepEqual(merged.values, { a: { x: 11, y: 2, z: 5 }, b: { '': 1 } });
  assert.deepEqual(merged.times, { t: { ...times(1, 20), counts: [3, 0], sum: 3 } });
});

test('measures - all that a hub measures is told', () => {
  const { values, times } = measuresOf(newHub());
  const told = new Set(CATALOGUE.map(({ from }) => from));
  for (const name of [...Object.keys(values), ...Object.keys(times)])
    assert.ok(told.has(name), name);
});

test('metrics - a series is told once, with a unit and a sentence', () => {
  const names = CATALOGUE.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { name, type } of CATALOGUE) {
    assert.match(name, /^(tidings|process)_[a-z_]+$/);
    assert.equal(name.endsWith('_total'), type === 'counter', name);
    if (type === 'histogram') assert.ok(name.endsWith('_seconds'), name);
  }
});

const MANY = 100_000;

test('metrics - with 100,000 channels and streams they are not larger, and name none', async () => {
  const hub = newHub({ retention: { budgetBytes: 500_000_000 } });
  const { text: small } = await render(measuresOf(hub), '');
  for (let n = 1; n <= MANY; n += 1) {
    open(hub, `user-${n}`, [`channel-${n}`]);
    append(hub, {
      n,
      to: undefined,
      channels: [`channel-${n}`],
      bytes: Buffer.from(`event: event-${n}`),
    });
  }
  await turn();
  const { text } = await render(measuresOf(hub), '');
  assert.equal(samplesOf(text).get('tidings_streams'), MANY);
  assert.equal(samplesOf(text).get('tidings_channels'), MANY);
  assert.equal(samplesOf(text).size, samplesOf(small).size);
  assert.ok(text.length < 100_000, `${text.length} bytes`);
  assert.doesNotMatch(text, /(user|channel|event)-\d/);
});
