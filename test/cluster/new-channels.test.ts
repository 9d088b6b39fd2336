/** A channel that nobody was on, and an event for it at once, through another node and another server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { withoutNats } from '../support/nats.ts';
import { emit } from '../support/spawn-server.ts';
import { openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';

const CHANNELS = 1_500;
/** Each one after the other, in so many rows. */
const ROWS = 10;

test('new channels - 1,500 streams, each the first on its channel: the event emitted as it opens comes', {
  skip: withoutNats(),
  timeout: 90_000,
}, async (t) => {
  const { nodes }: Cluster = await startCluster(t, []);
  const [emitting, streaming] = nodes.map(({ now }) => now);
  const first = async (channel: string) => {
    const headers = bearer(tokenFor('ann', channel));
    const stream = await openStream(t, `${streaming!.publicUrl}/events/`, { headers });
    const fields = { userId: '*', channel, payload: `data: ${channel}` };
    const { status } = await emit(emitting!.controlUrl, fields);
    assert.equal(status, 200);
    const { data } = await stream.next({ what: `the event on ${channel}` });
    stream.close();
    return data === channel;
  };
  const row = async (r: number) => {
    let came = 0;
    for (let i = r; i < CHANNELS; i += ROWS) came += (await first(`new-${i}`)) ? 1 : 0;
    return came;
  };

  const came = await Promise.all(Array.from({ length: ROWS }, (_, r) => row(r)));

  assert.equal(
    came.reduce((sum, one) => sum + one),
    CHANNELS,
  );
});
