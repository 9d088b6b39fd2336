/** What a stream has on it beside events: its first bytes, and notices that only say where it is. */

const POSITION_NOTICES: readonly (string | undefined)[] = ['tidings.open', 'tidings.position'];

/** True for the server's own events that carry nothing but a position: most tests are about others. */
export const isPositionNotice = (event: string | undefined): boolean =>
  POSITION_NOTICES.includes(event);

/** The first bytes of every stream: `retry:`, the notice unless it is switched off, and comments. */
const OPENING =
  /^retry: \d+\n(?::\n)?(?:event: tidings\.open\ndata: [^\n]*\n(?:id: [^\n]*\n)?\n)?(?::\n)?/;

/** A stream's text from its first event or heartbeat on. */
export const withoutOpening = (text: string): string => text.replace(OPENING, '');

/** A stream is open: its first bytes have arrived. */
export const OPENED = /event: tidings\.open\ndata: [^\n]*\n(?:id: [^\n]*\n)?\n/;
