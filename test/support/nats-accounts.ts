/** An operator, an account and its users, as `nsc` makes them: what -nats-creds is for. */
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const NO_LIMITS = Object.fromEntries(
  ['subs', 'data', 'payload', 'imports', 'exports', 'conn', 'leaf'].map((name) => [name, -1]),
);
const ALL_OF_JETSTREAM = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };

/** Subjects that a user may publish to and subscribe to. */
export interface Permissions {
  readonly publish: Subjects;
  readonly subscribe?: Subjects;
}

interface Subjects {
  readonly allow?: readonly string[];
  readonly deny?: readonly string[];
}

const base64url = (value: string | Uint8Array): string => Buffer.from(value).toString('base64url');

/** A JWT of NATS: signed with a key of Ed25519, by whoever is above. */
function sign(issuer: KeyPair, subject: KeyPair, nats: object): string {
  const head = base64url(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }));
  const [iss, sub] = [issuer.getPublicKey(), subject.getPublicKey()];
  const claims = { jti: sub, iat: 1_700_000_000, iss, sub, name: sub, nats };
  const text = `${head}.${base64url(JSON.stringify({ ...claims, nats: { ...nats, version: 2 } }))}`;
  return `${text}.${base64url(issuer.sign(Buffer.from(text)))}`;
}

export class Accounts {
  /** Lines for the configuration of each server. */
  readonly config: string;
  readonly #account = nkeys.createAccount();

  constructor() {
    const operator = nkeys.createOperator();
    const system = nkeys.createAccount();
    const accountJwt = (account: KeyPair, limits: object) =>
      sign(operator, account, {
        type: 'account',
        limits: { ...NO_LIMITS, wildcards: true, ...limits },
      });
    this.config = `
operator: ${sign(operator, operator, { type: 'operator' })}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${accountJwt(system, {})}
  ${this.#account.getPublicKey()}: ${accountJwt(this.#account, ALL_OF_JETSTREAM)}
}`;
  }

  /** The text of a file of credentials. */
  creds({ publish, subscribe = {} }: Permissions): string {
    const user = nkeys.createUser();
    const jwt = sign(this.#account, user, {
      ...{ type: 'user', subs: -1, data: -1, payload: -1 },
      ...{ pub: publish, sub: subscribe },
    });
    const seed = Buffer.from(user.getSeed()).toString();
    return `${block('NATS USER JWT', jwt)}\n${block('USER NKEY SEED', seed)}`;
  }
}

const block = (name: string, text: string): string =>
  `-----BEGIN ${name}-----\n${text}\n------END ${name}------\n`;
