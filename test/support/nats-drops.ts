/** Takes messages with events out of what a NATS server sends to a node, as if they were lost on the way. */
import type { Filter } from './nats-links.ts';

const LINE_END = '\r\n';

/** A message is `MSG SUBJECT … BYTES`, or with headers `HMSG SUBJECT … BYTES`, and so many bytes below. */
const MESSAGE = /^H?MSG (\S+) .*?(\d+)$/;

/** Where events lie. */
const EVENTS = 'tidings.e.';

/** Of one connection. `isLost`: asked for each event that is delivered to a consumer. */
export function withoutEvents(isLost: () => boolean): Filter {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    const kept: Buffer[] = [];
    for (;;) {
      const length = nextLength(rest);
      if (length === undefined) return Buffer.concat(kept);
      const { subject, bytes } = length;
      if (!(subject?.startsWith(EVENTS) && isLost())) kept.push(rest.subarray(0, bytes));
      rest = rest.subarray(bytes);
    }
  };
}

/** Of the first message or other line, once all of it is there. */
function nextLength(bytes: Buffer): { subject?: string | undefined; bytes: number } | undefined {
  const end = bytes.indexOf(LINE_END);
  if (end < 0) return undefined;
  const found = MESSAGE.exec(bytes.subarray(0, end).toString('latin1'));
  const head = end + LINE_END.length;
  if (found === null) return { bytes: head };
  const whole = head + Number(found[2]) + LINE_END.length;
  return bytes.length < whole ? undefined : { subject: found[1], bytes: whole };
}
