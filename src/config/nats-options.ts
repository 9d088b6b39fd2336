/** What the options of `-nats` mean together. */
import { failStart as fail } from '../errors.ts';

export interface NatsOptions {
  readonly nats: readonly string[];
  readonly 'nats-creds': string;
  readonly 'nats-ca': string;
  readonly 'nats-cert': string;
  readonly 'nats-key': string;
  readonly snapshot: string;
  readonly 'history-ttl': number;
}

/**
 * An emit is sent again for 10 seconds, and what a leader that was suspended finds on its connections is older still:
 * NATS must remember for longer what it has, which it does for no longer than events are kept.
 */
const MIN_HISTORY_SECONDS = 30;

const FILES = ['nats-creds', 'nats-ca', 'nats-cert', 'nats-key'] as const;

/** @throws TidingsError `CONFIG_INVALID` */
export function checkNats(options: NatsOptions): void {
  const { nats: servers, 'nats-creds': creds, snapshot } = options;
  if (servers.some((server) => !isServer(server)))
    fail(
      '-nats takes servers such as nats://10.0.0.1:4222, or nats://user:password@10.0.0.1:4222, separated by commas; in a password %40 stands for @, %2F for / and %2C for a comma',
    );
  const idle = FILES.find((name) => options[name] !== '');
  if (servers.length === 0 && idle !== undefined)
    fail(`-${idle} has no use without -nats: name the servers there, or leave it out`);
  if ((options['nats-cert'] === '') !== (options['nats-key'] === ''))
    fail('-nats-cert and -nats-key must be given together');
  const users = new Set(servers.map(userPartOf));
  if (users.size > 1)
    fail('-nats names several users: a node is one, which stands before each host or before none');
  if (servers.length > 0 && !users.has('') && creds !== '')
    fail('-nats names a user, and -nats-creds another: leave one of them out');
  if (servers.length > 0 && options['history-ttl'] < MIN_HISTORY_SECONDS)
    fail(
      `-history-ttl must be at least ${MIN_HISTORY_SECONDS} with -nats: an event that has to be sent again would come twice`,
    );
  if (servers.length > 0 && snapshot !== '')
    fail('-snapshot has no use with -nats: what was emitted is in NATS. Leave one of them out');
}

const SERVER = /^(?:nats|tls):\/\/(?:([^\s/@]+)@)?[^\s/@?#]+$/;

const userPartOf = (server: string): string => SERVER.exec(server)?.[1] ?? '';

function isServer(server: string): boolean {
  if (!SERVER.test(server) || !URL.canParse(server)) return false;
  try {
    return decodeURIComponent(userPartOf(server)) !== ':';
  } catch {
    return false; // a % that encodes nothing
  }
}
