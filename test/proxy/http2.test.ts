/** Over HTTP/2 a browser may have more than six streams to one site, and closing one is not closing the connection. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import tls from 'node:tls';
import { emit, type SpawnedServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';
import { bearer, tokenFor } from '../support/tokens.ts';
import { eventually } from '../support/wait.ts';
import { behindEach, PROXIES, startBehind } from './proxies.ts';

/** More than the six connections that browsers open to one site over HTTP/1.1. */
const STREAM_COUNT = 12;
const HTTP2 = { kinds: PROXIES.filter((kind) => kind.http2) };

interface Http2Stream {
  readonly text: () => string;
  close(): void;
}

/** Opens one stream after the other on one connection, each with a user of its own. */
function openStreams(t: Owner, url: string): Http2Stream[] {
  const session = http2.connect(url, { rejectUnauthorized: false });
  t.after(() => session.destroy());
  return Array.from({ length: STREAM_COUNT }, (_, n) => {
    const headers = { ...bearer(tokenFor(`user-${n}`)), accept: 'text/event-stream' };
    const request = session.request({ ':path': '/api/sse/', ...headers });
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => (text += part));
    request.on('error', () => {}); // the end of the session
    return { text: () => text, close: () => request.close(http2.constants.NGHTTP2_CANCEL) };
  });
}

const streamsOf = async (server: SpawnedServer, userId: string): Promise<unknown> =>
  (await emit(server.controlUrl, { userId, channel: 'news', payload: 'data: hello' })).body[
    'streams'
  ];

behindEach(
  'twelve streams on one HTTP/2 connection get an event each',
  async (t, kind) => {
    const { url, server } = await startBehind(t, kind, { args: ['-heartbeat', '60'] });
    const streams = openStreams(t, url);
    await eventually(() => streams.every((stream) => stream.text().endsWith(':\n')));

    assert.equal(await streamsOf(server, '*'), STREAM_COUNT);

    const has = (stream: Http2Stream) => stream.text().includes('data: hello\n');
    await eventually(() => streams.every(has), { withinMs: 5_000 });
  },
  HTTP2,
);

behindEach(
  'closing one of many streams on one HTTP/2 connection reaches the server',
  async (t, kind) => {
    const heartbeat = kind.noticesAtNextWrite ? '1' : '60';
    const { url, server } = await startBehind(t, kind, { args: ['-heartbeat', heartbeat] });
    const streams = openStreams(t, url);
    await eventually(() => streams.every((stream) => stream.text().endsWith(':\n')));

    streams[0]?.close();

    const isGone = async () => (await streamsOf(server, 'user-0')) === 0;
    await eventually(isGone, { withinMs: 15_000, what: 'the stream to be gone' });
    assert.equal(await streamsOf(server, 'user-1'), 1);
  },
  HTTP2,
);

behindEach(
  'HTTP/2, where six streams would stop a whole connection, is not offered',
  async (t, kind) => {
    const { hostname, port } = new URL((await startBehind(t, kind)).url);
    const ALPNProtocols = ['h2', 'http/1.1'];
    const to = { host: hostname, port: Number(port), ALPNProtocols, rejectUnauthorized: false };
    const socket = tls.connect(to);
    t.after(() => void socket.destroy());
    await once(socket, 'secureConnect');
    assert.equal(socket.alpnProtocol, 'http/1.1');
  },
  { kinds: PROXIES.filter((kind) => kind.name === 'apache') },
);
