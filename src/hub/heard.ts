/** What was said to a question, where it may be that not everybody was heard. */

/** Machines that there are, this one among them, and those of them that have answered. */
export interface Unheard {
  readonly nodes: number;
  readonly answered: number;
}

export interface Heard<A> {
  readonly answers: readonly A[];
  /** Undefined: all have answered. */
  readonly unheard?: Unheard | undefined;
}
