/** Requests that are almost right: seeded damage to bytes that were valid. */
import type { Random } from './prng.ts';

const HOSTILE = [
  '\r\n',
  '\r\n\r\n',
  '\n',
  '\0',
  ': ',
  '%',
  '%zz',
  '=&=&',
  '../',
  '\r\nContent-Length: 0',
  '\r\nContent-Length: -1',
  '\r\nContent-Length: 99999999999999999999',
  '\r\nTransfer-Encoding: chunked',
  '\r\nTransfer-Encoding: identity',
  '\r\nExpect: 100-continue',
  '\r\nConnection: close',
  '\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '\r\nOrigin: https://evil.example',
  '\r\nX-Forwarded-For: , ,',
  'FFFFFFFFFFFFFFFFF\r\n',
  '0\r\n\r\n',
  '{"',
  '"\\ud800"',
  '\r\n\r\n\0\r\nQUIT\n!\x11\x00\x0c', // the opening of the PROXY protocol's second version
  'GET /events/ HTTP/1.1\r\n\r\n',
];

const randomBytes = (random: Random, most: number): Buffer =>
  Buffer.from(Array.from({ length: 1 + random.below(most) }, () => random.below(256)));

const spliced = (bytes: Buffer, at: number, removed: number, put: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + removed)]);

type Damage = (bytes: Buffer, random: Random) => Buffer;

const DAMAGES: readonly Damage[] = [
  (bytes, random) => spliced(bytes, random.below(bytes.length), 1, randomBytes(random, 1)),
  (bytes, random) => spliced(bytes, random.below(bytes.length), 0, randomBytes(random, 40)),
  (bytes, random) =>
    spliced(bytes, random.below(bytes.length), 0, Buffer.from(random.pick(HOSTILE), 'latin1')),
  (bytes, random) =>
    spliced(bytes, bytes.indexOf('\r\n'), 0, Buffer.from(random.pick(HOSTILE), 'latin1')),
  (bytes, random) => {
    const at = random.below(bytes.length);
    return spliced(bytes, at, random.below(bytes.length - at), Buffer.alloc(0));
  },
  (bytes, random) => {
    const at = random.below(bytes.length);
    const twice = bytes.subarray(at, at + random.below(200));
    return spliced(bytes, at, 0, twice);
  },
  (bytes, random) =>
    spliced(bytes, random.below(bytes.length), 0, Buffer.alloc(random.below(40_000), 'A')),
  (bytes) => Buffer.from(bytes.toString('latin1').replaceAll('\r\n', '\n'), 'latin1'),
  (bytes, random) =>
    Buffer.from(bytes.toString('latin1').replaceAll(/\d+/g, `${random.below(2 ** 31)}`), 'latin1'),
  (_, random) => randomBytes(random, 3_000),
];

/** One of the requests, damaged up to three times, now and then with another one behind it. */
export function mangled(requests: readonly string[], random: Random): Buffer {
  let bytes = Buffer.from(random.pick(requests));
  for (let left = random.below(4); left > 0 && bytes.length > 0; left -= 1)
    bytes = Buffer.from(random.pick(DAMAGES)(bytes, random));
  const follower = random.below(5) === 0 ? random.pick(requests) : '';
  return Buffer.concat([bytes, Buffer.from(follower)]);
}
