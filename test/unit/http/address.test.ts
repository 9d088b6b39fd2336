import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientOf, normaliseAddress, PeerResolver } from '../../../src/http/address.ts';
import { Cors } from '../../../src/http/cors.ts';
import { Admission } from '../../../src/public/admission.ts';

test('address - the addon writes IPv4 on a dual-stack listener as mapped IPv6', () => {
  assert.equal(normaliseAddress('0000:0000:0000:0000:0000:ffff:7f00:0001'), '127.0.0.1');
  assert.equal(normaliseAddress('::ffff:10.1.2.3'), '10.1.2.3');
  assert.equal(normaliseAddress('127.0.0.1'), '127.0.0.1');
  assert.equal(normaliseAddress('2001:db8::1'), '2001:db8::1');
  assert.equal(normaliseAddress(''), '');
  assert.equal(normaliseAddress('unknown'), 'unknown');
});

test('address - every spelling of an address is one text', () => {
  for (const [text, one] of [
    ['2001:DB8:0::7', '2001:db8::7'],
    ['2001:0db8:0000:0000:0000:0000:0000:0007', '2001:db8::7'],
    ['2001:db8::0.0.0.7', '2001:db8::7'],
    ['::FFFF:0a01:0203', '10.1.2.3'],
    ['::ffff:a01:203', '10.1.2.3'],
    ['fe80::1%eth0', 'fe80::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ] as const)
    assert.equal(normaliseAddress(text), one, text);
});

test('address - one client is an IPv4 address or an IPv6 network', () => {
  const a = '2001:db8:1:2:3:4:5:6';
  assert.equal(clientOf(a, 64), '2001:db8:1:2::/64');
  assert.equal(clientOf('2001:db8:1:2::1', 64), '2001:db8:1:2::/64');
  assert.equal(clientOf('2001:db8:1:3::1', 64), '2001:db8:1:3::/64');
  assert.equal(clientOf(a, 56), '2001:db8:1::/56');
  assert.equal(clientOf(a, 128), `${a}/128`);
  assert.equal(clientOf('192.0.2.1', 1), '192.0.2.1');
  assert.equal(clientOf('', 64), '', 'a peer on a unix socket');
});

test('peers - hops with ports, in brackets, in any spelling', () => {
  const peers = new PeerResolver(['127.0.0.1', '2001:DB8:0:0::/64', '::ffff:10.0.0.0/104']);
  for (const [header, client] of [
    ['192.0.2.1:1111', '192.0.2.1'],
    ['[2001:db8:1::1]:443', '2001:db8:1::1'],
    ['[2001:db8:1::1]', '2001:db8:1::1'],
    ['2001:DB8:1:0::7', '2001:db8:1::7'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['[::ffff:c000:201]:80', '192.0.2.1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%25eth0]:80', 'fe80::1'],
    ['6.6.6.6:1, 192.0.2.1:2, [2001:db8::9]:3, 10.9.9.9:4', '192.0.2.1'],
    ['192.0.2.1:port', '127.0.0.1'],
    ['192.0.2.1:', '127.0.0.1'],
    ['192.0.2.256:1', '127.0.0.1'],
    ['0300.0.2.1', '127.0.0.1'],
    ['192.0.513', '127.0.0.1'],
    ['[192.0.2.1', '127.0.0.1'],
    ['unknown', '127.0.0.1'],
    ['%', '127.0.0.1'],
  ] as const)
    assert.equal(peers.resolve('127.0.0.1', header), client, header);
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

const owner = (user: string, address: string) => ({ user, address });

test('admission - each limit by itself, and places come free again', () => {
  const admission = new Admission({ streams: 3, streamsPerUser: 2, streamsPerAddress: 2 });
  const streams = [owner('ann', 'x'), owner('ann', 'y'), owner('bob', 'x')] as const;
  for (const stream of streams) {
    assert.equal(admission.refusal(stream), undefined);
    admission.enter(stream);
  }
  assert.equal(admission.refusal(owner('ann', 'z')), 'streams-per-user');
  assert.equal(admission.refusal(owner('eve', 'x')), 'streams-per-address');
  assert.equal(admission.refusal(owner('eve', 'y')), 'streams');
  admission.leave(streams[1]);
  assert.equal(admission.refusal(owner('eve', 'x')), 'streams-per-address');
  admission.leave(streams[0]);
  assert.equal(admission.refusal(owner('ann', 'x')), undefined);
});

test('admission - the oldest of the user or address that is full, in the order of their coming', () => {
  const admission = new Admission({ streams: 9, streamsPerUser: 2, streamsPerAddress: 2 });
  const [first, second, other] = [owner('ann', 'x'), owner('ann', 'y'), owner('bob', 'y')];
  for (const stream of [first, second, other]) admission.enter(stream);
  assert.equal(admission.oldest(owner('ann', 'z'), 'streams-per-user'), first);
  assert.equal(admission.oldest(owner('eve', 'y'), 'streams-per-address'), second);
  assert.equal(admission.oldest(owner('ann', 'x'), 'streams'), undefined);
  admission.leave(first);
  admission.enter(first);
  assert.equal(admission.oldest(owner('ann', 'z'), 'streams-per-user'), second);
});

test('admission - 0 means no limit', () => {
  const admission = new Admission({ streams: 1_000, streamsPerUser: 0, streamsPerAddress: 0 });
  for (let i = 0; i < 1_000; i += 1) {
    assert.equal(admission.refusal(owner('ann', 'x')), undefined);
    admission.enter(owner('ann', 'x'));
  }
  assert.equal(admission.refusal(owner('ann', 'x')), 'streams');
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
