/** The benchmarks' peers do what the figures claim they did. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { get, type IncomingMessage, request } from 'node:http';
import { type TestContext, test } from 'node:test';
import { addon } from '../../bench/peers/addon.ts';
import { rivals } from '../../bench/peers/all.ts';
import { publicationFor, subscriptionTo, tidings } from '../../bench/peers/tidings.ts';
import { cluster } from '../../bench/scenarios/cluster.ts';
import { Cleanup } from '../../bench/support/cleanup.ts';
import { firstEvent } from '../../bench/support/first-event.ts';
import type { Publication, RunningPeer, Subscription } from '../../bench/support/peer.ts';
import { eventually } from '../support/wait.ts';

const fields = (lines: readonly string[]): Record<string, string> =>
  Object.fromEntries(lines.map((line) => line.split(/: ?(.*)/s, 2)));

/** Gives the words that begin so and have arrived. */
type Words = (beginning: string) => string[];

/** Opens a stream. */
async function open(owner: Cleanup, peer: RunningPeer, subscription: Subscription): Promise<Words> {
  const { path, headers } = subscription;
  const accept = { accept: 'text/event-stream' };
  const opening = get({ ...peer.stream, path, headers: { ...fields(headers), ...accept } });
  const [stream] = await once(opening, 'response');
  owner.after(() => void opening.destroy());
  assert.equal(stream.statusCode, 200, peer.name);
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  stream.on('error', () => {});
  return (beginning) => [...text.matchAll(RegExp(`${beginning}-\\w+`, 'g'))].map(String);
}

/** A server of several processes may let a stream in before all of them know of it. */
async function becomeReady(peer: RunningPeer, streams: readonly Words[]): Promise<void> {
  const becomes = (word: string, publication: Publication, listeners: readonly Words[]) =>
    eventually(async () => {
      await publish(peer, publication, `ready-${word}`);
      return listeners.every((words) => words('ready').includes(`ready-${word}`));
    });
  await becomes('all', peer.broadcast, streams);
  if (peer.toUser) await becomes('one', peer.toUser(1), [streams[1]!]);
}

async function publish(
  peer: RunningPeer,
  publication: Publication,
  text: string,
): Promise<IncomingMessage & { body: string }> {
  const { path, headers, body } = publication;
  const post = request({ ...peer.emit, path, method: 'POST', headers: fields(headers) });
  post.end(body.replace('{event}', text));
  const [answer] = await once(post, 'response');
  const parts = await answer.setEncoding('utf8').toArray();
  assert.ok(answer.statusCode < 300, `${peer.name} answered ${answer.statusCode}`);
  return Object.assign(answer, { body: parts.join('') });
}

async function deliversToEachHerOwn(
  t: TestContext,
  owner: Cleanup,
  peer: RunningPeer,
): Promise<void> {
  const streams = await Promise.all(
    [0, 1, 2].map((index) => open(owner, peer, peer.subscribe(index))),
  );
  await becomeReady(peer, streams);
  await publish(peer, peer.broadcast, 'event-all');
  if (peer.toUser) await publish(peer, peer.toUser(1), 'event-one');
  await publish(peer, peer.broadcast, 'event-end');
  const arrived = () => streams.map((words) => words('event'));
  await eventually(() => arrived().every((texts) => texts.includes('event-end')), {
    what: `the last event; arrived: ${peer.name}`,
  });
  const all = ['event-all', 'event-end'];
  t.diagnostic(JSON.stringify(arrived()));
  assert.deepEqual(arrived(), [
    all,
    peer.toUser ? ['event-all', 'event-one', 'event-end'] : all,
    all,
  ]);
}

async function sendsWhatWasMissed(
  t: TestContext,
  owner: Cleanup,
  peer: RunningPeer,
): Promise<void> {
  if (!peer.resume) return t.diagnostic('keeps no history');
  const resume = peer.resume(await firstEvent(peer));
  for (const text of ['event-a', 'event-b', 'event-c']) await publish(peer, peer.broadcast, text);
  const streams = await Promise.all([0, 2].map((index) => open(owner, peer, resume(index))));
  await publish(peer, peer.broadcast, 'event-d');
  const arrived = () => streams.map((words) => words('event'));
  // Nchan with two workers may stop in a replay until the next event (1.3.7, one run in 20).
  const all = async () => {
    if (arrived().every((texts) => texts.includes('event-d'))) return true;
    await publish(peer, peer.broadcast, 'further');
    return false;
  };
  await eventually(all, { what: 'the event after the replay' }).finally(() =>
    t.diagnostic(JSON.stringify(arrived())),
  );
  const expected = ['event-a', 'event-b', 'event-c', 'event-d'];
  for (const texts of arrived()) assert.deepEqual(texts, expected);
}

for (const peer of [tidings, ...rivals, ...(cluster.own ?? [])]) {
  test(`peers - ${peer.name} delivers to everyone, to one user alone, and what was missed`, {
    skip: peer.missing() ?? false,
  }, async (t) => {
    const owner = new Cleanup();
    t.after(() => owner.close());
    const running = await peer.start(owner);
    await deliversToEachHerOwn(t, owner, running);
    await sendsWhatWasMissed(t, owner, running);
  });
}

test('peers - the addon alone answers an emit as we do, body and head', async (t) => {
  const owner = new Cleanup();
  t.after(() => owner.close());
  const [ours, alone] = [await tidings.start(owner), await addon.start(owner)];
  const answers = [];
  // Large enough to come in more than one piece: the answer waits for the last.
  for (const peer of [ours, alone])
    answers.push(await publish(peer, peer.broadcast, 'x'.repeat(100_000)));
  const [expected, answer] = answers;
  // Values differ in the id, and in when it is.
  assert.deepEqual(Object.keys(answer!.headers).sort(), Object.keys(expected!.headers).sort());
  const parts = ({ body }: { body: string }) => Object.keys(JSON.parse(body) as object);
  assert.deepEqual(parts(answer!), parts(expected!));
  const [length, ownLength] = [answer!.body.length, expected!.body.length];
  assert.ok(Math.abs(length - ownLength) < 8, `${length} bytes, ours ${ownLength}`);
});

test('peers - streams with channels of their own hear those and the one of all', async (t) => {
  const owner = new Cleanup();
  t.after(() => owner.close());
  const peer = await tidings.start(owner);
  const streams = await Promise.all(
    [0, 1, 2].map((index) => open(owner, peer, subscriptionTo(index, ['all', `user-${index}`]))),
  );
  await publish(peer, publicationFor('*', 'user-1'), 'event-own');
  const both = await publish(peer, publicationFor('*', 'user-1', 'user-2'), 'event-both');
  assert.equal((JSON.parse(both.body) as { streams: number }).streams, 2);
  await publish(peer, publicationFor('*', 'all'), 'event-all');
  const arrived = () => streams.map((words) => words('event'));
  await eventually(() => arrived().every((texts) => texts.includes('event-all')));
  assert.deepEqual(arrived(), [
    ['event-all'],
    ['event-own', 'event-both', 'event-all'],
    ['event-both', 'event-all'],
  ]);
});
