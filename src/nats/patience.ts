/** A start waits for NATS, whose servers may start at the same time, or be electing a leader. */
import { setTimeout as delay } from 'node:timers/promises';
import { TidingsError } from '../errors.ts';
import type { Logger } from '../logger.ts';

/** How long it waits at most, in milliseconds. */
const START_MS = 30_000;

const RETRY_MS = 500;

export interface PatienceOptions {
  readonly logger: Logger;
  /** What is wrong, and what to do, when it was waited for in vain. */
  readonly message: (reason: string) => string;
}

/** What `run` resolves with at last; a `TidingsError` of it ends the wait. @throws TidingsError `BACKPLANE_DOWN` */
export async function waitFor<T>(
  run: () => Promise<T>,
  { logger, message }: PatienceOptions,
): Promise<T> {
  const until = performance.now() + START_MS;
  for (;;) {
    try {
      return await run();
    } catch (error) {
      if (error instanceof TidingsError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      if (performance.now() > until) throw new TidingsError('BACKPLANE_DOWN', message(reason));
      logger.warn({ reason }, 'waiting for NATS');
      await delay(RETRY_MS);
    }
  }
}
