/**
 * Every failure that a caller can act on, with the HTTP status it is answered with. Callers match on
 * the code; the sentence is for people and may change.
 */
export const ERROR_STATUS = {
  /** A required field is absent. */
  FIELD_MISSING: 400,
  /** A field is present but its value is not allowed; the message names the field. */
  FIELD_INVALID: 400,
  /** The body is not what its Content-Type says. */
  BODY_MALFORMED: 400,
  /** Its head can be understood in two ways, or announces a body where none is taken. */
  REQUEST_MALFORMED: 400,
  /** The stream's token is missing, malformed, wrongly signed or expired. */
  TOKEN_INVALID: 401,
  /** `-ctl-token` is set and the request does not carry it. */
  CONTROL_TOKEN_INVALID: 401,
  /** A browser page of another origin made this request to the control port. */
  FOREIGN_ORIGIN: 403,
  /** The Host header names neither an address, nor localhost, nor a host of `-ctl-hosts`. */
  FOREIGN_HOST: 403,
  /** `/token/` is off because the server holds only public keys. */
  SIGNING_DISABLED: 403,
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  /** The same key with another event, or one of an upload for a single event. */
  IDEMPOTENCY_MISMATCH: 409,
  /** Under one `Idempotency-Key` there are more lines than can be remembered. */
  UPLOAD_TOO_LONG: 413,
  /** The body is larger than `-max-body`. */
  BODY_TOO_LARGE: 413,
  /** The event alone is larger than `-memory`. */
  EVENT_TOO_LARGE: 413,
  MEDIA_TYPE_UNSUPPORTED: 415,
  /** `-memory` is full of events that are still being written; emit again in a moment. */
  MEMORY_FULL: 429,
  /** With `-threads`: one of them is behind with what was emitted; emit again in a moment. */
  THREADS_BEHIND: 429,
  /** So many receipts are waited for as may be. */
  RECEIPTS_FULL: 429,
  /** So many revocations are kept as may be, none past its time. */
  REVOCATIONS_FULL: 429,
  /** A bug in tidings; the log has it. */
  INTERNAL: 500,
  /** Too many emits are on their way to NATS; emit again in a moment. */
  BACKPLANE_BUSY: 429,
  /** NATS did not take the event in time: it is not stored. */
  BACKPLANE_DOWN: 503,
  /** NATS did not say in time whether it has the event: it may be stored, or not. */
  OUTCOME_UNKNOWN: 504,
  /** The server is leaving: emit to another one, or again after the restart. */
  DRAINING: 503,
  /** A limit on open streams is reached; come back after `Retry-After`. */
  STREAM_LIMIT: 503,
  /** The keys of `-jwks` are not to be had, or not new enough; come back after `Retry-After`. */
  KEYS_UNAVAILABLE: 503,
  /** Never sent over HTTP: the command line or environment is wrong (exit code 2). */
  CONFIG_INVALID: 500,
  /** Never sent over HTTP: uWebSockets.js has no binary for this Node or C library (exit code 2). */
  ADDON_UNAVAILABLE: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

/** What each code means, whatever the cause: the `title` of a problem, and of the document of the API. */
export const ERROR_TITLE: Readonly<Record<ErrorCode, string>> = {
  FIELD_MISSING: 'A required field is absent',
  FIELD_INVALID: 'A field has a value that is not allowed',
  BODY_MALFORMED: 'The body is not what its Content-Type says',
  REQUEST_MALFORMED: 'The request can be understood in two ways, or has a body where none is taken',
  TOKEN_INVALID: "The stream's token is not accepted",
  CONTROL_TOKEN_INVALID: 'The control token is missing or wrong',
  FOREIGN_ORIGIN: 'A page of another origin may not make this request',
  FOREIGN_HOST: 'The Host header is not one that is allowed here',
  SIGNING_DISABLED: 'This server signs no tokens',
  NOT_FOUND: 'There is nothing at this path',
  METHOD_NOT_ALLOWED: 'The path exists, but not with this method',
  IDEMPOTENCY_MISMATCH: 'Another event was emitted under this key',
  UPLOAD_TOO_LONG: 'No more lines can be remembered under one key',
  BODY_TOO_LARGE: 'The body is too large',
  EVENT_TOO_LARGE: 'The event is larger than the memory for events, or than NATS takes',
  MEDIA_TYPE_UNSUPPORTED: 'The type, charset or coding of the body is not supported',
  MEMORY_FULL: 'The memory for events is full of what is still being written',
  RECEIPTS_FULL: 'No more receipts are waited for',
  REVOCATIONS_FULL: 'No more revocations are kept',
  THREADS_BEHIND: 'A thread has not taken in what was emitted before',
  BACKPLANE_BUSY: 'Too many emits are on their way to NATS',
  BACKPLANE_DOWN: 'NATS did not take the event in time',
  OUTCOME_UNKNOWN: 'NATS did not say in time whether it has the event',
  INTERNAL: 'The server failed',
  DRAINING: 'The server is leaving',
  STREAM_LIMIT: 'No more streams for now',
  KEYS_UNAVAILABLE: 'The keys that verify tokens are not to be had for now',
  CONFIG_INVALID: 'The command line or the environment is wrong',
  ADDON_UNAVAILABLE: 'There is no binary of the addon for this Node or C library',
};

/** An expected failure: a code from the table, and a sentence that says what to do. */
export class TidingsError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TidingsError';
    this.code = code;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** Ends a start with one sentence. @throws TidingsError `CONFIG_INVALID` */
export function failStart(message: string): never {
  throw new TidingsError('CONFIG_INVALID', message);
}

export const eventTooLarge = (): TidingsError =>
  new TidingsError(
    'EVENT_TOO_LARGE',
    'the event is larger than the memory for events (-memory): send less, or to fewer channels and users, or raise it',
  );

export const memoryFull = (): TidingsError =>
  new TidingsError(
    'MEMORY_FULL',
    'the memory for events (-memory) is full of what is still being written: emit again in a moment',
  );

export const threadsBehind = (): TidingsError =>
  new TidingsError(
    'THREADS_BEHIND',
    'a thread is behind with what was emitted before: emit again in a moment',
  );

export const backplaneBusy = (): TidingsError =>
  new TidingsError(
    'BACKPLANE_BUSY',
    'too many emits are on their way to NATS: emit again in a moment',
  );

export const backplaneDown = (): TidingsError =>
  new TidingsError(
    'BACKPLANE_DOWN',
    'NATS did not take the event in time, and it is not stored: emit again in a moment',
  );

/** An emit under a key that another event has. */
export const idempotencyMismatch = (): TidingsError =>
  new TidingsError(
    'IDEMPOTENCY_MISMATCH',
    'another event was emitted under this key before: give each event a key of its own',
  );

export const outcomeUnknown = (): TidingsError =>
  new TidingsError(
    'OUTCOME_UNKNOWN',
    'NATS did not say in time whether it has the event, which may come to streams or not: send it again if it has an Idempotency-Key, with which that does no harm',
  );

export const eventTooLargeFor = (bytes: number): TidingsError =>
  new TidingsError(
    'EVENT_TOO_LARGE',
    `the event is larger than the ${bytes} bytes that NATS takes: send less, or raise max_payload there`,
  );
