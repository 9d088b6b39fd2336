/** What JetStream answers to an event that it was given. */
import type { Msg } from '@nats-io/transport-node';

export interface Ack {
  /** The event's number. */
  readonly n: number;
  /** One with the same message id was there before, and has this number. */
  readonly isDuplicate: boolean;
}

/** It was not stored. `reason`: undefined when nobody leads the stream now, which passes by itself. */
export interface Refusal {
  readonly n: undefined;
  readonly reason: string | undefined;
}

/** JetStream is between two states; as without a leader. */
const UNAVAILABLE = 10_008;

export function parseAck(message: Msg): Ack | Refusal {
  if (message.data.length === 0) return refusal(undefined);
  const answer = parse(message.string());
  const { seq: n, duplicate, error } = answer;
  if (typeof n === 'number' && Number.isSafeInteger(n) && n >= 1)
    return { n, isDuplicate: duplicate === true };
  const { err_code: code, description } = Object(error) as Record<string, unknown>;
  if (code === UNAVAILABLE) return refusal(undefined);
  return refusal(
    typeof description === 'string' ? description : 'it is not JetStream that answers',
  );
}

const refusal = (reason: string | undefined): Refusal => ({ n: undefined, reason });

function parse(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? { ...value } : {};
  } catch {
    return {};
  }
}
