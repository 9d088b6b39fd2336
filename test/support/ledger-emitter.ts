/** Emits at a pace, and writes down what became of each emit. */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Emitted, Outcome } from './ledger.ts';
import type { Random } from './prng.ts';
import { eventually } from './wait.ts';

/** Emits that wait for their answer, at most; what is due beyond is made up for later. */
const MAX_IN_FLIGHT = 16;

const TICK_MS = 5;

export interface Plan {
  /** User names, or undefined for everyone. */
  readonly to: readonly string[] | undefined;
  readonly channels: readonly string[];
  /** Of its text, about. */
  readonly size: number;
}

type Answer = Pick<Emitted, 'outcome' | 'id' | 'streams'>;

export class Emitter {
  readonly emitted: Emitted[] = [];
  controlUrl: string;
  acked = 0;
  // With a limit on idle connections Node's agent heeds `Keep-Alive`; without one it may send an emit
  // into the end of its connection, as docs/reference.md warns.
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: MAX_IN_FLIGHT, timeout: 4_000 });
  readonly #random: Random;
  #seq = 0;
  #inFlight = 0;
  #isStopped = false;

  constructor(controlUrl: string, random: Random) {
    this.controlUrl = controlUrl;
    this.#random = random;
  }

  /** Emits until `count` more are acknowledged, or `stop`; slower than `perSecond` where need be. */
  async run(plan: () => Plan, { count, perSecond }: { count: number; perSecond: number }) {
    this.#isStopped = false;
    const goal = this.acked + count;
    let due = 0;
    let last = performance.now();
    while (!this.#isStopped && this.acked < goal) {
      const now = performance.now();
      due = Math.min(due + ((now - last) * perSecond) / 1000, perSecond);
      last = now;
      for (; due >= 1 && this.#inFlight < MAX_IN_FLIGHT && this.acked < goal; due -= 1)
        void this.emit(plan());
      await delay(TICK_MS);
    }
    await eventually(() => this.#inFlight === 0, { withinMs: 30_000, what: 'answers to emits' });
  }

  stop(): void {
    this.#isStopped = true;
  }

  close(): void {
    this.stop();
    this.#agent.destroy();
  }

  /** Emits once, and writes it down. */
  async emit({ to, channels, size }: Plan): Promise<Emitted> {
    this.#seq += 1;
    const seq = this.#seq;
    const text = this.#text(seq, size);
    const form = new URLSearchParams({ payload: `data: ${text.replaceAll('\n', '\ndata: ')}` });
    for (const user of to ?? ['*']) form.append('userId', user);
    for (const channel of channels) form.append('channel', channel);
    this.#inFlight += 1;
    const answer = await this.#post(form.toString());
    this.#inFlight -= 1;
    if (answer.outcome === 'acked') this.acked += 1;
    const emitted = { seq, to, channels, crc: crc32(text), ...answer };
    this.emitted.push(emitted);
    return emitted;
  }

  /** Emits until one is acknowledged, and returns its id. */
  async mark(channels: readonly string[]): Promise<string> {
    const id = await eventually(
      async () => {
        const one = await this.emit({ to: undefined, channels, size: 20 });
        return one.id;
      },
      { withinMs: 20_000, what: 'an acknowledged emit' },
    );
    return id!;
  }

  // Several lines, and characters of one to four bytes, so that cuts fall inside both.
  #text(seq: number, size: number): string {
    const filler = this.#random.pick(['x', 'é', '世', '🌍', 'ab\n', ' y']);
    return `${seq} ${filler.repeat(Math.ceil(size / Buffer.byteLength(filler)))}.`;
  }

  #post(body: string): Promise<Answer> {
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': Buffer.byteLength(body),
    };
    return new Promise((resolve) => {
      const url = `${this.controlUrl}/emit/`;
      const request = http.request(url, { method: 'POST', agent: this.#agent, headers });
      const fail = (error: NodeJS.ErrnoException) =>
        resolve(without(error.code === 'ECONNREFUSED' ? 'refused' : 'unknown'));
      request.on('error', fail);
      request.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => (text += part));
        response.on('error', fail);
        response.on('end', () => resolve(answerOf(response.statusCode, text)));
      });
      request.end(body);
    });
  }
}

const without = (outcome: Outcome): Answer => ({ outcome, id: undefined, streams: 0 });

function answerOf(status: number | undefined, text: string): Answer {
  if (status !== 200) return without('refused');
  const { id, streams } = JSON.parse(text) as { id: string; streams: number };
  return { outcome: 'acked', id, streams };
}
