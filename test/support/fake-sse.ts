/** A push server of a few lines that can be told to make mistakes, and to answer in other ways than ours does. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { RunningPeer } from '../../bench/support/peer.ts';
import type { Owner } from './sse-client.ts';

export interface Behaviour {
  /** Told of each request that opens a stream. */
  readonly subscribed?: (request: IncomingMessage) => void;
  /** What a stream is sent with its head. */
  readonly greeting?: string;
  /** The events that are sent once `events`, all that were published so far, are there: the last one by default. */
  readonly send?: (events: readonly string[]) => readonly string[];
  /** Length of an HTTP chunk; as long as what is sent by default. */
  readonly piece?: number;
  /** Resets all streams at the first post. */
  readonly resets?: boolean;
  /** Answers a post; an empty 200 by default. */
  readonly answer?: (response: ServerResponse) => void;
}

const latest = (events: readonly string[]): readonly string[] => events.slice(-1);

/** Sends what `send` says to every stream. */
function route(behaviour: Behaviour): (request: IncomingMessage, response: ServerResponse) => void {
  const {
    subscribed = () => {},
    greeting = ':\n\n',
    send = latest,
    resets = false,
    piece = Infinity,
    answer = (response) => response.end(),
  } = behaviour;
  const streams: ServerResponse[] = [];
  const events: string[] = [];
  return async (request, response) => {
    if (request.method === 'GET') {
      subscribed(request);
      streams.push(response.writeHead(200, { 'Content-Type': 'text/event-stream' }));
      response.write(greeting);
      return;
    }
    const body = await request.setEncoding('utf8').toArray();
    events.push(body.join(''));
    const text = send(events)
      .map((event) => `data: ${event}\n\n`)
      .join('');
    for (const stream of streams)
      for (let at = 0; at < text.length; at += piece) stream.write(text.slice(at, at + piece));
    if (resets) for (const stream of streams.splice(0)) stream.socket?.resetAndDestroy();
    answer(response);
  };
}

async function listen(t: Owner, server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Runs in this process, so that its CPU is ours. */
export async function fakeSse(t: Owner, behaviour: Behaviour = {}): Promise<RunningPeer> {
  const server = createServer(route(behaviour));
  const address = { host: '127.0.0.1', port: await listen(t, server) };
  return {
    name: 'fake',
    pids: [process.pid],
    stream: address,
    emit: address,
    subscribe: () => ({ path: '/', headers: [] }),
    broadcast: { path: '/', headers: [], body: '{event}' },
  };
}
