/** Connections to the NATS servers. */
import { readFileSync } from 'node:fs';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
} from '@nats-io/transport-node';
import { failStart } from '../errors.ts';
import type { Complaints } from './complaints.ts';
import { leaveOutLateWrites } from './late-writes.ts';

/** Where the servers are, and what they want to see. Paths are empty when there is nothing. */
export interface NatsAddress {
  /** Each `nats://host:port` or `tls://…`, all with the same `user:password@` before the host or with none. */
  readonly servers: readonly string[];
  /** A file with a user's JWT and key. */
  readonly creds: string;
  /** PEM files: the authority that signed the servers' certificates, and this node's certificate and key. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A connection, and whether it is one just now: what is sent while it is not, is lost without a word. */
export interface Link {
  readonly connection: NatsConnection;
  readonly isUp: boolean;
}

/** Twice no answer to this, in milliseconds, and the connection is taken for dead. */
const PING_MS = 2_000;

const RECONNECT_MS = 200;

/** A server that takes a connection and says nothing is left for the next one, in milliseconds. */
const GREETING_MS = 3_000;

/** @throws TidingsError `CONFIG_INVALID` for a file that cannot be read; rejects as NATS does */
export async function connectTo(
  address: NatsAddress,
  name: string,
  complaints: Complaints,
): Promise<Link> {
  const { servers, creds, ca, cert, key } = address;
  const options: ConnectionOptions = {
    name,
    // The client takes no notice of a user that stands there.
    servers: servers.map((server) => server.replace(/\/\/.*@/, '//')),
    ...userIn(servers[0]!),
    maxReconnectAttempts: -1,
    reconnectTimeWait: RECONNECT_MS,
    timeout: GREETING_MS,
    pingInterval: PING_MS,
    maxPingOut: 2,
    // Otherwise a second refusal closes the connection for good.
    ignoreAuthErrorAbort: true,
  };
  if (creds !== '') {
    read('nats-creds', creds);
    // Each time anew: they may have been renewed.
    options.authenticator = credsAuthenticator(() => readFileSync(creds));
  }
  if (ca !== '' || cert !== '')
    options.tls = {
      ...(ca === '' ? {} : { ca: read('nats-ca', ca).toString() }),
      ...(cert === '' ? {} : { cert: read('nats-cert', cert).toString() }),
      ...(key === '' ? {} : { key: read('nats-key', key).toString() }),
    };
  leaveOutLateWrites();
  const link = { connection: await connect(options), isUp: true };
  void follow(link, complaints);
  return link;
}

/** Who is to be logged in, by the address of a server: a user and a password, or a token alone. */
export function userIn(server: string): Pick<ConnectionOptions, 'user' | 'pass' | 'token'> {
  const { username, password } = new URL(server);
  if (username === '') return {};
  const user = decodeURIComponent(username);
  return password === '' ? { token: user } : { user, pass: decodeURIComponent(password) };
}

/** Whether a server's version is this one or a later one. */
export function isAtLeast(version: string, [major, minor]: readonly [number, number]): boolean {
  const [ownMajor = 0, ownMinor = 0] = version.split('.').map(Number);
  return ownMajor > major || (ownMajor === major && ownMinor >= minor);
}

async function follow(
  link: { readonly connection: NatsConnection; isUp: boolean },
  complaints: Complaints,
): Promise<void> {
  for await (const status of link.connection.status()) {
    if (status.type === 'disconnect') link.isUp = false;
    else if (status.type === 'reconnect') link.isUp = true;
    else if (status.type === 'error') complaints.tell(status.error.message);
  }
  link.isUp = false;
}

function read(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    return failStart(`-${flag} ${path} cannot be read: ${(error as Error).message}`);
  }
}
