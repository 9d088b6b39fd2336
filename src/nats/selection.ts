/** Which events of the stream a hub asks for: as subjects for NATS, and as what is looked at here. */
import { isPrefix, stemOf, stemsOf } from '../log/prefix.ts';
import { SEVERAL_CHANNELS, subjectBelow, subjectOf } from './subjects.ts';

export class Selection {
  readonly #names: ReadonlySet<string>;
  readonly #stems: ReadonlySet<string>;

  /** Names of channels, and of prefixes. */
  constructor(channels: readonly string[]) {
    this.#names = new Set(channels.filter((name) => !isPrefix(name)));
    this.#stems = new Set(channels.filter(isPrefix).map(stemOf));
  }

  /** An event for these channels is one of them. */
  has(channels: readonly string[]): boolean {
    return channels.some((name) => this.#names.has(name) || this.#isBelow(name));
  }

  /** Where they lie, and some others with them. None is part of another: NATS would not take them. */
  get subjects(): string[] {
    const names = [...this.#names].filter((name) => !this.#isBelow(name));
    const stems = [...this.#stems].filter((stem) => !this.#isBelow(stem.slice(0, -1)));
    return [
      ...names.map((name) => subjectOf([name])),
      ...stems.map(subjectBelow),
      SEVERAL_CHANNELS,
    ];
  }

  #isBelow(name: string): boolean {
    return this.#stems.size > 0 && stemsOf(name).some((stem) => this.#stems.has(stem));
  }
}
