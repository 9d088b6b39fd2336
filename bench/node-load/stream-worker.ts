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

/** `serial` comes back when it is done, so that an answer to an older command is not taken for one to this. */
export type Command = { readonly serial: number } & (
  | { readonly to: 'open' }
  | { readonly to: 'begin'; readonly run: number; readonly isOwn: boolean }
  | { readonly to: 'want'; readonly events: number }
);

const { options, first, step, board, tally } = workerData as WorkerData;
const share = { first, step, board: new Board(board), tally: new Tally(tally) };
const streams = new Streams(options, share);

parentPort!.on('message', async (command: Command) => {
  const done = () => parentPort!.postMessage(command.serial);
  if (command.to === 'want') return streams.want(command.events, done);
  if (command.to === 'begin') streams.begin(command.run, command.isOwn);
  else await streams.open();
  done();
});
