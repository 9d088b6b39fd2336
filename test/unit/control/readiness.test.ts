/** `GET /readyz`: ready when everything is, and what is not says why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readinessOf, SERVING } from '../../../src/control/readiness.ts';

const told = (conditions: Parameters<typeof readinessOf>[0]) => {
  const { status, body } = readinessOf(conditions);
  return [status, JSON.parse(body!)] as const;
};

const serving = { name: SERVING, ok: true };
const other = { name: 'cluster', ok: false, reason: 'no connection: look whether it runs' };

test('readiness - ready when all conditions are met', () => {
  assert.deepEqual(told([serving]), [200, { status: 'ready', conditions: [serving] }]);
});

test('readiness - one that is not makes it unready, and says why', () => {
  const conditions = [serving, other];
  assert.deepEqual(told(conditions), [503, { status: 'unready', conditions }]);
});

test('readiness - a server that leaves is draining, whatever else is not met', () => {
  const conditions = [{ name: SERVING, ok: false, reason: 'this server is leaving' }, other];
  assert.deepEqual(told(conditions), [503, { status: 'draining', conditions }]);
});
