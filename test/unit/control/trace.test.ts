/** `traceparent` as the W3C defines it: the trace id, or nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceOf } from '../../../src/control/trace.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

test('traceparent - its trace id is kept, sampled or not, of later versions too', () => {
  assert.equal(traceOf(`00-${TRACE}-${PARENT}-01`), TRACE);
  assert.equal(traceOf(`00-${TRACE}-${PARENT}-00`), TRACE);
  assert.equal(traceOf(`cc-${TRACE}-${PARENT}-01`), TRACE);
  assert.equal(traceOf(`cc-${TRACE}-${PARENT}-01-what-the-future-will-be-like`), TRACE);
});

test('traceparent - anything else is as if it were not there', () => {
  const none = [
    '',
    TRACE,
    `00-${TRACE}-${PARENT}`,
    `00-${TRACE}-${PARENT}-01-more`,
    `00-${TRACE}-${PARENT}-01.`,
    `cc-${TRACE}-${PARENT}-01.`,
    `ff-${TRACE}-${PARENT}-01`,
    `00-${TRACE.toUpperCase()}-${PARENT}-01`,
    `00-${'0'.repeat(32)}-${PARENT}-01`,
    `00-${TRACE}-${'0'.repeat(16)}-01`,
    `00-${TRACE.slice(1)}-${PARENT}-01`,
    ` 00-${TRACE}-${PARENT}-01`,
  ];
  for (const traceparent of none) assert.equal(traceOf(traceparent), undefined, traceparent);
});
