/**
 * The client of NATS (3.3.1, and 3.4.0 too) writes to a socket that its server has just ended. Node then
 * emits an error, for which the client has taken its listener away: it would end the process. So such
 * writes are left out; the client notices by itself that the connection is over.
 */
import { createRequire } from 'node:module';

interface Transport {
  readonly socket?: { readonly writable: boolean };
  _send(frame: Uint8Array): Promise<void>;
}

/** To be called before the first connection. Idempotent. */
export function leaveOutLateWrites(): void {
  const { prototype } = transportClass();
  const send = prototype._send;
  if (send.name === 'sendInTime') return;
  prototype._send = function sendInTime(this: Transport, frame: Uint8Array): Promise<void> {
    return this.socket?.writable === false ? Promise.resolve() : send.call(this, frame);
  };
}

function transportClass(): { readonly prototype: Transport } {
  const load = createRequire(import.meta.url);
  // Not part of what the package promises: another version may have another, and a test would tell.
  const { NodeTransport } = load('@nats-io/transport-node/lib/node_transport.js') as {
    readonly NodeTransport: { readonly prototype: Transport };
  };
  return NodeTransport;
}
