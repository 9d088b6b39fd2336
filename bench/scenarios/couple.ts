/** Publishers and readers that are processes of their own, as a backend and its clients are: neither waits for the other. */
import type { Cleanup } from '../support/cleanup.ts';
import { type Counted, type Load, type Run, startLoad } from '../support/load.ts';
import type { Peer } from '../support/peer.ts';

export interface Couple {
  readonly name: string;
  readonly readers: Load;
  readonly publisher: Load;
}

/** Starts a server and both. `nice`: how much the readers give way to it. */
export async function coupleOf(
  owner: Cleanup,
  peer: Peer,
  { streams, nice = 0 }: { readonly streams: number; readonly nice?: number },
): Promise<Couple> {
  const running = await peer.start(owner);
  const readers = await startLoad(owner, running, { streams, nice });
  const publisher = await startLoad(owner, running, { streams: 0 });
  return { name: peer.name, readers, publisher };
}

export interface Published {
  /** As the publisher saw it. */
  readonly posted: Counted;
  /** As the readers saw it. */
  readonly arrived: Counted;
}

/** Runs are numbered alike on both sides: each has to be one of both. */
export async function publish({ readers, publisher }: Couple, run: Run): Promise<Published> {
  const hearing = await readers.hear({ count: run.count });
  const posted = await publisher.run(run);
  const heard = await hearing.counted;
  // What was posted elsewhere is what these streams were to have.
  return { posted, arrived: { ...heard, posted: posted.posted, refused: posted.refused } };
}
