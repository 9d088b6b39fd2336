/** What a server must tell to take part in a benchmark. One file in `peers/` each. */
import type { Cleanup } from './cleanup.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
}

export interface RunningPeer {
  readonly name: string;
  /** Processes whose CPU and memory are counted: those that deliver, not their supervisors. */
  readonly pids: readonly number[];
  readonly stream: Target;
  readonly emit: Target;
  /** The request header line of stream number `index`; every index is a user of its own. */
  streamHeader(index: number): string;
  readonly emitHeader: string;
  /** A body that publishes to everyone; `{event}` in it becomes the event's text. */
  readonly broadcast: string;
}

export interface Peer {
  readonly name: string;
  /** Settings a reader needs to judge whether the comparison is fair. */
  readonly settings: string;
  /** Why this peer cannot run here; undefined when it can. */
  missing(): string | undefined;
  start(owner: Cleanup): Promise<RunningPeer>;
}
