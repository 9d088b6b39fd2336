/** Who is there, for the control port: put together here, so that the server knows one thing of it. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, OwnNode } from '../cluster/cluster.ts';
import type { Tell } from '../cluster/comings.ts';
import type { Config } from '../config/config.ts';
import { ExplainingDesk } from '../control/explaining.ts';
import { PresenceDesk } from '../control/presence.ts';
import { RevocationDesk } from '../control/revocations.ts';
import type { Route } from '../control/router.ts';
import type { Fronts } from '../front/front.ts';
import type { Hub } from '../hub/hub.ts';
import { type Measures, single } from '../hub/measures.ts';
import type { Revocation } from '../hub/revocations.ts';
import type { Logger } from '../logger.ts';
import { AbsenteesPublisher } from '../presence/absentees.ts';
import { Receipts } from '../presence/receipts.ts';
import type { Presence } from '../presence/roster.ts';
import { Whereabouts } from '../presence/whereabouts.ts';
import type { Publisher } from '../publish/publisher.ts';
import { type WebhookMeasures, Webhooks } from '../webhooks/webhooks.ts';
import { askingAll, inquiry } from './inquiry.ts';

/** What the receiver of webhooks gets to take what waits when the server stops, in milliseconds. */
const LAST_WEBHOOKS_MS = 5_000;

const NO_WEBHOOKS: WebhookMeasures = {
  ...{ sent: 0, dropped: 0, gaps: 0 },
  ...{ taken: 0, failed: 0, waiting: 0 },
};

export interface PeopleParts {
  readonly fronts: Fronts;
  /** The hub that keeps everything. */
  readonly hub: Hub;
  /** The same where it has no streams. */
  readonly history: Hub | undefined;
  /** Undefined: this is the only node. */
  readonly cluster: Cluster | undefined;
  /** Longest life of a token, in seconds. */
  readonly maxTokenSeconds: number;
  /** The id of the event with this number. */
  readonly idOf: (n: number) => string;
}

export class People {
  readonly #config: Config;
  readonly #webhooks: Webhooks | undefined;
  readonly #whereabouts: Whereabouts;
  #receipts: Receipts | undefined;

  /** `cluster` is undefined where this is the only node. */
  constructor(config: Config, logger: Logger, cluster: Cluster | undefined) {
    this.#config = config;
    this.#webhooks = webhooksOf(config, { logger, node: cluster?.node });
    const tell = this.#webhooks && changesFor(this.#webhooks);
    this.#whereabouts = new Whereabouts({
      graceSeconds: config.grace,
      // Of several nodes one tells, and not of itself alone.
      onChange: cluster === undefined ? tell && ((...change) => tell(change, false)) : undefined,
      onMove: cluster && ((what, name, isHere) => cluster.note({ what, name, isHere })),
    });
  }

  /** To be told of what each thread's hub tells. */
  get tell() {
    return this.#whereabouts.tell;
  }

  /** What the control port answers. */
  routes(parts: PeopleParts): Route[] {
    const { fronts, hub, history, cluster, idOf, maxTokenSeconds } = parts;
    const here = inquiry(fronts, history);
    const ask = askingAll(here, cluster);
    const statesOf = async (users: readonly string[]) =>
      cluster?.statesOf(users) ?? { answers: this.#statesOf(users) };
    const historySeconds = this.#config['history-ttl'];
    const isAlone = history === undefined && cluster === undefined;
    const desk = new PresenceDesk({ ask, isAlone, statesOf, idOf });
    const list = async () => {
      const unheard = await cluster?.settleRevocations();
      return { answers: hub.revocations.list(), unheard };
    };
    const revoke = async (revocation: Revocation) => {
      if (cluster !== undefined) return cluster.revoke(revocation);
      hub.revocations.add(revocation);
      const answers = await here({ ask: 'revoke', revocations: [revocation] });
      return { answers: answers.map(({ count }) => count) };
    };
    const revocations = new RevocationDesk({ revoke, list, maxTokenSeconds });
    const explaining = new ExplainingDesk({ ask, statesOf, historySeconds });
    return [...desk.routes, ...revocations.routes, ...explaining.routes];
  }

  /** What this node knows by itself, for the others. */
  ownNode({ fronts, history }: Pick<PeopleParts, 'fronts' | 'history'>): OwnNode {
    const webhooks = this.#webhooks;
    return {
      ask: inquiry(fronts, history),
      statesOf: (users) => this.#statesOf(users),
      names: () => ({
        users: this.#whereabouts.users.online,
        channels: this.#whereabouts.channels.online,
      }),
      tell: webhooks && {
        change: changesFor(webhooks),
        lost: (node) => webhooks.tell('webhook.gap', { lostNode: node }),
      },
    };
  }

  /** The publisher, whose answers then say who is offline. */
  watch(
    publisher: Publisher,
    { fronts, cluster }: Pick<PeopleParts, 'fronts' | 'cluster'>,
  ): Publisher {
    const elsewhere = cluster && ((users: readonly string[]) => cluster.statesElsewhere(users));
    const { users } = this.#whereabouts;
    const ask = askingAll(inquiry(fronts, undefined), cluster);
    const webhooks = this.#webhooks;
    this.#receipts = new Receipts({
      publisher: new AbsenteesPublisher({ publisher, users, elsewhere }),
      takers: async (id, channels, named) => {
        const { answers, unheard } = await ask({ ask: 'takers', id, channels, users: named });
        return { answers: answers.flat(), unheard };
      },
      tell: webhooks && ((event) => webhooks.tell('event.undelivered', { ...event })),
    });
    return this.#receipts;
  }

  get measures(): Measures {
    const { onlineCount: online, awayCount: away } = this.#whereabouts.users;
    const { sent, dropped, gaps, taken, failed, waiting } = this.#webhooks?.measures ?? NO_WEBHOOKS;
    return {
      values: {
        users: { online, away },
        receipts: single(this.#receipts?.count ?? 0),
        webhookEvents: { sent, dropped },
        webhookGaps: single(gaps),
        webhookRequests: { taken, failed },
        webhookWaiting: single(waiting),
      },
      times: {},
    };
  }

  /** So many webhooks of the process before were not taken: to be told before anything else is. */
  missed(webhooks: number): void {
    this.#webhooks?.missed(webhooks);
  }

  #statesOf(users: readonly string[]): Presence[] {
    return users.map((user) => this.#whereabouts.users.stateOf(user));
  }

  start(): void {
    this.#whereabouts.start();
    this.#webhooks?.start();
  }

  /** Hands over the webhooks that wait, for seconds at most; resolves with how many were not taken. */
  async leave(hasten: AbortSignal): Promise<number> {
    this.#whereabouts.stop();
    if (this.#webhooks === undefined) return 0;
    const rest = new AbortController();
    const signal = AbortSignal.any([hasten, rest.signal]);
    const deadline = delay(LAST_WEBHOOKS_MS, undefined, { signal }).catch(() => {});
    return this.#webhooks.leave(deadline).finally(() => rest.abort());
  }

  stop(): void {
    this.#whereabouts.stop();
    void this.#webhooks?.stop();
  }
}

function webhooksOf(
  config: Config,
  { logger, node }: { logger: Logger; node: string | undefined },
): Webhooks | undefined {
  if (config.webhook === '') return undefined;
  const both = [config['webhook-secret'], config['previous-webhook-secret']];
  return new Webhooks({
    url: config.webhook,
    secrets: both.filter((secret) => secret !== ''),
    logger,
    node,
  });
}

const changesFor =
  (webhooks: Webhooks): Tell['change'] =>
  ([what, name, isHere], isAgain) => {
    const again = isAgain ? { again: true } : {};
    if (what === 'user')
      webhooks.tell(isHere ? 'user.online' : 'user.offline', { userId: name, ...again });
    else
      webhooks.tell(isHere ? 'channel.occupied' : 'channel.vacated', { channel: name, ...again });
  };
