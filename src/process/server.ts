/** Puts the parts together, starts them, and takes them down in the reverse order. */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { publicKeyVerifier, secretVerifier, tokenSigner, type Verify } from '../auth/auth.ts';
import type { Config } from '../config/config.ts';
import type { TokenKeys } from '../config/keys.ts';
import { ControlApp } from '../control/control-app.ts';
import { createGuard } from '../control/guard.ts';
import { Connections } from '../front/connections.ts';
import { drain } from '../front/drain.ts';
import { OpenFiles } from '../front/open-files.ts';
import { tlsFiles } from '../front/tls-files.ts';
import type { ListenAddress } from '../http/address.ts';
import { Cors } from '../http/cors.ts';
import { Listener } from '../http/listener.ts';
import { NodeApp } from '../http/node-app.ts';
import { NodeListener } from '../http/node-listener.ts';
import { createApp, type HttpApp, type HttpHandler } from '../http/uws.ts';
import { Clockwork } from '../hub/clockwork.ts';
import { Hub } from '../hub/hub.ts';
import type { Epoch } from '../log/lineage.ts';
import type { Logger } from '../logger.ts';
import { PublicApp } from '../public/public-app.ts';
import { Sequencer } from '../publish/publisher.ts';
import { formatEventId, newEpoch } from '../wire/event-id.ts';
import { Handover } from './handover.ts';

/** What a stream that reads too slowly gets to take its last bytes when the server stops, in milliseconds. */
const STOP_GRACE_MS = 5_000;

/** What emits that came while the snapshot was written get to be answered that it is too late, in milliseconds. */
const LAST_ANSWERS_MS = 50;

const BYTES_PER_MEGABYTE = 1_048_576;

const TRY_PAGE = new URL('../../../static/try.html', import.meta.url);

export interface ServerOptions {
  readonly config: Config & { readonly keys: TokenKeys };
  readonly logger: Logger;
}

export class Server {
  readonly hub: Hub;
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #epoch = newEpoch();
  readonly #handover: Handover;
  readonly #cors: Cors;
  readonly #clockwork: Clockwork;
  readonly #files = new OpenFiles();
  readonly #connections: Connections;
  readonly #public: PublicApp;
  readonly #control: ControlApp;
  readonly #publicHttp: HttpApp;
  readonly #controlHttp: HttpApp;
  readonly #compatHttp: NodeApp | undefined;
  #listeners: Listener[] = [];
  #compatListener: NodeListener | undefined;
  #stopping: Promise<void> | undefined;
  readonly #haste = new AbortController();

  /** @throws TidingsError `CONFIG_INVALID`, `ADDON_UNAVAILABLE` */
  constructor({ config, logger }: ServerOptions) {
    this.#config = config;
    this.#logger = logger;
    this.#connections = new Connections(this.#files, logger);
    this.#handover = new Handover(config.snapshot, logger);
    this.#cors = new Cors(config.cors, config['cors-headers']);
    this.hub = this.#handover.take((olderEpochs) => this.#emptyHub(olderEpochs));
    this.#clockwork = new Clockwork({
      hub: this.hub,
      heartbeatSeconds: config.heartbeat,
      stallSeconds: config.stall,
    });
    this.#public = this.#publicApp(config.keys);
    this.#control = this.#controlApp(config.keys);
    this.#publicHttp = createApp(tlsFiles(config));
    this.#controlHttp = createApp();
    this.#public.route(this.#publicHttp);
    this.#controlHttp.any('/*', this.#controlHandler(config.controlAddress));
    this.#publicHttp.filter(this.#connections.filter('public'));
    this.#controlHttp.filter(this.#connections.filter('control'));
    if (config.compatAddress !== undefined)
      this.#compatHttp = new NodeApp(
        this.#controlHandler(config.compatAddress),
        this.#connections.filter('control'),
      );
  }

  /** Listens on both addresses. @throws TidingsError `CONFIG_INVALID` when one is not to be had */
  async start(): Promise<void> {
    const { publicAddress, controlAddress, cert } = this.#config;
    const scheme = cert === '' ? 'http' : 'https';
    try {
      await this.#listen(this.#controlHttp, controlAddress, { flag: 'bindctl', scheme: 'http' });
      await this.#listen(this.#publicHttp, publicAddress, { flag: 'bind', scheme });
      await this.#listenCompat();
      // Not before: a start that fails leaves it to the next one.
      if (this.#stopping !== undefined) return this.#close();
      this.#handover.taken(this.#epoch);
    } catch (error) {
      this.#close();
      throw error;
    }
    if (this.#config.dev) this.#allowTryPage();
    this.#tellOfLowLimit();
    this.#clockwork.start();
    this.#files.start();
    this.#control.phase = 'serving';
    const compat = this.#compatListener?.url;
    this.#logger.info({ public: this.publicUrl, control: this.controlUrl, compat }, 'listening');
  }

  get controlUrl(): string {
    return this.#listeners[0]?.url ?? '';
  }

  /** Empty without `-bindctl-compat`. */
  get compatUrl(): string {
    return this.#compatListener?.url ?? '';
  }

  get publicUrl(): string {
    return this.#listeners[1]?.url ?? '';
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

  async #leave(): Promise<void> {
    const isHandedOver = this.#handover.isWanted && this.#control.phase === 'serving';
    this.#public.isDraining = true;
    this.#control.phase = isHandedOver ? 'leaving' : 'closed';
    const [controlListener, publicListener] = this.#listeners;
    publicListener?.close();
    if (!isHandedOver) this.#closeControl(controlListener);
    await this.#endStreams();
    if (isHandedOver) await this.#handOver();
    this.#close();
  }

  #closeControl(listener: Listener | undefined): void {
    listener?.close();
    this.#compatListener?.close();
  }

  async #handOver(): Promise<void> {
    // No turn of the event loop lies between the last emit that is taken and the snapshot.
    this.#control.phase = 'closed';
    this.#handover.leave(this.hub);
    await this.#pause(LAST_ANSWERS_MS);
  }

  async #endStreams(): Promise<void> {
    const { hub } = this;
    this.#logger.info({ streams: hub.streams.size, seconds: this.#config.drain }, 'draining');
    const before = hub.flow.endedBlockedCount;
    await drain(hub, { windowMs: this.#config.drain * 1_000, hasten: this.#haste.signal });
    this.#logger.info('streams ended');
    if (hub.flow.endedBlockedCount > before) await this.#pause(STOP_GRACE_MS);
  }

  // Over at once in haste.
  async #pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: this.#haste.signal }).catch(() => {});
  }

  #close(): void {
    this.#clockwork.stop();
    this.#files.close();
    for (const listener of this.#listeners) listener.close();
    this.#publicHttp.close();
    this.#controlHttp.close();
    this.#compatHttp?.close();
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

  async #listen(
    app: HttpApp,
    address: Config['publicAddress'],
    names: { flag: string; scheme: string },
  ): Promise<void> {
    this.#listeners.push(await Listener.open(app, address, names));
  }

  #emptyHub(olderEpochs: readonly Epoch[]): Hub {
    const config = this.#config;
    return new Hub({
      retention: {
        capacity: config.history,
        ttlSeconds: config['history-ttl'],
        budgetBytes: config.memory * BYTES_PER_MEGABYTE,
      },
      epoch: this.#epoch,
      olderEpochs,
      notices: { isOn: config.notices, heartbeatSeconds: config.heartbeat },
      onClosed: (stream, reason) => this.#public.closed(stream, reason),
    });
  }

  #publicApp(keys: TokenKeys): PublicApp {
    const config = this.#config;
    return new PublicApp({
      hub: this.hub,
      verify: verifierOf(keys, config['max-token-life']),
      limits: {
        streams: config['max-streams'],
        streamsPerUser: config['max-streams-per-user'],
        streamsPerAddress: config['max-streams-per-address'],
      },
      replacesOldest: config['over-limit'] === 'replace',
      addressPrefix6: config['address-prefix6'],
      cors: this.#cors,
      peers: config.peers,
      allowsQueryToken: config['query-token'] || config.dev,
      isTight: this.#connections.isTight,
      logger: this.#logger,
    });
  }

  #controlHandler(address: ListenAddress): HttpHandler {
    const config = this.#config;
    const hosts = address.kind === 'unix' ? undefined : config['ctl-hosts'];
    return this.#control.handlerFor(createGuard({ hosts, token: config['ctl-token'] }));
  }

  #controlApp(keys: TokenKeys): ControlApp {
    const config = this.#config;
    return new ControlApp({
      publisher: new Sequencer(this.#epoch, this.hub),
      sign: keys.kind === 'secret' ? tokenSigner(keys.secret) : undefined,
      maxTokenSeconds: config['max-token-life'],
      position: () => formatEventId(this.#epoch, this.hub.head),
      isTight: this.#connections.isTight,
      maxBodyBytes: config['max-body'],
      page: config.dev ? () => this.#tryPage() : undefined,
      logger: this.#logger,
    });
  }

  #tryPage(): string {
    // The page takes it as JavaScript, where a `<` could end the script.
    const settings = JSON.stringify({ eventsUrl: `${this.publicUrl}/events/` }).replaceAll(
      '<',
      '\\u003c',
    );
    return readFileSync(TRY_PAGE, 'utf8').replace('__TIDINGS_CONFIG__', () => settings);
  }

  // The page comes from the control port and opens its stream on the public one.
  #allowTryPage(): void {
    const port = this.#listeners[0]?.port;
    this.#cors.allow(`http://127.0.0.1:${port}`);
    this.#cors.allow(`http://localhost:${port}`);
  }

  // Only told: the connections themselves are counted, against the limit as it then is.
  #tellOfLowLimit(): void {
    const wanted = this.#config['max-streams'];
    const possible = this.#connections.publicRoom;
    if (wanted > possible)
      this.#logger.info(
        { wanted, possible },
        'the limit on open files allows fewer streams than max-streams',
      );
  }
}

function verifierOf(keys: TokenKeys, maxLifeSeconds: number): Verify {
  if (keys.kind === 'public-key') return publicKeyVerifier(keys.pem, { maxLifeSeconds });
  const { secret, previousSecret } = keys;
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret];
  return secretVerifier(secrets, { maxLifeSeconds });
}
