/** What a load generator is asked to do in most tests, and what it has to count. */
import type { Answer } from './generator.ts';

export const STREAMS = 50;
const PUBLISHERS = 2;
export const EVENTS = 100;

export const RUNS = [
  `lockstep 1 ${EVENTS} 0 140 20`,
  `closed ${PUBLISHERS} ${EVENTS} 0 140 20`,
  `rate ${PUBLISHERS} ${EVENTS} 500 140 20`,
];

/** What was counted, without the figures that are never twice the same. */
export function counts({
  streams,
  posted,
  refused,
  deliveries,
  outOfOrder,
  stray,
  closed,
}: Answer) {
  return { streams, posted, refused, deliveries, outOfOrder, stray, closed };
}

export const FAULTLESS = {
  ...{ streams: STREAMS, posted: EVENTS, deliveries: EVENTS * STREAMS },
  ...{ refused: 0, outOfOrder: 0, stray: 0, closed: 0 },
};
