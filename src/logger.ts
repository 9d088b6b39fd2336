/** One JSON line per record on standard error. Tokens and queries never come here. */
import { type Logger, pino } from 'pino';

export type { Logger };

/** `destination` is for tests; synchronous, so that nothing is lost when the process ends. */
export function createLogger(
  level: string,
  destination: { write(line: string): void } = pino.destination({ fd: 2, sync: true }),
): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
}
