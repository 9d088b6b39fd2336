/** A heartbeat keeps a stream through every proxy's idle limit, and a client that leaves is noticed. */
import assert from 'node:assert/strict';
import { withoutOpening } from '../support/opening.ts';
import { emit } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { behindEach, startBehind } from './proxies.ts';

/** The proxies' limit here; 60 s in the recommended files. */
const IDLE_SECONDS = 3;

behindEach('a silent stream outlives the idle limit', async (t, kind) => {
  const beating = await startBehind(t, kind, { args: ['-heartbeat', '1'], idleSeconds: 3 });
  const silent = await startBehind(t, kind, { args: ['-heartbeat', '60'], idleSeconds: 3 });
  const headers = bearer(tokenFor('ann'));
  const cut = await openStream(t, silent.url, { headers });
  const kept = await openStream(t, beating.url, { headers });

  // The limit is in force: without heartbeats it ends the stream.
  await cut.end({ withinMs: IDLE_SECONDS * 1000 + 10_000 });
  const beats = 2 * IDLE_SECONDS + 2;
  await eventually(() => kept.comments.length >= beats, { withinMs: 30_000 });

  assert.equal(kept.ended, false);
  await emit(beating.server.controlUrl, { userId: '*', channel: 'news', payload: 'data: late' });
  assert.equal((await kept.next()).data, 'late');
  assert.match(withoutOpening(kept.text), /^(:\n)+data: late\n/);
});

behindEach("the client's leaving reaches the server", async (t, kind) => {
  // One stream a user: the place is free again when the server knows that the client has left.
  const heartbeat = kind.noticesAtNextWrite ? '1' : '60';
  const args = ['-max-streams-per-user', '1', '-heartbeat', heartbeat];
  const { server, url } = await startBehind(t, kind, { args });
  const headers = bearer(tokenFor('ann'));
  const statusOfAnother = async () => {
    const probe = await openStream(t, `${server.publicUrl}/events/`, {
      headers: { ...headers, accept: 'application/json' },
    });
    probe.close();
    return probe.status;
  };
  const stream = await openStream(t, url, { headers });
  assert.equal(await statusOfAnother(), 503);

  stream.close();

  const isFree = async () => (await statusOfAnother()) === 200;
  await eventually(isFree, { withinMs: 15_000, what: 'the place to be free' });
});
