/** Puts the parts together, starts them, and takes them down in the reverse order. */
import { setTimeout as delay } from 'node:timers/promises';
import { tokenSigner } from '../auth/auth.ts';
import type { Cluster } from '../cluster/cluster.ts';
import type { Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import { ControlApp } from '../control/control-app.ts';
import { createGuard } from '../control/guard.ts';
import { keyConditions } from '../control/readiness.ts';
import type { Route } from '../control/router.ts';
import { Connections } from '../front/connections.ts';
import type { Fronts } from '../front/front.ts';
import { OpenFiles } from '../front/open-files.ts';
import type { ListenAddress } from '../http/address.ts';
import { Listener } from '../http/listener.ts';
import { NodeApp } from '../http/node-app.ts';
import { NodeListener } from '../http/node-listener.ts';
import { createApp, type HttpApp, type HttpHandler } from '../http/uws.ts';
import type { Hub } from '../hub/hub.ts';
import type { AnswerTo, Question } from '../hub/questions.ts';
import type { Logger } from '../logger.ts';
import type { Backplane } from '../nats/backplane.ts';
import { openApi } from '../openapi/document.ts';
import type { KeyMemory } from '../publish/key-memory.ts';
import { Tally } from '../tally.ts';
import { formatEventId, newEpoch } from '../wire/event-id.ts';
import { conditionsOf } from './backplane.ts';
import { frontsOf } from './fronts.ts';
import { Handover, settled } from './handover.ts';
import { exposition } from './measures.ts';
import { People } from './people.ts';
import { keyMemory, publisherOf } from './publishing.ts';
import { tellOfLowLimit } from './start-warnings.ts';
import { allowTryPage, tryPage } from './try-page.ts';

/** What a stream that reads too slowly gets to take its last bytes when the server stops, in milliseconds. */
const STOP_GRACE_MS = 5_000;

/** What emits that came while the snapshot was written get to be answered that it is too late, in milliseconds. */
const LAST_ANSWERS_MS = 50;

/** What other threads get to close when the process ends on an error, in milliseconds. */
const ABANDON_MS = 1_000;

export interface ServerOptions {
  readonly config: Config & { readonly keys: TokenKeys };
  readonly logger: Logger;
  /** Where the lines of the log go; other threads write there, too. */
  readonly log: { write(line: string): void };
  /** An error in another thread that nobody caught: the process is to end. */
  readonly failed: (error: Error) => void;
  readonly backplane?: Backplane | undefined;
  /** The other nodes; closed with the server. */
  readonly cluster?: Cluster | undefined;
}

export class Server {
  /** What there is of the past: all of it, with one thread the streams as well. */
  readonly hub: Hub;
  readonly #config: ServerOptions['config'];
  readonly #logger: Logger;
  readonly #backplane: Backplane | undefined;
  readonly #epoch: string;
  readonly #keys: KeyMemory;
  readonly #handover: Handover;
  readonly #files = new OpenFiles();
  readonly #connections: Connections;
  readonly #people: People;
  readonly #fronts: Fronts;
  readonly #cluster: Cluster | undefined;
  readonly #history: Hub | undefined;
  readonly #control: ControlApp;
  readonly #controlHttp: HttpApp;
  readonly #compatHttp: NodeApp | undefined;
  #controlListener: Listener | undefined;
  #compatListener: NodeListener | undefined;
  #stopping: Promise<void> | undefined;
  readonly #haste = new AbortController();

  /** @throws TidingsError `CONFIG_INVALID`, `ADDON_UNAVAILABLE` */
  constructor({ config, logger, log, failed, backplane, cluster }: ServerOptions) {
    this.#config = config;
    this.#cluster = cluster;
    this.#backplane = backplane;
    this.#epoch = backplane?.epoch ?? newEpoch();
    this.#logger = logger;
    const tally = new Tally();
    this.#people = new People(config, logger, cluster);
    this.#connections = new Connections(this.#files, logger, tally);
    this.#keys = keyMemory(config);
    this.#handover = new Handover(config.snapshot, logger, this.#keys);
    const made = frontsOf({
      ...{ config, logger, log, failed, backplane, tally },
      ...{ epoch: this.#epoch, handover: this.#handover, connections: this.#connections },
      onAttendance: this.#people.tell,
    });
    this.#fronts = made.fronts;
    this.hub = made.hub;
    this.#history = made.history;
    this.#people.missed(this.#handover.missedWebhooks);
    this.#keys.tellBytes((bytes) => this.hub.reserve(bytes));
    this.#control = this.#controlApp(config.keys);
    this.#controlHttp = createApp();
    this.#controlHttp.any('/*', this.#controlHandler(config.controlAddress));
    this.#controlHttp.filter(this.#connections.filter('control'));
    if (config.compatAddress !== undefined)
      this.#compatHttp = new NodeApp(
        this.#controlHandler(config.compatAddress),
        this.#connections.filter('control'),
      );
  }

  /** Listens on all addresses. @throws TidingsError `CONFIG_INVALID` when one is not to be had */
  async start(): Promise<void> {
    try {
      // Before anybody listens: a stream begins with what comes after it, not with what came before.
      await this.#backplane?.follow(this.#fronts.store);
      const own = { fronts: this.#fronts, history: this.#history };
      await this.#cluster?.start(this.#people.ownNode(own));
      await this.#listenControl();
      await this.#fronts.listen();
      await this.#listenCompat();
      // Not before: a start that fails leaves it to the next one.
      if (this.#stopping !== undefined) return await this.#close();
      this.#handover.taken(this.#epoch);
    } catch (error) {
      await this.#close();
      throw error;
    }
    if (this.#config.dev) allowTryPage(this.#fronts, this.#controlListener?.port);
    tellOfLowLimit(this.#config['max-streams'], this.#connections.publicRoom, this.#logger);
    this.#fronts.start();
    this.#people.start();
    this.#files.start();
    this.#control.phase = 'serving';
    const compat = this.#compatListener?.url;
    this.#logger.info({ public: this.publicUrl, control: this.controlUrl, compat }, 'listening');
  }

  get controlUrl(): string {
    return this.#controlListener?.url ?? '';
  }

  /** Empty without `-bindctl-compat`. */
  get compatUrl(): string {
    return this.#compatListener?.url ?? '';
  }

  get publicUrl(): string {
    return this.#fronts.url;
  }

  /** What the hubs of its streams answer, one for each thread. */
  ask<Q extends Question>(question: Q): Promise<AnswerTo<Q>[]> {
    return this.#fronts.ask(question);
  }

  get routes(): readonly Route[] {
    return this.#control.routes;
  }

  /**
   * Takes no more streams, ends every stream on a whole frame, then closes. Emits are taken until the
   * last stream is gone when the next process will have them, otherwise no more. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopping ??= this.#leave();
    return this.#stopping;
  }

  /** Lets a `stop` under way wait for nothing more. All that it does is done all the same. */
  hasten(): void {
    this.#haste.abort();
  }

  /** Gives up all at once. Other threads close their listeners: one that just ended would abort the process. */
  async abandon(): Promise<void> {
    await Promise.race([this.#fronts.close(), delay(ABANDON_MS, undefined, { ref: false })]);
  }

  async #leave(): Promise<void> {
    const isHandedOver = this.#handover.isWanted && this.#control.phase === 'serving';
    this.#control.phase = isHandedOver ? 'leaving' : 'closed';
    this.#fronts.refuse();
    this.#cluster?.retire();
    if (!isHandedOver) this.#refuseControl();
    await this.#endStreams();
    const missedWebhooks = await this.#people.leave(this.#haste.signal);
    if (isHandedOver) await this.#handOver(missedWebhooks);
    await this.#close();
  }

  #refuseControl(): void {
    this.#controlListener?.close();
    this.#compatListener?.close();
  }

  async #handOver(missedWebhooks: number): Promise<void> {
    this.#control.phase = 'closed';
    // No emit is taken any more. The keys of those on their way have their numbers when all threads have them.
    await settled(() => this.#fronts.position >= this.hub.head);
    this.#handover.leave(this.hub, missedWebhooks);
    await this.#pause(LAST_ANSWERS_MS);
  }

  async #endStreams(): Promise<void> {
    const { drain } = this.#config;
    this.#logger.info({ streams: this.#fronts.streamCount, seconds: drain }, 'draining');
    const options = { windowMs: drain * 1_000, hasten: this.#haste.signal };
    const isUnsent = await this.#fronts.drain(options);
    this.#logger.info('streams ended');
    if (isUnsent) await this.#pause(STOP_GRACE_MS);
  }

  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#haste.signal }).catch(() => {});
  }

  async #close(): Promise<void> {
    this.#files.close();
    this.#people.stop();
    this.#refuseControl();
    await this.#cluster?.close();
    await this.#backplane?.close();
    await this.#fronts.close();
    this.#controlHttp.close();
    this.#compatHttp?.close();
  }

  async #listenControl(): Promise<void> {
    const names = { flag: 'bindctl', scheme: 'http' };
    const { controlAddress } = this.#config;
    this.#controlListener = await Listener.open(this.#controlHttp, controlAddress, names);
  }

  async #listenCompat(): Promise<void> {
    const { compatAddress } = this.#config;
    if (this.#compatHttp === undefined || compatAddress === undefined) return;
    this.#compatListener = await NodeListener.open(
      this.#compatHttp,
      compatAddress,
      'bindctl-compat',
    );
  }

  #controlHandler(address: ListenAddress): HttpHandler {
    const config = this.#config;
    const hosts = address.kind === 'unix' ? undefined : config['ctl-hosts'];
    return this.#control.handlerFor(createGuard({ hosts, token: config['ctl-token'] }));
  }

  #controlApp(keys: TokenKeys): ControlApp {
    const config = this.#config;
    const [fronts, history, cluster] = [this.#fronts, this.#history, this.#cluster];
    const own = { epoch: this.#epoch, olderEpochs: this.#handover.olderEpochs, keys: this.#keys };
    const order = this.#backplane ?? publisherOf({ ...own, store: fronts.store });
    const idOf = (n: number) => formatEventId(this.#epoch, n);
    return new ControlApp({
      publisher: this.#people.watch(order, { fronts, cluster }),
      routes: this.#people.routes({
        ...{ fronts, hub: this.hub, history, cluster, idOf },
        maxTokenSeconds: config['max-token-life'],
      }),
      sign: keys.kind === 'secret' ? tokenSigner(keys.secret, config.tokens) : undefined,
      maxTokenSeconds: config['max-token-life'],
      position: () => idOf(fronts.position),
      isTight: this.#connections.isTight,
      maxBodyBytes: config['max-body'],
      metrics: (accept) =>
        exposition(accept, {
          ...{ fronts, history, cluster, backplane: this.#backplane, people: this.#people },
          control: this.#control,
          connections: this.#connections,
        }),
      describe: (routes) => openApi({ config, publicUrl: this.publicUrl }, routes),
      conditions: () => [...keyConditions(fronts.hasKeys), ...conditionsOf(this.#backplane)],
      pendingBytes: () => this.hub.pendingBytes,
      page: config.dev ? () => tryPage(this.publicUrl) : undefined,
      logger: this.#logger,
    });
  }
}
