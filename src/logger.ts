/** One JSON line per record. Tokens and queries never come here. */
import { type Logger, pino } from 'pino';

export type { Logger };

/** `output` gets each line with its line end. */
export function createLogger(level: string, output: { write(line: string): void }): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, output);
}
