import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Revocation, Revocations } from '../../../src/hub/revocations.ts';

const ofUser = (name: string, issuedBefore: number, until = 100): Revocation => {
  return { kind: 'user', name, issuedBefore, until };
};
const ofToken = (name: string, until = 100): Revocation => {
  return { kind: 'token', name, issuedBefore: 0, until };
};
const bearer = (user: string, issuedAt: number, tokenId?: string) => ({ user, issuedAt, tokenId });

function setUp(max = 10) {
  let now = 0;
  const revocations = new Revocations(max, () => now);
  const setTime = (seconds: number): void => {
    now = seconds;
  };
  return { revocations, setTime };
}

test('revocations - tokens of a user made before the moment, and those that do not say when', () => {
  const { revocations } = setUp();
  revocations.add(ofUser('ann', 50));
  assert.equal(revocations.covers(bearer('ann', 49)), true);
  assert.equal(revocations.covers(bearer('ann', 0)), true);
  assert.equal(revocations.covers(bearer('ann', 50)), false);
  assert.equal(revocations.covers(bearer('bob', 49)), false);
});

test('revocations - one token by its id, whoever it belongs to', () => {
  const { revocations } = setUp();
  revocations.add(ofToken('t1'));
  assert.equal(revocations.covers(bearer('ann', 49, 't1')), true);
  assert.equal(revocations.covers(bearer('ann', 49, 't2')), false);
  assert.equal(revocations.covers(bearer('t1', 49)), false);
});

test('revocations - a second one never takes back what the first has revoked', () => {
  const { revocations } = setUp();
  revocations.add(ofUser('ann', 50, 100));
  revocations.add(ofUser('ann', 20, 60));
  assert.deepEqual(revocations.list(), [ofUser('ann', 50, 100)]);
});

test('revocations - past its time it neither counts nor takes room', () => {
  const { revocations, setTime } = setUp(2);
  revocations.add(ofUser('ann', 50, 100));
  revocations.add(ofToken('t', 200));
  setTime(100);
  assert.equal(revocations.covers(bearer('ann', 49)), false);
  revocations.add(ofToken('u', 200));
  assert.deepEqual(revocations.list(), [ofToken('t', 200), ofToken('u', 200)]);
});

test('revocations - when there is no room none is dropped: the next is refused', () => {
  const { revocations } = setUp(2);
  revocations.add(ofUser('ann', 50));
  revocations.add(ofToken('t'));
  assert.throws(() => revocations.add(ofToken('u')), { code: 'REVOCATIONS_FULL', message: /ttl/ });
  revocations.add(ofUser('ann', 60)); // takes no more room
  assert.equal(revocations.covers(bearer('x', 1, 't')), true);
});

test('revocations - one that is over lends nothing to the next of the same name', () => {
  const { revocations, setTime } = setUp();
  revocations.add(ofUser('ann', 1_000_000, 60));
  setTime(61);
  revocations.add(ofUser('ann', 61, 1_000));
  assert.equal(revocations.covers(bearer('ann', 60)), true);
  assert.equal(revocations.covers(bearer('ann', 62)), false);
});
