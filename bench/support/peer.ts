/** What a server must tell to take part in a benchmark. One file in `peers/` each. */
import type { Cleanup } from './cleanup.ts';

export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The request that opens a stream. */
export interface Subscription {
  /** With its query. */
  readonly path: string;
  /** Header lines such as `Authorization: Bearer …`; the load generator adds Host and Accept. */
  readonly headers: readonly string[];
}

/** The request that publishes an event. */
export interface Publication extends Subscription {
  /** `{event}` in it becomes the event's text: letters, digits and `@`, safe in every encoding of a body. */
  readonly body: string;
}

export interface Bulk extends Subscription {
  /** The line of an event to the one user `index`; `text` is as in a `Publication`. */
  line(index: number, text: string): string;
}

export interface RunningPeer {
  readonly name: string;
  /** Processes whose CPU and memory are counted: all that a delivery passes through, not their supervisors. */
  readonly pids: readonly number[];
  /** Of a server of several nodes: which of them serve the streams, and which are what the nodes share. */
  readonly parts?: { readonly streams: readonly number[]; readonly store: readonly number[] };
  readonly stream: Address;
  readonly emit: Address;
  /** Streams that may wait for their head at a time, for a server that loses some where they are 200. */
  readonly opensAtOnce?: number;
  /** How stream number `index` is opened. Every index is a user of its own, and hears what is for everyone. */
  subscribe(index: number): Subscription;
  /** Publishes to everyone. */
  readonly broadcast: Publication;
  /** Publishes to the one user `index`; absent where a server cannot. */
  toUser?(index: number): Publication;
  /** Many events, one a line of one request; absent where a server takes one event a request. */
  readonly bulk?: Bulk;
  /**
   * How streams open that come back after they have seen `seen`: what a stream got, up to the end of an event.
   * Absent where a server keeps no history.
   */
  resume?(seen: string): (index: number) => Subscription;
}

export interface Peer {
  readonly name: string;
  /** Settings a reader needs to judge whether the comparison is fair. */
  readonly settings: string;
  /** Of the program that takes part, as it tells it itself; printed under every table. */
  version?(): string;
  /** Why this peer cannot run here; undefined when it can. */
  missing(): string | undefined;
  start(owner: Cleanup): Promise<RunningPeer>;
}

/** Its header lines by their names. */
export const headersOf = ({ headers }: Subscription): Record<string, string> =>
  Object.fromEntries(headers.map((line) => line.split(/: ?(.*)/s, 2)));

/** The last `id:` of what a stream has seen. */
export function idIn(seen: string): string {
  const id = [...seen.matchAll(/^id: ?(.*)$/gm)].at(-1)?.[1];
  if (id === undefined) throw new Error(`no id in ${seen.slice(0, 200)}`);
  return id.trimEnd();
}
