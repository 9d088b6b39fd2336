/** A stream opened by Node for one event: what a client has seen that will come back. */
import { once } from 'node:events';
import { get, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { within } from '../../test/support/wait.ts';
import { type Address, headersOf, type Publication, type RunningPeer } from './peer.ts';

const TEXT = 'first-event';
const AGAIN_AFTER_MS = 1_000;

/** Posts one event and reads the answer to its end. */
async function publish({ host, port }: Address, publication: Publication): Promise<void> {
  const { path, body } = publication;
  const headers = headersOf(publication);
  const post = request({ host, port, path, method: 'POST', headers });
  post.end(body.replace('{event}', TEXT));
  const [answer] = await once(post, 'response');
  await answer.resume().toArray();
}

/** Opens stream 0, publishes one event, and returns all the stream got up to the end of that event. */
export async function firstEvent(peer: RunningPeer): Promise<string> {
  const subscription = peer.subscribe(0);
  const headers = { ...headersOf(subscription), accept: 'text/event-stream' };
  const opening = get({ ...peer.stream, path: subscription.path, headers });
  const [stream] = await once(opening, 'response');
  try {
    const seen = textUntilEvent(stream);
    return await within(publishUntil(peer, seen), { withinMs: 10_000, what: 'the first event' });
  } finally {
    stream.destroy();
  }
}

/** More than once where need be: a server of several processes may let a stream in before all of them know. */
async function publishUntil(peer: RunningPeer, seen: Promise<string>): Promise<string> {
  for (;;) {
    await publish(peer.emit, peer.broadcast);
    const text = await Promise.race([seen, delay(AGAIN_AFTER_MS)]);
    if (text !== undefined) return text;
  }
}

async function textUntilEvent(stream: AsyncIterable<Buffer>): Promise<string> {
  let text = '';
  for await (const chunk of stream) {
    text += chunk.toString('latin1');
    if (new RegExp(`${TEXT}[^]*\\r?\\n\\r?\\n`).test(text)) return text;
  }
  throw new Error('the stream ended before its first event');
}
