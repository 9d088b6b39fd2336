/** Every proxy the tests run behind, and the server behind one of them. */
import test, { type TestContext } from 'node:test';
import { startApache, startDeployedApache, startDocumentedApache } from '../support/apache.ts';
import { startCaddy } from '../support/caddy.ts';
import { startHaproxy, startHaproxyWithoutTls } from '../support/haproxy.ts';
import { startNginx } from '../support/nginx.ts';
import { missing, type ProxyOptions } from '../support/proxy.ts';
import type { RunningProxy } from '../support/proxy-process.ts';
import { type SpawnedServer, spawnServer } from '../support/spawn-server.ts';
import type { Owner } from '../support/sse-client.ts';

export interface ProxyKind {
  readonly name: string;
  /** The reason why it cannot run here, for `{ skip }`. */
  readonly skip: string | false;
  readonly start: (t: Owner, options: ProxyOptions) => Promise<RunningProxy>;
  /** Gives browsers an answer they come back from while the server is away. */
  readonly masks: boolean;
  /** Speaks HTTP/2 to browsers. */
  readonly http2: boolean;
  /** What the server is told of a client at 127.0.0.1 that claims to be at 192.0.2.7. */
  readonly forwardedFor: string;
  /** A cookie header of this size passes. */
  readonly cookieBytes: number;
  /** Learns that a client has left only when it next writes to it. */
  readonly noticesAtNextWrite: boolean;
}

const recommended = { masks: true, forwardedFor: '127.0.0.1', cookieBytes: 12_000 };
const plain = { masks: false, forwardedFor: '192.0.2.7, 127.0.0.1', cookieBytes: 8_100 };
const apache = { skip: missing('apache2'), http2: false, noticesAtNextWrite: true };
const others = { ...recommended, http2: true, noticesAtNextWrite: false };
const haproxy = { ...others, skip: missing('haproxy') };

export const PROXIES: readonly ProxyKind[] = [
  { name: 'apache with the plain block', ...apache, ...plain, start: startApache },
  { name: 'apache', ...apache, ...recommended, start: startDeployedApache },
  { name: 'nginx', ...others, skip: missing('nginx'), start: startNginx },
  { name: 'haproxy', ...haproxy, start: startHaproxy },
  { name: 'haproxy without TLS', ...haproxy, http2: false, start: startHaproxyWithoutTls },
  { name: 'caddy', ...others, skip: missing('caddy'), start: startCaddy },
];

/** The block of docs/proxies.md, where the plain one and the whole file differ: while the server is away. */
export const DOCUMENTED_APACHE: ProxyKind = {
  name: 'apache with the documented block',
  ...apache,
  ...plain,
  masks: true,
  start: startDocumentedApache,
};

export interface Choice {
  readonly kinds?: readonly ProxyKind[];
  /** One after the other, for tests that look at the clock. */
  readonly oneByOne?: boolean;
}

/** The same test behind every proxy. */
export function behindEach(
  subject: string,
  body: (t: TestContext, kind: ProxyKind) => Promise<void>,
  { kinds = PROXIES, oneByOne = false }: Choice = {},
): void {
  test(subject, { concurrency: !oneByOne }, async (t) => {
    const run = (kind: ProxyKind) =>
      t.test(`${kind.name} - ${subject}`, { skip: kind.skip }, (sub) => body(sub, kind));
    await Promise.all(kinds.map(run));
  });
}

export interface Behind {
  readonly server: SpawnedServer;
  readonly proxy: RunningProxy;
  /** Where browsers open streams. */
  readonly url: string;
}

export interface BehindOptions {
  readonly args?: readonly string[];
  readonly idleSeconds?: number;
}

export const portOf = (server: SpawnedServer): number => Number(new URL(server.publicUrl).port);

/** A server with `args` and the proxy in front of it. */
export async function startBehind(
  t: Owner,
  kind: ProxyKind,
  { args = [], ...options }: BehindOptions = {},
): Promise<Behind> {
  const server = await spawnServer(t, args);
  const proxy = await kind.start(t, { publicPort: portOf(server), ...options });
  return { server, proxy, url: `${proxy.url}/api/sse/` };
}
