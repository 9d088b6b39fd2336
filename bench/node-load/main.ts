/**
 * The load generator for machines without a C compiler: the command line, the standard input and the standard output
 * of `bench/load.c`, in Node. Its own CPU per delivery is several times that of the C program, so that it is the
 * bottleneck sooner; `loadCpuShare` says when. It differs in this:
 *
 * - streams are read by one thread per core, so that `loadCpuShare` counts several and can pass 1;
 * - `-poll` is taken and ignored;
 * - a stuck stream keeps the receive buffer that the system gives it (the C program makes it small).
 */
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type Options, parseOptions, parseRun, type Run } from './arguments.ts';
import { takeSample } from './clocks.ts';
import { Crowd, fail } from './crowd.ts';
import { Publishers } from './publishers.ts';
import { openedLine, resultLine } from './result.ts';

const OPEN_DEADLINE_MS = 60_000;
const REPLAY_DEADLINE_MS = 120_000;

/** Resolves with true when `work` is done, with false after `ms`. */
async function done(work: Promise<void>, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const late = delay(ms, false, { signal: abort.signal }).catch(() => false);
  return Promise.race([work.then(() => true), late]).finally(() => abort.abort());
}

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

/** Publishes all events of a run, and resolves when they are answered and have arrived at every stream. */
function published(run: Run, { stuck }: Options, crowd: Crowd, publishers: Publishers) {
  return new Promise<void>((resolve) => {
    const arrived = async () => {
      const finished = publishers.finished;
      if (!finished && !(run.mode === 'lockstep' && publishers.quiet)) return;
      if (!stuck) await crowd.have(publishers.answered - publishers.refused);
      if (finished) resolve();
      else publishers.post(0);
    };
    publishers.onAnswer = arrived;
    publishers.begin(run);
    arrived().catch(fail);
  });
}

async function measure(run: Run, options: Options, crowd: Crowd, publishers: Publishers) {
  await crowd.begin(run.id);
  const before = takeSample(options.servers);
  const work = published(run, options, crowd, publishers);
  await done(work, run.deadlineSeconds * 1e3);
  const after = takeSample(options.servers);
  console.log(resultLine({ before, after }, crowd, publishers));
  publishers.end();
}

/** One line of standard input is one run; its end is the end of the streams. */
async function main(): Promise<void> {
  const options = parseOptions(process.argv.slice(2));
  const crowd = new Crowd(options);
  const publishers = new Publishers(options, crowd.board);
  await openAll(options, crowd);
  let id = 0;
  for await (const line of createInterface({ input: process.stdin })) {
    id = (id % 255) + 1;
    await measure(parseRun(line, id), options, crowd, publishers);
  }
  process.exit(0);
}

main().catch(fail);
