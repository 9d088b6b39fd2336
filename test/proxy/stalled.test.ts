/** A client that stops reading is noticed through every proxy: none of them takes in bytes without end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { emit } from '../support/spawn-server.ts';
import { type Owner, openStream } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { behindEach, startBehind } from './proxies.ts';

/** More than the buffers of the kernel (4 MB a socket) and of the proxy take together. */
const EVENT_COUNT = 60;
const EVENT_BYTES = 500_000;

/** Opens a stream and reads nothing but its head. */
async function openUnread(t: Owner, url: string, userId: string): Promise<void> {
  const { get } = url.startsWith('https:') ? https : http;
  const headers = { ...bearer(tokenFor(userId)), accept: 'text/event-stream' };
  const request = get(url, { headers, agent: false, rejectUnauthorized: false });
  t.after(() => void request.destroy());
  await once(request, 'response');
  request.on('error', () => {}); // the server's end of it
}

behindEach(
  'a client that stops reading is closed, the others are not held up',
  async (t, kind) => {
    const args = ['-stall', '2', '-heartbeat', '1', '-max-body', '1000000'];
    const { url, server } = await startBehind(t, kind, { args });
    await openUnread(t, url, 'stuck');
    const reading = await openStream(t, url, { headers: bearer(tokenFor('ann')) });
    const data = 'x'.repeat(EVENT_BYTES);

    for (let n = 1; n <= EVENT_COUNT; n++) {
      await emit(server.controlUrl, { userId: '*', channel: 'news', payload: `data: ${data}` });
      await reading.arrived(n, { withinMs: 10_000 });
    }

    const reason = () => server.log().find((line) => line['msg'] === 'stream closed')?.['reason'];
    await eventually(reason, { withinMs: 30_000, what: 'a stream to be closed' });
    assert.equal(reason(), 'stalled');
    assert.equal(reading.ended, false);
  },
  { oneByOne: true },
);
