/** What JetStream answers to an event that it was given. */
import type { Msg } from '@nats-io/transport-node';

export interface Ack {
  /** The event's number. */
  readonly n: number;
  /** One with the same message id was there before, and has this number. */
  readonly isDuplicate: boolean;
}

/** Undefined when it was not stored: nobody leads the stream now, or it takes nothing for another reason. */
export function parseAck(message: Msg): Ack | undefined {
  if (message.data.length === 0) return undefined;
  const answer = parse(message.string());
  const n = answer['seq'];
  if (typeof n !== 'number' || !Number.isSafeInteger(n) || n < 1) return undefined;
  return { n, isDuplicate: answer['duplicate'] === true };
}

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
