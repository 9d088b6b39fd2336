/** Headless Chromium as Debian ships it, and what a page in it saw of a stream. */
import {
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Page,
} from 'playwright-core';
import { missing } from './proxy.ts';
import type { Owner } from './sse-client.ts';
import { type Deadline, eventually } from './wait.ts';

const EXECUTABLE = '/usr/bin/chromium';

/** No sandbox, because tests may run as root; nothing that looks for the network by itself. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The reason to skip a test that needs Chromium, or false. */
export const missingChromium = (): string | false => missing(EXECUTABLE);

/** A fresh profile that accepts the certificates of these tests; closed by `t.after`. */
export async function openBrowser(
  t: Owner,
  options: BrowserContextOptions = {},
): Promise<BrowserContext> {
  const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
  t.after(() => browser.close());
  return browser.newContext({ ignoreHTTPSErrors: true, ...options });
}

/** One call of a listener in the page. */
export interface PageEvent {
  readonly name: string;
  readonly data?: string;
  readonly id?: string;
  /** `readyState` at that moment: 0 connecting, 1 open, 2 closed for good. */
  readonly state: number;
  /** Milliseconds since 1970, to compare with the test's own clock. */
  readonly atMs: number;
}

const RECORDER = `
  globalThis.log = [];
  globalThis.notices = [];
  globalThis.record = (source) => {
    for (const name of ['open', 'message', 'error', 'tidings.gap'])
      source.addEventListener(name, (event) => log.push({
        name, data: event.data, id: event.lastEventId, state: source.readyState,
        atMs: performance.timeOrigin + performance.now(),
      }));
    source.addEventListener('tidings.open', ({ data }) => notices.push(data));
    globalThis.source = source;
  };`;

/** An EventSource, or what stands in for it, inside a page. */
export class PageStream {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  events(): Promise<PageEvent[]> {
    return this.#page.evaluate<PageEvent[]>('log');
  }

  /** Waits until there have been `count` of `tidings.open`, which `events` leaves out. */
  async opened(count: number, deadline: Deadline = {}): Promise<void> {
    const check = async () => (await this.#page.evaluate<number>('notices.length')) >= count;
    await eventually(check, { what: `${count} of "tidings.open" in the page`, ...deadline });
  }

  readyState(): Promise<number> {
    return this.#page.evaluate<number>('source.readyState');
  }

  async named(name: string): Promise<PageEvent[]> {
    return (await this.events()).filter((event) => event.name === name);
  }

  /** Waits until the page has had `count` events of that name in all, and returns them. */
  async arrived(name: string, count: number, deadline: Deadline = {}): Promise<PageEvent[]> {
    const check = async () => {
      const events = await this.named(name);
      return events.length >= count ? events : undefined;
    };
    return (await eventually(check, { what: `${count} of "${name}" in the page`, ...deadline }))!;
  }

  async messages(): Promise<(string | undefined)[]> {
    return (await this.named('message')).map(({ data }) => data);
  }
}

/** Evaluates `creation`, for example `new EventSource('/events/')`, in the page and records what it fires. */
export async function openPageStream(page: Page, creation: string): Promise<PageStream> {
  await page.evaluate(`${RECORDER} record(${creation}); undefined`);
  return new PageStream(page);
}

/** The page's clock, in this process. */
export const clockMs = (): number => performance.timeOrigin + performance.now();
