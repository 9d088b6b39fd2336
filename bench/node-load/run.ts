/** One run: from its first post until everything has arrived, or nothing more will. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Options, Run } from './arguments.ts';
import { takeSample } from './clocks.ts';
import { type Crowd, fail } from './crowd.ts';
import { nowNs } from './marker.ts';
import type { Publishers } from './publishers.ts';
import { hearingLine, resultLine } from './result.ts';

/** What has not come by then was lost: a server that drops events is not to hold up the others. */
const QUIET_NS = 2e9;
const LOOK_EVERY_MS = 50;

export interface Load {
  readonly options: Options;
  readonly crowd: Crowd;
  readonly publishers: Publishers;
}

/** Resolves with true when `work` is done, with false after `ms`. */
export async function done(work: Promise<void>, ms: number): Promise<boolean> {
  const abort = new AbortController();
  const late = delay(ms, false, { signal: abort.signal }).catch(() => false);
  return Promise.race([work.then(() => true), late]).finally(() => abort.abort());
}

/** Publishes the events of a run, and resolves when they are answered and have arrived at every stream. */
function published(run: Run, { options, crowd, publishers }: Load): Promise<void> {
  return new Promise((resolve) => {
    const proceed = async () => {
      if (!publishers.waiting) return;
      if (!options.stuck) await crowd.have(publishers.answered - publishers.refused);
      if (!publishers.finished) publishers.post(0);
      if (publishers.finished) resolve();
    };
    publishers.onChange = () => void proceed().catch(fail);
    publishers.begin(run);
    publishers.onChange();
  });
}

/** Resolves when every stream has had its events of someone else, who may begin. */
function heard(run: Run, { crowd, publishers }: Load): Promise<void> {
  publishers.begin(run);
  const all = crowd.have(run.count || 1);
  console.log(hearingLine(crowd));
  return all;
}

/** Resolves when nothing has come for so long that it never will. Ended by `signal`. */
async function lost({ crowd, publishers }: Load, signal: AbortSignal): Promise<void> {
  for (;;) {
    await delay(LOOK_EVERY_MS, undefined, { signal });
    const last = Math.max(crowd.lastArrival, publishers.last);
    if (publishers.waiting && last > 0 && nowNs() > last + QUIET_NS) return;
  }
}

/** Resolves with the line that tells what was counted. */
export async function measure(run: Run, load: Load): Promise<string> {
  const { options, crowd, publishers } = load;
  await crowd.begin(run.id, run.mode === 'hear' && run.count === 0);
  const before = takeSample(options.servers);
  const over = new AbortController();
  const given = lost(load, over.signal).catch(() => {});
  const work = run.mode === 'hear' ? heard(run, load) : published(run, load);
  await done(Promise.race([work, given]), run.deadlineSeconds * 1e3);
  over.abort();
  const after = takeSample(options.servers);
  const line = resultLine({ before, after }, crowd, publishers);
  publishers.end();
  return line;
}
