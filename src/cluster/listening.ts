/** Takes what nodes publish to all others: what does not look as it should is told, and left out. */
import type { NatsConnection } from '@nats-io/transport-node';
import { Misshapen, parseAs, type Shape } from './shape.ts';

export interface Listening<T> {
  readonly shape: Shape<T>;
  /** Longest message that is read. */
  readonly maxBytes: number;
  readonly take: (message: T) => void;
  /** Something came that is no such message. */
  readonly onFault: (error: Error) => void;
}

export function listen<T>(
  connection: NatsConnection,
  subject: string,
  { shape, maxBytes, take, onFault }: Listening<T>,
): void {
  connection.subscribe(subject, {
    callback: (error, message) => {
      if (error !== null) return;
      try {
        if (message.data.length > maxBytes) throw new Misshapen(`too long for ${subject}`);
        take(parseAs(shape, Buffer.from(message.data).toString()));
      } catch (fault) {
        onFault(fault as Error);
      }
    },
  });
}
