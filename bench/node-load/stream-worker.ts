/** A thread that holds its share of the streams. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Options } from './arguments.ts';
import { Streams } from './streams.ts';
import { Board, Tally } from './tally.ts';

export interface WorkerData {
  readonly options: Options;
  readonly first: number;
  readonly step: number;
  readonly board: SharedArrayBuffer;
  readonly tally: SharedArrayBuffer;
}

export type Command =
  | { readonly to: 'open' }
  | { readonly to: 'begin'; readonly run: number }
  | { readonly to: 'want'; readonly events: number };

/** `events` tells which `want` was met. */
export type Done = { readonly done: Command['to']; readonly events: number };

const { options, first, step, board, tally } = workerData as WorkerData;
const share = { first, step, board: new Board(board), tally: new Tally(tally) };
const streams = new Streams(options, share);
const tell = (done: Done['done'], events = 0) => parentPort!.postMessage({ done, events });

parentPort!.on('message', async (command: Command) => {
  if (command.to === 'want') return streams.want(command.events, (events) => tell('want', events));
  if (command.to === 'begin') streams.begin(command.run);
  else await streams.open();
  tell(command.to);
});
