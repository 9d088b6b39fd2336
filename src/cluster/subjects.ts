/** Names in NATS of what nodes say to each other; nothing of it is stored. */

/** Heartbeats of all nodes. */
export const BEAT_SUBJECT = 'tidings.n.hb';

/** Questions to all nodes. */
export const QUESTION_SUBJECT = 'tidings.n.q';
