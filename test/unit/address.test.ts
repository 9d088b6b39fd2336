import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseAddress, PeerResolver } from '../../src/address.ts';
import { Admission } from '../../src/admission.ts';
import { Cors } from '../../src/cors.ts';

test('address - the addon writes IPv4 on a dual-stack listener as mapped IPv6', () => {
  assert.equal(normaliseAddress('0000:0000:0000:0000:0000:ffff:7f00:0001'), '127.0.0.1');
  assert.equal(normaliseAddress('::ffff:10.1.2.3'), '10.1.2.3');
  assert.equal(normaliseAddress('127.0.0.1'), '127.0.0.1');
  assert.equal(normaliseAddress('2001:db8::1'), '2001:db8::1');
  assert.equal(normaliseAddress(''), '');
});

test('peers - X-Forwarded-For counts only behind a trusted proxy, from the right', () => {
  const peers = new PeerResolver(['127.0.0.1', '10.0.0.0/8', '2001:db8::/32']);
  const resolve = (peer: string, header: string) => peers.resolve(peer, header);
  assert.equal(resolve('127.0.0.1', '1.2.3.4'), '1.2.3.4');
  assert.equal(
    resolve('127.0.0.1', '6.6.6.6, 1.2.3.4, 10.0.0.7'),
    '1.2.3.4',
    'what the sender wrote is left out',
  );
  assert.equal(resolve('2001:db8::9', '2001:dead::1'), '2001:dead::1');
  assert.equal(resolve('9.9.9.9', '1.2.3.4'), '9.9.9.9', 'not trusted');
  assert.equal(resolve('127.0.0.1', ''), '127.0.0.1');
  assert.equal(resolve('127.0.0.1', 'garbage'), '127.0.0.1');
  assert.equal(resolve('127.0.0.1', '1.2.3.4, garbage'), '127.0.0.1');
  assert.equal(resolve('127.0.0.1', '10.0.0.1, 127.0.0.1'), '127.0.0.1', 'only proxies');
  assert.equal(resolve('', '1.2.3.4'), '', 'unix peers are trusted by name only');
  assert.equal(new PeerResolver(['unix:']).resolve('', '1.2.3.4'), '1.2.3.4');
  assert.equal(new PeerResolver([]).resolve('127.0.0.1', '1.2.3.4'), '127.0.0.1');
});

test('admission - each limit by itself, and places come free again', () => {
  const admission = new Admission({ streams: 3, streamsPerUser: 2, streamsPerAddress: 2 });
  assert.equal(admission.enter('ann', 'x'), undefined);
  assert.equal(admission.enter('ann', 'y'), undefined);
  assert.equal(admission.enter('ann', 'z'), 'streams-per-user');
  assert.equal(admission.enter('bob', 'x'), undefined);
  assert.equal(admission.enter('eve', 'y'), 'streams');
  admission.leave('ann', 'y');
  assert.equal(admission.enter('eve', 'x'), 'streams-per-address');
  admission.leave('ann', 'x');
  assert.equal(admission.enter('ann', 'x'), undefined);
});

test('admission - 0 means no limit', () => {
  const admission = new Admission({ streams: 1_000, streamsPerUser: 0, streamsPerAddress: 0 });
  for (let i = 0; i < 1_000; i += 1) assert.equal(admission.enter('ann', 'x'), undefined);
  assert.equal(admission.countsAddresses, false);
});

test('cors - exact origins get credentials, any origin does not', () => {
  const exact = new Cors(['https://a.example']);
  assert.deepEqual(exact.headers('https://a.example'), [
    ['Access-Control-Allow-Origin', 'https://a.example'],
    ['Access-Control-Allow-Credentials', 'true'],
    ['Vary', 'Origin'],
  ]);
  for (const origin of [
    '',
    'null',
    'https://a.example.evil',
    'https://evila.example',
    'http://a.example',
    'https://a.example:444',
    'https://A.example',
    'https://a.example.',
  ])
    assert.deepEqual(exact.headers(origin), [['Vary', 'Origin']], origin);
  assert.deepEqual(new Cors(['*']).headers('https://b.example'), [
    ['Access-Control-Allow-Origin', '*'],
    ['Vary', 'Origin'],
  ]);
  assert.deepEqual(new Cors([]).headers('https://a.example'), []);
  assert.deepEqual(new Cors([]).preflightHeaders('https://a.example'), []);
  assert.deepEqual(exact.preflightHeaders('https://b.example'), []);
});
