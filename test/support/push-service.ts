/**
 * Stands in for the push service of a browser, and for the browser behind it: it takes messages
 * over TLS as RFC 8030 says, and opens them with the keys of the subscription.
 */
import {
  createDecipheriv,
  createECDH,
  createPublicKey,
  hkdfSync,
  randomBytes,
  verify,
} from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeCertificate, temporaryFolder } from './proxy.ts';
import type { Owner } from './sse-client.ts';

/** What a page gives to its backend. */
export interface Subscription {
  readonly endpoint: string;
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

export interface Pushed {
  readonly headers: IncomingHttpHeaders;
  /** As the service worker gets it. */
  readonly text: string;
  readonly vapid: Vapid;
}

/** A browser that has subscribed. */
export interface Device {
  readonly subscription: Subscription;
  readonly pushed: readonly Pushed[];
  /** What was wrong with messages. */
  readonly faults: readonly unknown[];
  /** What its messages are answered with. */
  status: number;
}

export class PushService {
  /** File with the certificate to trust. */
  readonly certificate: string;
  readonly #server: https.Server;
  readonly #take = new Map<string, (req: IncomingMessage) => Promise<number>>();

  /** Closed by `t.after`. */
  static async open(t: Owner): Promise<PushService> {
    const { both } = await makeCertificate(await temporaryFolder(t, 'push-service'));
    const service = new PushService(both);
    service.#server.listen(0, '127.0.0.1');
    await once(service.#server, 'listening');
    t.after(() => {
      service.#server.closeAllConnections();
      service.#server.close();
    });
    return service;
  }

  private constructor(certificate: string) {
    this.certificate = certificate;
    const pem = readFileSync(certificate);
    this.#server = https.createServer({ cert: pem, key: pem }, async (req, res) => {
      const status = (await this.#take.get(req.url!)?.(req)) ?? 404;
      res.writeHead(status, { location: `${this.origin}/message` }).end();
    });
  }

  get origin(): string {
    return `https://localhost:${(this.#server.address() as AddressInfo).port}`;
  }

  /** With the public key of the application, in base64url, from which alone it takes messages. */
  subscribe(applicationServerKey: string): Device {
    const path = `/${randomBytes(12).toString('base64url')}`;
    const ecdh = createECDH('prime256v1');
    const p256dh = ecdh.generateKeys('base64url');
    const auth = randomBytes(16);
    const keys = { p256dh, auth: auth.toString('base64url') };
    const pushed: Pushed[] = [];
    const faults: unknown[] = [];
    const device = {
      ...{ subscription: { endpoint: `${this.origin}${path}`, keys } },
      ...{ pushed, faults, status: 201 },
    };
    this.#take.set(path, async (req) => {
      try {
        const body = Buffer.concat(await req.toArray());
        const text = decrypted(body, ecdh.getPrivateKey(), auth);
        const vapid = vapidOf(req.headers, applicationServerKey);
        pushed.push({ headers: req.headers, text, vapid });
        return device.status;
      } catch (error) {
        faults.push(error);
        return 400;
      }
    });
    return device;
  }
}

const RECORD_SIZE_AT = 16;
const KEY_LENGTH_AT = 20;
const KEY_AT = 21;
const TAG_BYTES = 16;
/** Behind the text of the last record; zeros may follow. */
const LAST_RECORD = 2;

const derived = (key: Buffer, salt: Buffer, info: Buffer | string, length: number): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, length));

/** RFC 8291, section 4, over RFC 8188, section 2: one record. @throws Error when it is not for this key */
function decrypted(body: Buffer, privateKey: Buffer, auth: Buffer): string {
  const salt = body.subarray(0, RECORD_SIZE_AT);
  const recordAt = KEY_AT + body[KEY_LENGTH_AT]!;
  const sender = body.subarray(KEY_AT, recordAt);
  if (body.length - recordAt > body.readUInt32BE(RECORD_SIZE_AT)) throw new Error('two records');
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(privateKey);
  const info = Buffer.concat([Buffer.from('WebPush: info\0'), ecdh.getPublicKey(), sender]);
  const secret = derived(ecdh.computeSecret(sender), auth, info, 32);
  const key = derived(secret, salt, 'Content-Encoding: aes128gcm\0', 16);
  const nonce = derived(secret, salt, 'Content-Encoding: nonce\0', 12);
  const decipher = createDecipheriv('aes-128-gcm', key, nonce);
  decipher.setAuthTag(body.subarray(-TAG_BYTES));
  const record = decipher.update(body.subarray(recordAt, -TAG_BYTES));
  decipher.final();
  const end = record.findLastIndex((byte) => byte !== 0);
  if (record[end] !== LAST_RECORD) throw new Error('no delimiter');
  return record.subarray(0, end).toString();
}

/** What the sender claims of itself. */
export interface Vapid {
  readonly aud: string;
  readonly exp: number;
  readonly sub: string;
}

/** RFC 8292, sections 2 and 3. @throws Error when it is not signed by the application */
function vapidOf({ authorization = '' }: IncomingHttpHeaders, applicationServerKey: string): Vapid {
  const [, token, k] = /^vapid t=([^,]+), ?k=(.+)$/.exec(authorization) ?? [];
  if (token === undefined || k !== applicationServerKey) throw new Error('of another application');
  const point = Buffer.from(k, 'base64url');
  const [x, y] = [point.subarray(1, 33), point.subarray(33)].map((n) => n.toString('base64url'));
  const key = createPublicKey({
    key: { kty: 'EC', crv: 'P-256', x: x!, y: y! },
    format: 'jwk',
  });
  const [head, claims, signature] = token.split('.') as [string, string, string];
  const signed = Buffer.from(`${head}.${claims}`);
  const options = { key, dsaEncoding: 'ieee-p1363' } as const;
  if (!verify('sha256', signed, options, Buffer.from(signature, 'base64url')))
    throw new Error('not signed by this key');
  if (fromPart<{ alg: string }>(head).alg !== 'ES256') throw new Error('of another kind');
  return fromPart<Vapid>(claims);
}

const fromPart = <T>(part: string): T => JSON.parse(String(Buffer.from(part, 'base64url'))) as T;
