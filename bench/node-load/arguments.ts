/** The command line and the lines of standard input: the same as those of `bench/load.c`. */

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** What is asked for on the command line; plain data, so that it can be handed to a worker. */
export interface Options {
  stream: Target;
  emit: Target;
  streams: number;
  /** Path and header lines of a stream's request, between tabs, a line each, used in turn. */
  requestFile: string;
  /** Source addresses 127.0.0.1 … 127.0.0.N, so that ports never run out. */
  sources: number;
  /** The streams are opened and then never read again. */
  stuck: boolean;
  /** Events that each stream is sent when it opens: those of another process's first run. */
  replay: number;
  /** Streams that may wait for their head at a time. */
  opening: number;
  emitPath: string;
  /** Header lines of every POST, between tabs. */
  emitHeaders: string;
  /** The POST body, containing `{event}`. */
  body: string;
  servers: number[];
  /** How much this process gives way to others on the same cores, as setpriority(2) has it; 0: as it was started. */
  nice: number;
}

/**
 * `hear` publishes nothing: each stream is to have so many events of someone else, those of each publisher from 0 on; of none, one with its own
 * place as sequence number.
 */
export type Mode = 'lockstep' | 'closed' | 'rate' | 'hear';

/** One measured stretch. */
export interface Run {
  readonly id: number;
  readonly mode: Mode;
  readonly publishers: number;
  /** Events to publish. */
  readonly count: number;
  /** Events per second, in mode `rate` only. */
  readonly rate: number;
  /** Length of the text that replaces `{event}`. */
  readonly bytes: number;
  /** Gives up waiting for deliveries after this. */
  readonly deadlineSeconds: number;
  /** Publishes nothing more after this; 0: only `count` ends it. */
  readonly publishSeconds: number;
}

export const MAX_PUBLISHERS = 64;
const MAX_EVENT_BYTES = 35_000;
const MAX_SERVERS = 8;

const DEFAULTS: Options = {
  stream: { host: '127.0.0.1', port: 0 },
  emit: { host: '127.0.0.1', port: 0 },
  streams: 0,
  requestFile: '',
  sources: 8,
  opening: 200,
  stuck: false,
  replay: 0,
  emitPath: '/',
  emitHeaders: '',
  body: '{event}',
  servers: [],
  nice: 0,
};

type Take = () => string;

const target = (take: Take): Target => ({ host: take(), port: Number(take()) });

/** What each flag does with the words behind it. */
const FLAGS: Readonly<Record<string, (options: Options, take: Take) => void>> = {
  '-stream': (options, take) => (options.stream = target(take)),
  '-emit': (options, take) => (options.emit = target(take)),
  '-streams': (options, take) => (options.streams = Number(take())),
  '-requests': (options, take) => (options.requestFile = take()),
  '-sources': (options, take) => (options.sources = Number(take())),
  '-opening': (options, take) => (options.opening = Number(take())),
  '-stuck': (options) => (options.stuck = true),
  // Reading by the clock is for the C program: Node has no timer finer than 1 ms.
  '-poll': (_, take) => take(),
  '-nice': (options, take) => (options.nice = Number(take())),
  '-replay': (options, take) => (options.replay = Number(take())),
  '-emit-path': (options, take) => (options.emitPath = take()),
  '-emit-headers': (options, take) => (options.emitHeaders = take()),
  '-body': (options, take) => (options.body = take()),
  '-server': (options, take) => options.servers.push(Number(take())),
};

export function parseOptions(words: readonly string[]): Options {
  const options = structuredClone(DEFAULTS);
  const rest = words.values();
  for (const name of rest) {
    const set = FLAGS[name];
    if (!set) throw new Error(`unknown flag ${name}`);
    set(options, () => {
      const { value, done } = rest.next();
      if (done) throw new Error(`${name} needs a value`);
      return value;
    });
  }
  if (options.servers.length > MAX_SERVERS) throw new Error(`at most ${MAX_SERVERS} -server`);
  return options;
}

/** `lockstep|closed|rate|hear PUBLISHERS COUNT RATE BYTES DEADLINE_SECONDS [PUBLISH_SECONDS]` */
export function parseRun(line: string, id: number): Run {
  const [mode = '', ...words] = line.trim().split(/\s+/);
  const numbers = words.map(Number);
  const [publishers = 0, count = 0, rate = 0, bytes = 0, ...seconds] = numbers;
  const [deadlineSeconds = 0, publishSeconds = 0] = seconds;
  const sound =
    /^(lockstep|closed|rate|hear)$/.test(mode) &&
    (seconds.length === 1 || seconds.length === 2) &&
    numbers.every(Number.isFinite) &&
    publishers > 0 &&
    publishers <= MAX_PUBLISHERS &&
    bytes < MAX_EVENT_BYTES;
  if (!sound) throw new Error(`not a run: ${line}`);
  const limits = { deadlineSeconds, publishSeconds };
  return { id, mode: mode as Mode, publishers, count, rate, bytes, ...limits };
}

/** `A: b<tab>C: d` as the lines of a request's head. */
export const headerLines = (tabbed: string): string =>
  tabbed
    .split('\t')
    .filter(Boolean)
    .map((line) => `${line}\r\n`)
    .join('');
