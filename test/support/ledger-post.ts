/** Ways for emits to a server, and what becomes of each. */
import http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Emitted } from './ledger.ts';

export interface Answer extends Pick<Emitted, 'outcome' | 'id' | 'streams'> {
  /** The same request would be refused again. */
  readonly isFinal?: boolean;
}

/** How emits go. */
export interface Way {
  /** Emits that may wait for their answer; what is due beyond is made up for later. */
  readonly most: number;
  /** `form`: its body. */
  send(form: string): Promise<Answer>;
  close(): void;
}

/** Where a server may be too busy, or going, or not be there: it has not taken the event. */
const NOT_TAKEN = 'ECONNREFUSED';

/** What a proxy or a server says that cannot tell whether the event is taken. */
const UNKNOWN_STATUS = [502, 504];

const RETRY_MS = 100;

/** Until a caller takes an answer for lost, in milliseconds: less than a node takes to give up an emit. */
const ANSWER_MS = 4_000;

/** To one server, once. */
export class OneServer implements Way {
  readonly most = 16;
  readonly #controlUrl: string;
  // With a limit on idle connections Node's agent heeds `Keep-Alive`; without one it may send an emit
  // into the end of its connection, as docs/reference.md warns.
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: this.most, timeout: 4_000 });

  constructor(controlUrl: string) {
    this.#controlUrl = controlUrl;
  }

  send(form: string): Promise<Answer> {
    return post(this.#controlUrl, form, { agent: this.#agent });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** To several in turn, and under one key until one of them has acknowledged it. */
export class AnyServer implements Way {
  readonly most = 2_000;
  /** Emits that were sent more than once. */
  repeated = 0;
  readonly #controlUrls: readonly string[];
  readonly #agent = new http.Agent({ keepAlive: true, maxSockets: 1_000, timeout: 4_000 });
  readonly #run = Date.now().toString(36);
  #count = 0;
  #isClosed = false;

  constructor(controlUrls: readonly string[]) {
    this.#controlUrls = controlUrls;
  }

  async send(form: string): Promise<Answer> {
    this.#count += 1;
    const number = this.#count;
    const headers = { 'idempotency-key': `${this.#run}-${number}` };
    let isUnknown = false;
    for (let i = 0; ; i += 1) {
      const url = this.#controlUrls[(number + i) % this.#controlUrls.length]!;
      const answer = await post(url, form, { agent: this.#agent, headers, withinMs: ANSWER_MS });
      if (answer.outcome === 'acked') return answer;
      isUnknown ||= answer.outcome === 'unknown';
      if (this.#isClosed || answer.isFinal) return without(isUnknown ? 'unknown' : 'refused');
      if (i === 0) this.repeated += 1;
      await delay(RETRY_MS);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#agent.destroy();
  }
}

interface PostOptions {
  readonly agent: http.Agent;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly withinMs?: number;
}

function post(
  controlUrl: string,
  body: string,
  { agent, headers, withinMs }: PostOptions,
): Promise<Answer> {
  const all = {
    'content-type': 'application/x-www-form-urlencoded',
    'content-length': Buffer.byteLength(body),
    ...headers,
  };
  return new Promise((resolve) => {
    const request = http.request(`${controlUrl}/emit/`, { method: 'POST', agent, headers: all });
    const fail = (error: NodeJS.ErrnoException) =>
      resolve(without(error.code === NOT_TAKEN ? 'refused' : 'unknown'));
    if (withinMs !== undefined) request.setTimeout(withinMs, () => request.destroy());
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

const without = (outcome: 'refused' | 'unknown'): Answer => ({
  outcome,
  id: undefined,
  streams: 0,
});

const refusedWith = (status: number): Answer => ({
  ...without(UNKNOWN_STATUS.includes(status) ? 'unknown' : 'refused'),
  isFinal: status >= 400 && status < 500 && status !== 429,
});

function answerOf(status: number | undefined, text: string): Answer {
  if (status !== 200) return refusedWith(status ?? 0);
  const { id, streams } = JSON.parse(text) as { id: string; streams: number };
  return { outcome: 'acked', id, streams };
}
