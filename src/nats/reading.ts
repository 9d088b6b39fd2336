/** What a stream of JetStream has behind a number, read once: by a consumer of its own that is gone afterwards. */
import {
  AckPolicy,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamClient,
  type JetStreamManager,
  type JsMsg,
} from '@nats-io/jetstream';

/** What is left of a consumer that was not deleted goes by itself after this, in nanoseconds. */
const IDLE_NS = 30e9;

export interface Reading {
  readonly jsm: JetStreamManager;
  readonly js: JetStreamClient;
  readonly stream: string;
  readonly after: number;
  /** Undefined: all that it has. */
  readonly subjects?: readonly string[] | undefined;
  /** Bytes that NATS may send ahead; undefined: what the client asks for by itself. */
  readonly aheadBytes?: number | undefined;
  /** How long it may take, in milliseconds. */
  readonly maxMs: number;
}

/**
 * Gives each message to `take`, in order, until that says that it is enough, or there are no more.
 * Rejects when NATS does not answer, or not all of it: it may be read again.
 */
export async function readBehind(
  reading: Reading,
  take: (message: JsMsg) => boolean,
): Promise<void> {
  const { jsm, stream, after, subjects } = reading;
  const consumer = await jsm.consumers.add(stream, {
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: after + 1,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: IDLE_NS,
    ...(subjects === undefined ? {} : { filter_subjects: [...subjects] }),
  });
  try {
    if (consumer.num_pending > 0) await takeFrom(consumer, reading, take);
  } finally {
    jsm.consumers.delete(stream, consumer.name).catch(() => {});
  }
}

async function takeFrom(
  consumer: ConsumerInfo,
  { js, aheadBytes, maxMs }: Reading,
  take: (message: JsMsg) => boolean,
): Promise<void> {
  const ahead = aheadBytes === undefined ? {} : { max_bytes: aheadBytes };
  const messages = await js.consumers
    .getConsumerFromInfo(consumer)
    .consume({ ...ahead, expires: maxMs });
  const timer = setTimeout(() => messages.stop(), maxMs);
  try {
    let place = 0;
    for await (const message of messages) {
      place += 1;
      // One that was lost on the way.
      if (message.info.deliverySequence !== place) break;
      if (take(message) || message.info.pending === 0) return;
    }
  } finally {
    clearTimeout(timer);
    messages.stop();
  }
  throw new Error('NATS has not sent all that it has');
}
