/** A receiver of webhooks that verifies what it is told with the official library. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import type { Owner } from './sse-client.ts';
import { undo } from './undo.ts';

export const WEBHOOK_SECRETS = [1, 2].map(
  (fill) => `whsec_${Buffer.alloc(32, fill).toString('base64')}`,
);

export interface Told {
  readonly seq: number;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

/** A request as it came. */
export interface Taken {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  /** What was taken, in the order of its arrival. */
  readonly told: Told[];
  /** Of every request, also of those that were not taken. */
  readonly paths: string[];
  readonly requests: Taken[];
  /** What it answers; 0: nothing, and the connection stays. */
  readonly state: { status: number };
  /** What the library had to say against signatures. */
  readonly faults: unknown[];
}

/** Verifies with each of `secrets`, and answers what `state` says. Closed by `t.after`. */
export async function webhookReceiver(
  t: Owner,
  secrets: readonly string[] = WEBHOOK_SECRETS.slice(0, 1),
): Promise<Receiver> {
  const told: Told[] = [];
  const paths: string[] = [];
  const requests: Taken[] = [];
  const state = { status: 200 };
  const faults: unknown[] = [];
  const server = createServer((request, response) => {
    let body = '';
    paths.push(request.url!);
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      const headers = request.headers as Record<string, string>;
      requests.push({ headers, body });
      try {
        for (const secret of secrets) new Webhook(secret).verify(body, headers);
      } catch (error) {
        faults.push(error);
      }
      if (state.status === 0) return;
      if (state.status === 200) told.push(...(JSON.parse(body) as { events: Told[] }).events);
      response.writeHead(state.status, { location: '/elsewhere' }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo(t, () => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  return { url, told, paths, requests, state, faults };
}
