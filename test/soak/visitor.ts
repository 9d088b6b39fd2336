/** One user who comes and goes, with a channel of their own, and a clock on what their streams do. */
import { LedgerClient, type StreamWatch } from '../support/ledger-client.ts';

export const SHARED = 'shared';

export const ownOf = (user: string): string => `own-${user}`;

/** The worst that any visitor saw, in milliseconds. */
export interface Worst {
  /** Without a byte on a stream that was read. */
  silenceMs: number;
  /** A stream was still open so long past its token's end. */
  pastExpiryMs: number;
}

export interface VisitorOptions {
  readonly url: string;
  readonly user: string;
  readonly tokenSeconds: number;
  readonly worst: Worst;
  /** How long the stream that was just opened is to live. */
  readonly lifeMs: () => number;
  readonly left: (visitor: Visitor) => void;
}

export class Visitor implements StreamWatch {
  readonly user: string;
  /** Undefined until it comes for the first time. */
  client: LedgerClient | undefined;
  isAway = true;
  /** It reads nothing. */
  isStuck = false;
  readonly #options: VisitorOptions;
  #wasStuck = false;
  #bytesAt = 0;
  #expiresAtMs = 0;
  #life: NodeJS.Timeout | undefined;

  constructor(options: VisitorOptions) {
    this.#options = options;
    this.user = options.user;
  }

  /** With the last id it had, if it was there before. */
  come(): void {
    this.isAway = false;
    this.#wasStuck = false;
    if (this.client !== undefined) return this.client.connect();
    const { url, user, tokenSeconds } = this.#options;
    const channels = [ownOf(user), SHARED];
    const rest = { tokenSeconds, staysAway: true, watch: this };
    this.client = new LedgerClient({ url, user, channels, ...rest });
  }

  /** Reads nothing, and stays, until `unstick`. */
  stick(): void {
    clearTimeout(this.#life);
    this.isStuck = true;
    this.#wasStuck = true;
    this.client?.pause();
  }

  unstick(): void {
    this.isStuck = false;
    this.client?.resume();
    if (!this.isAway) this.#live();
  }

  /** Stays until its token ends. */
  settle(): void {
    clearTimeout(this.#life);
  }

  close(): void {
    clearTimeout(this.#life);
    this.client?.close();
  }

  opened(expiresAt: number): void {
    this.#bytesAt = performance.now();
    this.#expiresAtMs = expiresAt * 1_000;
    this.#live();
  }

  bytes(): void {
    this.#noteSilence();
    this.#bytesAt = performance.now();
  }

  over(): void {
    clearTimeout(this.#life);
    this.#noteSilence();
    const { worst, left } = this.#options;
    if (!this.#wasStuck)
      worst.pastExpiryMs = Math.max(worst.pastExpiryMs, Date.now() - this.#expiresAtMs);
    this.isAway = true;
    this.isStuck = false;
    left(this);
  }

  #live(): void {
    this.#life = setTimeout(() => this.client?.cut(), this.#options.lifeMs());
  }

  #noteSilence(): void {
    if (this.#wasStuck) return;
    const { worst } = this.#options;
    worst.silenceMs = Math.max(worst.silenceMs, performance.now() - this.#bytesAt);
  }
}
