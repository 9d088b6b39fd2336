/** Two minutes of what `npm run test:soak` does for half an hour. */
import { test } from 'node:test';
import { soak } from '../soak/soak.ts';

/** Memory has hardly settled after a third of a minute. */
const GROWTH = 1.3;

test('soak - 20,000 channels, streams that come and go, short history, short tokens, stuck readers: all of it holds for two minutes', {
  timeout: 300_000,
}, async (t) => {
  await soak(t, {
    ...{ seconds: 120, users: 20_000, present: 1_000, emitsPerSecond: 200 },
    growth: GROWTH,
    print: (line) => t.diagnostic(line),
  });
});
