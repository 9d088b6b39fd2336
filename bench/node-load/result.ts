/** The lines of JSON on standard output, with the names that `bench/load/sample.c` gives the figures. */
import type { Sample } from './clocks.ts';
import type { Crowd } from './crowd.ts';
import { quantiles } from './histogram.ts';
import type { Publishers } from './publishers.ts';

/** Fewer digits, as nobody can measure more. */
const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

interface Stretch {
  readonly before: Sample;
  readonly after: Sample;
}

function cost({ before, after }: Stretch) {
  const wall = after.wall - before.wall;
  const server = after.server - before.server;
  const user = after.user - before.user;
  const ticks = user + after.system - before.system;
  return {
    loadCpuShare: rounded((after.load - before.load) / wall, 4),
    serverCpuUs: rounded(server / 1e3, 1),
    serverCpuShare: rounded(server / wall, 4),
    serverUserShare: rounded(ticks > 0 ? user / ticks : 0, 4),
  };
}

const seconds = (from: number, to: number): number => rounded(Math.max(0, (to - from) / 1e9), 6);

/** Opening counts from the first connection to the last head, replay to the arrival of the last event. */
export function openedLine(stretch: Stretch & { opened: Sample }, crowd: Crowd): string {
  const { before, opened } = stretch;
  const tally = crowd.counted();
  const { deliveries, outOfOrder } = tally.counts;
  const { serverCpuUs, loadCpuShare } = cost(stretch);
  return JSON.stringify({
    open: crowd.live,
    openSeconds: seconds(before.wall, opened.wall),
    replaySeconds: seconds(before.wall, Math.max(opened.wall, tally.last)),
    deliveries,
    outOfOrder,
    serverCpuUs,
    loadCpuShare,
    heads: quantiles(tally.heads),
  });
}

/** Whoever publishes may begin. */
export const hearingLine = (crowd: Crowd): string => JSON.stringify({ hearing: crowd.live });

/** `seconds` is until the last answer or arrival: a run that lost something waited in vain at its end. */
export function resultLine(stretch: Stretch, crowd: Crowd, publishers: Publishers): string {
  const { posted, answered, refused, answers } = publishers;
  const tally = crowd.counted();
  const { last, ...counts } = tally.counts;
  return JSON.stringify({
    streams: crowd.live,
    posted,
    refused,
    ...counts,
    seconds: seconds(stretch.before.wall, Math.max(last, publishers.last)),
    ...cost(stretch),
    answers: quantiles(answers),
    latency: quantiles(tally.latency),
    lastStream: quantiles(tally.lastStream),
    incomplete: Math.max(0, answered - refused - tally.lastStream.total),
  });
}
