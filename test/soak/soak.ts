/** Everything at once for a long time, and what must hold all the while. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Account, Receipt } from '../support/ledger.ts';
import { audit } from '../support/ledger-audit.ts';
import { Emitter } from '../support/ledger-emitter.ts';
import { OneServer } from '../support/ledger-post.ts';
import { Random } from '../support/prng.ts';
import type { Owner } from '../support/sse-client.ts';
import { Load } from './load.ts';
import { Population } from './population.ts';
import { SoakServer, type Stats } from './server.ts';
import { SHARED } from './visitor.ts';

const HEARTBEAT_SECONDS = 5;
const HISTORY_TTL_SECONDS = 10;
const TOKEN_SECONDS = 60;
const MEAN_LIFE_MS = 30_000;
/** How late a heartbeat or the end of a token may be seen, besides what the clients' own process was late. */
const STEP_MS = 1_000;
const READ_EVERY_MS = 5_000;
const MEGABYTE = 1_048_576;

export interface SoakOptions {
  readonly seconds: number;
  /** Each with a channel of its own. */
  readonly users: number;
  /** Streams at a time. */
  readonly present: number;
  readonly emitsPerSecond: number;
  /** What memory may grow from the sixth part of the time on, as a factor. */
  readonly growth: number;
  /** Gets one line of JSON now and then. */
  readonly print: (line: string) => void;
}

/** Of a run that has passed. */
export interface Figures {
  readonly seconds: number;
  readonly users: number;
  readonly present: number;
  readonly stuckReaders: number;
  readonly account: Account;
  readonly longestSilenceMs: number;
  readonly longestPastExpiryMs: number;
  readonly ownLagMs: number;
  /** Resident memory once it has settled, at the end, and at most from then on, in MB. */
  readonly settledMB: number;
  readonly endMB: number;
  readonly mostMB: number;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)]!;

const round = (value: number, digits = 0): number => Number(value.toFixed(digits));

class Soak {
  readonly worst = { silenceMs: 0, pastExpiryMs: 0 };
  readonly random = new Random();
  readonly population: Population;
  readonly load: Load;
  readonly emitter: Emitter;
  readonly readings: (Stats & { readonly second: number })[] = [];
  readonly #server: SoakServer;
  readonly #options: SoakOptions;
  readonly #began = performance.now();

  constructor(server: SoakServer, options: SoakOptions) {
    this.#server = server;
    this.#options = options;
    const { random, worst } = this;
    const { users, present } = options;
    const rest = { tokenSeconds: TOKEN_SECONDS, lifeMs: MEAN_LIFE_MS, random, worst };
    this.population = new Population({ url: server.publicUrl, users, present, ...rest });
    this.emitter = new Emitter(new OneServer(server.controlUrl), random);
    this.load = new Load({ population: this.population, emitter: this.emitter, random });
  }

  async run(): Promise<void> {
    this.population.start();
    this.load.start(this.#options.emitsPerSecond);
    while (this.#second() < this.#options.seconds) {
      await delay(READ_EVERY_MS);
      await this.#read();
    }
    await this.load.stop();
    this.population.settle();
    for (let i = 0; i < 2; i += 1) await this.population.reached(await this.emitter.mark([SHARED]));
  }

  close(): void {
    this.emitter.close();
    this.population.close();
  }

  figures(): Figures {
    const { users, present, seconds } = this.#options;
    return {
      ...{ seconds, users, present, stuckReaders: this.load.stuckCount },
      account: audit(this.emitter.emitted, this.#receipts(), this.random.seed),
      longestSilenceMs: round(this.worst.silenceMs),
      longestPastExpiryMs: round(this.worst.pastExpiryMs),
      ownLagMs: round(this.population.ownLagMs),
      ...this.#memory(),
    };
  }

  // Those who are away are due nothing that came after they had gone.
  #receipts(): Receipt[] {
    return this.population.visitors.flatMap(({ client }) =>
      client === undefined ? [] : { ...client.receipt, until: client.lastEventId },
    );
  }

  // By medians of a sixth of the time each: single readings go up and down with the collector.
  #memory(): Pick<Figures, 'settledMB' | 'endMB' | 'mostMB'> {
    const sixth = this.#options.seconds / 6;
    const parts = [1, 2, 3, 4, 5].map((part) =>
      this.readings.filter(({ second }) => Math.floor(second / sixth) === part),
    );
    const medians = parts
      .filter((part) => part.length > 0)
      .map((part) => round(median(part.map(({ rss }) => rss)) / MEGABYTE, 1));
    return { settledMB: medians[0]!, endMB: medians.at(-1)!, mostMB: Math.max(...medians) };
  }

  #second(): number {
    return (performance.now() - this.#began) / 1_000;
  }

  async #read(): Promise<void> {
    const stats = await this.#server.stats();
    const second = round(this.#second());
    this.readings.push({ ...stats, second });
    assert.equal(stats.wrong, undefined, 'bytes retained are the sum of what is there');
    const { streams, channels, retainedBytes, rss, heapUsed, arrayBuffers } = stats;
    const { silenceMs, pastExpiryMs } = this.worst;
    this.#options.print(
      JSON.stringify({
        ...{ second, streams, channels, acked: this.emitter.acked },
        ...{ retainedMB: round(retainedBytes / MEGABYTE, 2), rssMB: round(rss / MEGABYTE, 1) },
        ...{ heapMB: round(heapUsed / MEGABYTE, 1), buffersMB: round(arrayBuffers / MEGABYTE, 1) },
        ...{ stuck: this.load.stuckCount, warnings: stats.warnings },
        ...{ silenceMs: round(silenceMs), pastExpiryMs: round(pastExpiryMs) },
        ...{ ownLagMs: round(this.population.ownLagMs) },
      }),
    );
  }
}

function assertHeld(figures: Figures, { growth, present }: SoakOptions, soak: Soak): void {
  const { account, longestSilenceMs, longestPastExpiryMs, ownLagMs } = figures;
  const late = STEP_MS + ownLagMs;
  const last = soak.readings.at(-1)!;
  assert.ok(last.streams > present * 0.9, `only ${last.streams} streams at the end`);
  assert.equal(account.refused + account.unknown, 0, 'every emit was taken');
  assert.ok(account.notices > 0 && account.reported > 0, 'some came back too late');
  const silence = HEARTBEAT_SECONDS * 1_000 + late;
  assert.ok(longestSilenceMs <= silence, `silence of ${longestSilenceMs} ms`);
  assert.ok(longestPastExpiryMs <= late, `a stream ${longestPastExpiryMs} ms past its token's end`);
  assert.ok(longestPastExpiryMs > 0, 'no stream lived until its token ended');
  const { settledMB, mostMB } = figures;
  assert.ok(mostMB <= settledMB * growth, `${settledMB} MB, then ${mostMB} MB`);
}

/** Runs it and returns the figures. Throws when anything did not hold. */
export async function soak(t: Owner, options: SoakOptions): Promise<Figures> {
  const server = await SoakServer.start(t, [
    ...['-heartbeat', String(HEARTBEAT_SECONDS), '-history-ttl', String(HISTORY_TTL_SECONDS)],
    ...['-stall', '30'],
  ]);
  const soak = new Soak(server, options);
  t.after(() => soak.close());
  options.print(JSON.stringify({ seed: soak.random.seed, ...options }));
  await soak.run();
  const figures = soak.figures();
  options.print(JSON.stringify(figures));
  assertHeld(figures, options, soak);
  return figures;
}
