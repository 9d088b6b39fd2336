/**
 * The load generator for machines without a C compiler: the command line, the standard input and the standard output
 * of `bench/load.c`, in Node. Its own CPU per delivery is several times that of the C program, so that it is the
 * bottleneck sooner; `loadCpuShare` says when. It differs in this:
 *
 * - streams are read by one thread per core, so that `loadCpuShare` counts several and can pass 1;
 * - `-poll` is taken and ignored;
 * - a stuck stream keeps the receive buffer that the system gives it (the C program makes it small), and that it was
 *   closed is seen at the beginning of the next run.
 */
import { setPriority } from 'node:os';
import { createInterface } from 'node:readline';
import { type Options, parseOptions, parseRun } from './arguments.ts';
import { takeSample } from './clocks.ts';
import { Crowd, fail } from './crowd.ts';
import { Publishers } from './publishers.ts';
import { openedLine } from './result.ts';
import { done, measure } from './run.ts';

const OPEN_DEADLINE_MS = 60_000;
const REPLAY_DEADLINE_MS = 120_000;

/** Opens the streams and reads what they are sent at once. */
async function openAll(options: Options, crowd: Crowd): Promise<void> {
  await crowd.begin(0);
  const before = takeSample(options.servers);
  if (!(await done(crowd.open(), OPEN_DEADLINE_MS)))
    throw new Error('the streams did not all open in time');
  const opened = takeSample(options.servers);
  if (options.replay > 0) await done(crowd.have(options.replay), REPLAY_DEADLINE_MS);
  const after = takeSample(options.servers);
  console.log(openedLine({ before, opened, after }, crowd));
}

/** One line of standard input is one run; its end is the end of the streams. */
async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  if (options.nice !== 0) setPriority(options.nice); // before there are threads, which inherit it
  const crowd = new Crowd(options);
  const publishers = new Publishers(options, crowd.board);
  await openAll(options, crowd);
  let id = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    id = (id % 255) + 1;
    console.log(await measure(parseRun(line, id), { options, crowd, publishers }));
  }
  process.exit(0);
}

process.on('uncaughtException', fail);
main().catch(fail);
