/** The `traceparent` of an emit (W3C Trace Context): what it belongs to in the traces of its backend. */

// Versions to come may have more behind the flags; ff is none.
const TRACEPARENT = /^(?!ff)[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(?:-.*)?$/;

const VERSION_0_LENGTH = 55;

const NOTHING = /^0+$/;

/** The trace id, 32 hexadecimal digits; undefined for a header that is not there or is none. */
export function traceOf(traceparent: string): string | undefined {
  const [, trace, parent] = TRACEPARENT.exec(traceparent) ?? [];
  if (trace === undefined || parent === undefined) return undefined;
  if (traceparent.startsWith('00') && traceparent.length !== VERSION_0_LENGTH) return undefined;
  return NOTHING.test(trace) || NOTHING.test(parent) ? undefined : trace;
}
