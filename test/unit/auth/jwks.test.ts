import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { MAX_KEYS, parseKeySet } from '../../../src/auth/jwks.ts';
import { KeyRing, MAX_TRIED } from '../../../src/auth/key-ring.ts';
import { newKey } from '../../support/issuer.ts';

const parse = (...keys: unknown[]) => {
  const set = parseKeySet(JSON.stringify({ keys }));
  assert.ok(typeof set !== 'string');
  return set;
};

const rsa = newKey('r').jwk;
const ec = newKey('e', 'ES256').jwk;
const ed = newKey('d', 'EdDSA').jwk;

const exported = (key: { export(options: { format: 'jwk' }): object }) =>
  key.export({ format: 'jwk' });

test('key set - the algorithm is that of the kind of key', () => {
  const { keys, leftOut } = parse(rsa, ec, ed);
  assert.deepEqual(
    keys.map(({ kid, algorithm }) => [kid, algorithm]),
    [
      ['r', 'RS256'],
      ['e', 'ES256'],
      ['d', 'EdDSA'],
    ],
  );
  assert.equal(leftOut, 0);
  for (const { pem } of keys) assert.match(pem, /^-----BEGIN PUBLIC KEY-----/);
});

test('key set - use, key_ops and alg may be absent; a kid may be, too', () => {
  const bare = { ...rsa, use: undefined, kid: undefined };
  for (const key of [
    bare,
    { ...bare, alg: 'RS256', key_ops: ['verify'], x5c: ['MII'], 'x5t#S256': 'x', nbf: 1 },
    { ...ec, alg: 'ES256', key_ops: ['sign', 'verify'] },
    { ...ed, alg: 'EdDSA' },
  ])
    assert.equal(parse(key).keys.length, 1, JSON.stringify(key));
});

test('key set - keys for other purposes, of other kinds, or too weak are left out', () => {
  const small = exported(generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey);
  const p384 = exported(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey);
  const x25519 = exported(generateKeyPairSync('x25519').publicKey);
  const { privateKey } = newKey('p', 'ES256');
  const bad: unknown[] = [
    { ...rsa, use: 'enc', alg: 'RSA-OAEP' },
    { ...rsa, use: 'enc' },
    { ...rsa, use: ['sig'] },
    { ...rsa, use: null },
    { ...rsa, key_ops: ['encrypt'] },
    { ...rsa, key_ops: 'verify' },
    { ...rsa, alg: 'RS512' },
    { ...rsa, alg: 'PS256' },
    { ...rsa, alg: 'HS256' },
    { ...rsa, alg: 'none' },
    { ...rsa, alg: null },
    { ...rsa, kid: 7 },
    { ...rsa, kid: 'x'.repeat(257) },
    { ...rsa, n: 'AQAB' },
    { ...rsa, n: undefined },
    { ...rsa, n: 7 },
    { ...ec, crv: 'P-384' },
    { ...ec, x: 'AA' },
    { ...ec, alg: 'ES384' },
    { ...ed, crv: 'Ed448' },
    { ...ed, x: '' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'o', alg: 'HS256' },
    { kty: 'oct', k: 'c2VjcmV0', kid: 'o' },
    { ...rsa, k: 'c2VjcmV0' },
    exported(privateKey),
    small,
    p384,
    x25519,
    {},
    null,
    'x',
    [rsa],
  ];
  for (const key of bad)
    assert.deepEqual(parse(key), { keys: [], leftOut: 1 }, JSON.stringify(key)?.slice(0, 120));
  assert.deepEqual(
    parse(...bad, rsa).keys.map(({ kid }) => kid),
    ['r'],
  );
});

test('key set - no more than a hundred are looked at', () => {
  const { keys, leftOut } = parse(...Array.from({ length: MAX_KEYS + 5 }, () => ed));
  assert.deepEqual([keys.length, leftOut], [MAX_KEYS, 5]);
});

test('key set - what is none is said to be none', () => {
  for (const text of ['', '{', 'null', '[]', '{}', '"keys"', '{"keys":{}}', '<html>', '{"keys":7}'])
    assert.match(String(parseKeySet(text)), /no key set/, text);
  assert.deepEqual(parseKeySet('{"keys":[]}'), { keys: [], leftOut: 0 });
});

test('key ring - a token that names no key, or one of many, costs few verifications', () => {
  const ring = new KeyRing(() => Promise.resolve('absent'));
  ring.replace(parse(...Array.from({ length: MAX_TRIED + 1 }, () => ec)).keys);
  assert.deepEqual(
    [undefined, ec['kid'] as string].map((kid) => ring.find(kid)?.length),
    [MAX_TRIED, MAX_TRIED],
  );
  assert.equal(ring.find('other'), undefined);
});
