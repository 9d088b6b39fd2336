/** What runs in each thread of `-threads`: a front whose hub keeps a tail and asks the main thread for more. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Known } from '../auth/issuer.ts';
import { TidingsError } from '../errors.ts';
import { Connections } from '../front/connections.ts';
import { Front } from '../front/front.ts';
import { OpenFiles } from '../front/open-files.ts';
import { PeerResolver } from '../http/address.ts';
import type { DeeperRange } from '../hub/deeper-log.ts';
import { Hub } from '../hub/hub.ts';
import { answerOf } from '../hub/questions.ts';
import { createLogger } from '../logger.ts';
import { Tally } from '../tally.ts';
import { commonNow, ReceivedBatch } from './batch.ts';
import type {
  AttendanceChange,
  Call,
  FromThread,
  GuestNote,
  PlainError,
  RangeAsked,
  ThreadData,
  ToThread,
} from './messages.ts';
import { unpack } from './packed-range.ts';
import { RemoteGuests } from './remote-guests.ts';
import { SharedMemory } from './shared-ring.ts';
import { takeIn } from './take-in.ts';
import { TurnBatch } from './turn-batch.ts';

/** Ids of streams that one thread has for itself: more than it can use. */
const STREAM_IDS = 1_000_000_000_000;

const data = workerData as ThreadData;
const port = parentPort!;
const post = (message: FromThread): void => port.postMessage(message);

// The loop must not end, nor may the thread: the addon would abort the process.
process.on('uncaughtException', (error) => post({ kind: 'fatal', error: plain(error) }));

const newest = new BigInt64Array(data.shared.newest);
const sent = new Tally(data.shared.sent);
/** Batches that have been taken from the port, counted as the tally counts: it has 32 bits. */
let received = 0;
const ring = new SharedMemory(data.shared.ring);
const logger = createLogger(data.config['log-level'], {
  write: (line) => post({ kind: 'log', line }),
});
const files = new OpenFiles();
const attendance = new TurnBatch<AttendanceChange>((changes) =>
  post({ kind: 'attendance', changes }),
);
const guestNotes = new TurnBatch<GuestNote>((notes) => post({ kind: 'guests', notes }));
const haste = new AbortController();
const reads = new TurnBatch<RangeAsked>((questions) => post({ kind: 'read', questions }));
const ranges = new Map<number, (range: DeeperRange) => void>();
let lastRead = 0;
const lookUps = new Map<number, (known: Known) => void>();
let lastLookUp = 0;

// Limits that are off cost nothing.
const { config: settings } = data;
const isCounted = settings['max-streams-per-user'] + settings['max-streams-per-address'] > 0;
const guests = isCounted
  ? new RemoteGuests({
      ask: (id, owner) => guestNotes.add({ id, owner }),
      tellLeft: (guest) => guestNotes.add(guest),
      replace: (stream) => front.replace(stream),
    })
  : undefined;

const front: Front = new Front({
  config: { ...data.config, peers: new PeerResolver(data.config['trust-proxy']) },
  logger,
  connections: new Connections(files, logger, new Tally(data.shared.connections)),
  streams: new Tally(data.shared.streams),
  guests,
  lookUp: (kid) =>
    new Promise((resolve) => {
      lastLookUp += 1;
      lookUps.set(lastLookUp, resolve);
      post({ kind: 'look-up', id: lastLookUp, kid });
    }),
  sharesPort: true,
  makeHub: (onClosed) => {
    const { config, tail } = data;
    const hub: Hub = new Hub({
      retention: { capacity: config.history, ...tail },
      epoch: data.epoch,
      olderEpochs: data.olderEpochs,
      notices: { isOn: config.notices, heartbeatSeconds: config.heartbeat },
      staleSeconds: config['history-ttl'] / 2,
      lastStreamId: data.thread * STREAM_IDS,
      newest: () => Number(Atomics.load(newest, 0)),
      isTail: true,
      // While much is still to be written emits wait for that all the same: see `tellAppended`.
      isPressed: () => sent.value !== received && hub.pendingBytes <= tail.budgetBytes,
      deeperLog: {
        read: (question) =>
          new Promise((resolve) => {
            lastRead += 1;
            ranges.set(lastRead, resolve);
            reads.add({ id: lastRead, question });
          }),
      },
      onClosed,
      onAttendance: (...change) => attendance.add(change),
    });
    hub.startBehind(data.head);
    return hub;
  },
});

port.on('message', (message: ToThread) => {
  switch (message.kind) {
    case 'append':
      return append(message.at, message.own);
    case 'ranges':
      for (const { id, range } of message.ranges) {
        ranges.get(id)?.(unpack(range));
        ranges.delete(id);
      }
      return;
    case 'entries':
      for (const { id, entry } of message.entries) guests?.answered(id, entry);
      return;
    case 'keys':
      return front.useKeys(message.keys);
    case 'known':
      lookUps.get(message.id)?.(message.known);
      return void lookUps.delete(message.id);
    case 'hasten':
      return haste.abort();
    case 'call':
      return void answer(message.id, message.call);
  }
});

function append(at: number, own: SharedArrayBuffer | undefined): void {
  received = (received + 1) | 0;
  const memory = own === undefined ? ring : new SharedMemory(own);
  const batch = new ReceivedBatch({ memory, at }, data.threads);
  front.hub.instruments.lots.ageMs = Math.max(0, commonNow() - batch.since);
  attendance.tell(); // so that whoever is counted below is known to be here
  takeIn(front.hub, batch, data.thread);
  tellAppended();
}

// Not while much is still to be written: emits wait for that, as they do with one thread.
function tellAppended(): void {
  if (front.hub.pendingBytes <= data.tail.budgetBytes) post({ kind: 'appended' });
  else setImmediate(tellAppended);
}

async function answer(id: number, call: Call): Promise<void> {
  try {
    post({ kind: 'reply', id, value: await run(call) });
  } catch (error) {
    post({ kind: 'refusal', id, error: plain(error) });
  }
  if (call.do === 'close') port.close();
}

async function run(call: Call): Promise<unknown> {
  switch (call.do) {
    case 'listen':
      await front.listen(call.port);
      return front.url;
    case 'start':
      files.start();
      return front.start();
    case 'allow':
      return front.allow(call.origin);
    case 'refuse':
      return front.refuse();
    case 'drain':
      return front.drain({ windowMs: call.windowMs, hasten: haste.signal });
    case 'ask':
      return answerOf(front.hub, call.question);
    case 'evict':
      return guests?.evicted(call.guest);
    case 'close':
      files.close();
      return front.close();
  }
}

function plain(error: unknown): PlainError {
  if (!(error instanceof Error))
    return { code: undefined, message: String(error), stack: undefined };
  const code = error instanceof TidingsError ? error.code : undefined;
  return { code, message: error.message, stack: error.stack };
}
