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

const seconds = (from: Sample, to: Sample): number => rounded((to.wall - from.wall) / 1e9, 6);

/** Opening counts from the first connection to the last head, replay to the arrival of the last event. */
export function openedLine(stretch: Stretch & { opened: Sample }, crowd: Crowd): string {
  const { before, opened, after } = stretch;
  const tally = crowd.counted();
  const { deliveries, outOfOrder } = tally.counts;
  const { serverCpuUs, loadCpuShare } = cost(stretch);
  return JSON.stringify({
    open: crowd.live,
    openSeconds: seconds(before, opened),
    replaySeconds: seconds(before, after),
    deliveries,
    outOfOrder,
    serverCpuUs,
    loadCpuShare,
    heads: quantiles(tally.heads),
  });
}

export function resultLine(stretch: Stretch, crowd: Crowd, publishers: Publishers): string {
  const { before, after } = stretch;
  const { posted, answered, refused, answers } = publishers;
  const tally = crowd.counted();
  return JSON.stringify({
    streams: crowd.live,
    posted,
    refused,
    ...tally.counts,
    seconds: seconds(before, after),
    ...cost(stretch),
    answers: quantiles(answers),
    latency: quantiles(tally.latency),
    lastStream: quantiles(tally.lastStream),
    incomplete: Math.max(0, answered - refused - tally.lastStream.total),
  });
}
