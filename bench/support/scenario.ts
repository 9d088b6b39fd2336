/** What a scenario is and what it gives back. One file in `scenarios/` each. */
import type { Peer } from './peer.ts';

/** One figure: what was counted, for whom, in every round. */
export interface Row {
  readonly subject: string;
  readonly metric: string;
  readonly unit: string;
  readonly samples: readonly number[];
}

/** A figure that has to stay below (or reach) a limit. */
export interface Target {
  readonly metric: string;
  readonly subject: string;
  /** The limit is one on `subject` divided by this, round by round. */
  readonly over?: string;
  readonly atMost?: number;
  readonly atLeast?: number;
}

export interface Result {
  readonly rows: readonly Row[];
  readonly targets: readonly Target[];
  /** What a reader must know to trust the figures: losses, missing peers, the generator's own CPU. */
  readonly notes: readonly string[];
}

export interface Settings {
  readonly runs: number;
  /** Multiplies counts of events, streams stay as they are: 0.1 for a quick look. */
  readonly scale: number;
  /** Our own server, and where asked for a second build of it under another name. */
  readonly ours: readonly Peer[];
  /** The others to compare with; empty when only our own server is measured. */
  readonly rivals: readonly Peer[];
  log(text: string): void;
}

export interface Scenario {
  readonly name: string;
  readonly title: string;
  /** How it is measured, in full sentences: printed above the table. */
  readonly how: string;
  /** The figure that is plotted and compared, and which way of it is the better one. */
  readonly headline?: { readonly metric: string; readonly better: 'less' | 'more' };
  /** Servers that take part in it and are not among those that are compared everywhere. */
  readonly own?: readonly Peer[];
  run(settings: Settings): Promise<Result>;
}

/** Collects samples by subject and metric, in the order first seen. */
export class Sheet {
  readonly #rows = new Map<string, { row: Omit<Row, 'samples'>; samples: number[] }>();
  readonly notes = new Set<string>();

  add(subject: string, metric: string, unit: string, sample: number): void {
    const key = `${subject}\n${metric}`;
    const held = this.#rows.get(key) ?? { row: { subject, metric, unit }, samples: [] };
    held.samples.push(sample);
    this.#rows.set(key, held);
  }

  samples(subject: string, metric: string): readonly number[] {
    return this.#rows.get(`${subject}\n${metric}`)?.samples ?? [];
  }

  rows(): Row[] {
    return [...this.#rows.values()].map(({ row, samples }) => ({ ...row, samples }));
  }
}
