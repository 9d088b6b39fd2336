/** Names in NATS of what nodes say to each other; nothing of it is stored, but for revocations. */

/** Heartbeats of all nodes. */
export const BEAT_SUBJECT = 'tidings.n.hb';

/** Who comes to a node, and who goes. */
export const BULLETIN_SUBJECT = 'tidings.n.b';

/** Questions to all nodes. */
export const QUESTION_SUBJECT = 'tidings.n.q';

/** The stream of revocations, and what it takes. */
export const REVOKED_STREAM = 'TIDINGS_REVOKED';
export const ALL_REVOKED = 'tidings.r.>';
export const REVOKED_PREFIX = 'tidings.r.';
