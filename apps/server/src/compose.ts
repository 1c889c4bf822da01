import { HttpApi, httpApiConfigSchema, type Readiness, type SocketEndpoint } from '@millrace/http-api';
import { Gateway, type TokenVerifier } from '@millrace/gateway';
import { err, ok, promptTimers, systemClock, systemRandom, type Result, type UserId } from '@millrace/kernel';
import { Archiver, ChatNode, type Indexer, Lifetimes, listNames, type MessageTrace } from '@millrace/messaging';
import { withoutPassword, type RedisStores, type StoreHealth } from '@millrace/redis-store';
import { archiveChoiceOf } from './archive/archive-choice.ts';
import { archiveMetrics, retentionMetrics } from './archive/archive-metrics.ts';
import { watchMemory } from './archive/memory-watch.ts';
import { openArchive, type OpenedArchive } from './archive/open-archive.ts';
import { chainsOf, erasuresOf } from './archive/erasures-of.ts';
import { retentionOf } from './archive/retention-of.ts';
import { timelinesOver } from './archive/timelines-over.ts';
import { connectRedis } from './connect-redis.ts';
import { CutOffWatch, isReadyAt } from './cut-off-watch.ts';
import { gatewayMetrics, sessionMetrics } from './gateway-metrics.ts';
import {
  LateChains,
  LateChat,
  LateErasures,
  LateLivePort,
  LatePushPort,
  LateSessionPort,
  LateSessions,
  LateStories,
} from './late-parts.ts';
import type { ServerLog } from './logging.ts';
import { createRegistry, nodeMetrics, storeMetrics } from './metrics.ts';
import {
  archiverLimitsOf,
  configuredOf,
  layoutOf,
  nodeIdOf,
  rolesOf,
  storeFormOf,
  traceOf,
  urlHost,
} from './node-parts.ts';
import { PrivateRedis, privateRedisShown } from './private-redis.ts';
import type { SharedPorts } from './processes/process-link.ts';
import { ServerJobs } from './jobs/server-jobs.ts';
import { indexerOver } from './search/indexer-over.ts';
import { openSearch, type OpenedSearch } from './search/open-search.ts';
import { searchChoiceOf } from './search/search-choice.ts';
import type { Secrets } from './secrets.ts';
import type { ServerConfig } from './server-config.ts';
import { endpointAt, endpointFor } from './socket-endpoint.ts';
import { prepareSockets, type SocketParts } from './sockets.ts';
import { StartedStack } from './stack.ts';
import { startNode } from './start-node.ts';

export interface ServerParts {
  readonly config: ServerConfig;
  readonly secrets: Secrets;
  readonly log: ServerLog;
  /** Another run of this node has registered: this one serves nothing any more and is to end. */
  readonly onLost: (why: string) => void;
  /** Null when this process has its ports for itself. */
  readonly shared: SharedPorts | null;
}

/** Where a server that came up can be reached. */
export interface ServerAddresses {
  readonly httpUrl: string;
  /** Null without the role `gateway`. */
  readonly socketUrl: string | null;
  readonly engine: string;
  readonly redis: string;
}

const HEALTH_MS = 500;
/** What answers that are under way may take after the node has stopped. */
const HTTP_GRACE_MS = 2_000;

const clock = systemClock;
const timers = promptTimers();
const random = systemRandom;

/**
 * One process: HTTP, Redis, the node, the sockets, put together. The only place that picks adapters.
 *
 * HTTP comes first and goes last, so that `/healthz` and `/readyz` tell of every state between. Not so on shared ports:
 * there a process takes requests only while it serves, for the others take them at any other time.
 */
export class Server {
  readonly #parts: ServerParts;
  readonly #started: StartedStack;
  readonly #registry = createRegistry();
  readonly #chat = new LateChat();
  readonly #sessions = new LateSessions();
  readonly #stories = new LateStories();
  readonly #erasures = new LateErasures();
  readonly #chains = new LateChains();
  readonly #pushPort = new LatePushPort();
  readonly #sessionPort = new LateSessionPort();
  readonly #livePort = new LateLivePort();
  readonly #trace: MessageTrace;
  #phase = 'starting';
  #stopRequested = false;
  #privateRedis: PrivateRedis | null = null;
  #http: HttpApi | null = null;
  #stores: RedisStores | null = null;
  #node: ChatNode | null = null;
  #indexer: Indexer | null = null;
  #endpoint: SocketEndpoint | null = null;
  #health: { readonly atMs: number; readonly answer: Promise<StoreHealth> } | null = null;

  constructor(parts: ServerParts) {
    this.#parts = parts;
    this.#trace = traceOf(parts.config, clock);
    if (parts.shared !== null) this.#registry.setDefaultLabels({ process: parts.config.nodeName });
    parts.shared?.measures(this.#registry);
    this.#started = new StartedStack((what, error) => {
      parts.log.error(`${what} did not stop`, { error: String(error) });
    });
  }

  /** Resolves when everything serves, or with a sentence that says why not; what had come up is then down again. */
  async start(): Promise<Result<ServerAddresses, string>> {
    const outcome = await this.#startAll();
    if (!outcome.ok) await this.#started.unwind();
    return outcome;
  }

  /** Whether {@link stop} was called, perhaps while it started. */
  get stopRequested(): boolean {
    return this.#stopRequested;
  }

  /**
   * Stops accepting, drains, finishes commits, hands partitions back, ends the private Redis.
   *
   * @returns whether all of it went as it should.
   */
  stop(): Promise<boolean> {
    this.#stopRequested = true;
    this.#phase = 'stopping';
    if (this.#parts.shared === null) this.#http?.drain();
    else this.#http?.leave();
    return this.#started.unwind();
  }

  /** For an end without a stop: nothing more is committed, and a private Redis is told to end by itself. */
  abandon(): void {
    this.#privateRedis?.endSoon();
  }

  async #startAll(): Promise<Result<ServerAddresses, string>> {
    const { config, secrets, log, shared } = this.#parts;
    const socketParts = prepareSockets(config, secrets, { clock, timers, log, portShared: shared !== null });
    if (!socketParts.ok) return socketParts;
    if (shared?.isFirst !== false) {
      const http = await this.#startHttp(socketParts.value.verifier);
      if (!http.ok) return http;
      this.#started.push('HTTP', () => http.value.close(HTTP_GRACE_MS));
    }
    const redis = await this.#findRedis();
    if (!redis.ok) return redis;
    const stores = await this.#connectStores(redis.value.url);
    if (!stores.ok) return stores;
    const archive = await this.#openArchive();
    if (!archive.ok) return archive;
    const search = await this.#openSearch();
    if (!search.ok) return search;
    const node = await this.#startNode(stores.value, archive.value, search.value);
    if (!node.ok) return node;
    if (this.#started.isUnwinding) return err('it was stopped while it started');
    if (shared !== null) this.#stopTogether(shared);
    const sockets = rolesOf(config).includes('gateway')
      ? await this.#startSockets(socketParts.value, node.value, stores.value)
      : ok(null);
    if (!sockets.ok) return sockets;
    this.#phase = 'serving';
    const http = this.#http === null ? await this.#startHttp(socketParts.value.verifier) : ok(this.#http);
    if (!http.ok) return http;
    return ok({
      httpUrl: `http://${urlHost(config.host)}:${String(http.value.port)}`,
      socketUrl:
        sockets.value === null
          ? null
          : (config.socketUrl ?? `ws://${urlHost(config.host)}:${String(sockets.value.port)}`),
      engine: socketParts.value.engine.name,
      redis: redis.value.shown,
    });
  }

  /** On shared ports: once no process that stops has a client, HTTP ends what is under way, and only then the node. */
  #stopTogether(shared: SharedPorts): void {
    this.#started.push('HTTP', () => this.#http?.close(HTTP_GRACE_MS) ?? Promise.resolve());
    this.#started.push('the other processes', () => shared.drained());
  }

  async #startHttp(tokens: TokenVerifier): Promise<Result<HttpApi, string>> {
    const { config, secrets, log, shared } = this.#parts;
    const started = await HttpApi.start({
      config: httpApiConfigSchema.parse({
        host: config.host,
        port: config.port,
        mode: config.mode,
        endpointsNeedKey: config.endpointsNeedKey,
        rateLimit: { perSecond: config.httpPerSecond, burst: config.httpBurst },
        trustedProxies: [...config.trustedProxies],
      }),
      keys: secrets.apiKeys,
      chat: this.#chat,
      sessions: this.#sessions,
      tokens,
      stories: this.#stories,
      names: (cursor) => listNames(this.#stores?.names ?? null, cursor),
      erasures: this.#erasures,
      chains: this.#chains,
      endpoint: (user) => this.#endpointFor(user),
      readiness: () => this.#readiness(),
      cluster: () => this.#node?.cluster() ?? null,
      rebuild: () => this.#indexer?.rebuild ?? null,
      metrics: this.#registry,
      ...(shared === null ? {} : { metricsOfAll: () => shared.metricsOfAll() }),
      clock,
      timers,
      log,
    });
    if (!started.ok) return err(`MILLRACE_PORT is ${String(config.port)}, but ${started.error.message}`);
    this.#http = started.value;
    return started;
  }

  async #findRedis(): Promise<Result<{ readonly url: string; readonly shown: string }, string>> {
    const { config, log } = this.#parts;
    if (config.redisUrl !== null) return ok({ url: config.redisUrl, shown: withoutPassword(config.redisUrl) });
    this.#phase = 'starting the private Redis';
    const redis = await PrivateRedis.start(config, timers, log);
    if (!redis.ok) return redis;
    this.#privateRedis = redis.value;
    this.#started.push('the private Redis', () => redis.value.stop());
    return ok({ url: redis.value.url, shown: privateRedisShown(config) });
  }

  async #connectStores(url: string): Promise<Result<RedisStores, string>> {
    const { config, log } = this.#parts;
    this.#phase = 'waiting for Redis';
    const stores = await connectRedis({
      options: {
        url,
        ...storeFormOf(config),
        observer: storeMetrics(this.#registry),
        clock,
        timers,
        random,
      },
      isCancelled: () => this.#started.isUnwinding,
      log,
    });
    return stores.ok ? ok(this.#connected(stores.value)) : stores;
  }

  #connected(stores: RedisStores): RedisStores {
    const { log, shared } = this.#parts;
    this.#stores = stores;
    this.#started.pushAtOnce('the connection to Redis', () => {
      stores.close();
    });
    const { facts, findings } = stores.inspection;
    log.info('connected to Redis', { flavour: facts.flavour, version: facts.version, cluster: facts.cluster });
    for (const { severity, message } of findings) {
      if (severity !== 'advice') log.warn(`Redis: ${message}`);
      else if (this.#privateRedis === null && shared?.advises !== false) log.info(`Redis: ${message}`);
    }
    return stores;
  }

  async #openArchive(): Promise<Result<OpenedArchive | null, string>> {
    const { config, log } = this.#parts;
    this.#phase = 'opening the archive';
    const isCancelled = (): boolean => this.#started.isUnwinding;
    const opened = await openArchive(archiveChoiceOf(config), { clock, timers, isCancelled, log });
    if (!opened.ok || opened.value === null) return opened;
    const { store, shown } = opened.value;
    this.#started.push('the archive', () => store.close());
    log.info('opened the archive', { archive: shown });
    return opened;
  }

  async #openSearch(): Promise<Result<OpenedSearch | null, string>> {
    const { config, log } = this.#parts;
    this.#phase = 'opening the search index';
    const opened = await openSearch(searchChoiceOf(config), config.searchFields, { timers, log });
    if (!opened.ok || opened.value === null) return opened;
    const { index, shown } = opened.value;
    this.#started.push('the search index', () => index.close());
    log.info('messages are searched for', { index: shown });
    return opened;
  }

  async #startNode(
    stores: RedisStores,
    archive: OpenedArchive | null,
    search: OpenedSearch | null,
  ): Promise<Result<ChatNode, string>> {
    const { config, log, onLost } = this.#parts;
    this.#phase = 'joining the cluster';
    const timelines = archive === null ? stores.timelines : timelinesOver(stores, archive, log);
    const isWorker = rolesOf(config).includes('jobs');
    const jobs = new ServerJobs({ stores, registry: this.#registry, isWorker, clock, timers, random, log });
    this.#started.push('the queue of jobs', () => jobs.close());
    const archiver =
      archive === null
        ? null
        : new Archiver({
            ...{ archive: archive.store, identity: archive.identity, timelines, clock, timers, log },
            ...{ hot: stores.hotTimelines, jobs: jobs.rolls, isHeld: () => stores.isArchiveHeld() },
            limits: archiverLimitsOf(config),
          });
    if (archive !== null && archiver !== null) {
      archiveMetrics(this.#registry, () => archiver.stats, archive.store);
    }
    const retention = retentionOf(config, stores, timelines, archive, { clock, timers, log });
    retentionMetrics(this.#registry, () => retention.stats);
    const indexer = indexerOver(search, stores, this.#registry, { clock, timers, log });
    this.#indexer = indexer;
    const node = new ChatNode({
      stores: { partitions: stores.partitions, cluster: stores.cluster, timelines, records: stores.records },
      ...(archiver === null ? {} : { archiver }),
      retention,
      search: search?.index ?? null,
      ...(search === null ? {} : { searchRules: search.rules }),
      ...(indexer === null ? {} : { indexer }),
      jobs: jobs.due,
      lifetimes: new Lifetimes({ jobs: jobs.due, clock, log }),
      streams: stores.nodeStreams,
      node: nodeIdOf(config, random),
      ...configuredOf(config),
      url: `http://${urlHost(config.host)}:${String(this.#http?.port ?? config.port)}`,
      pushPort: this.#pushPort,
      sessionPort: this.#sessionPort,
      livePort: this.#livePort,
      trace: this.#trace,
      clock,
      timers,
      random,
      log,
      onLost,
    });
    this.#node = node;
    const stopListening = stores.onReconnect(() => {
      log.warn('Redis is back; claiming again');
      node.reclaim();
    });
    this.#started.push('the node', async () => {
      await node.stop();
      stopListening();
    });
    log.info('joining the cluster', { name: config.nodeName, roles: rolesOf(config) });
    const started = await startNode(node, stores.partitions, layoutOf(config), () => this.#started.isUnwinding);
    if (!started.ok) return started;
    nodeMetrics(
      this.#registry,
      () => node.stats(),
      () => this.#redisHealth(stores),
      config.partitions,
    );
    if (archiver !== null) {
      const health = (): Promise<StoreHealth> => this.#redisHealth(stores);
      const stopWatch = watchMemory(health, timers, (share) => {
        archiver.memory(share);
      });
      this.#started.pushAtOnce('the look at the memory of Redis', stopWatch);
    }
    this.#chat.become(node.chat);
    this.#sessions.become(node.sessions);
    this.#stories.become(node.stories);
    const index = search?.index ?? null;
    const erasures = erasuresOf(node, stores, timelines, archive, archiver, index, jobs.due, { clock, timers, log });
    this.#erasures.become(erasures);
    this.#chains.become(chainsOf(node, stores, timelines, archive));
    this.#started.pushAtOnce('erasures', () => {
      erasures.stop();
    });
    jobs.work(node, retention, archiver);
    this.#started.push('jobs', () => jobs.rest());
    const { partitionsOwned, members } = node.stats();
    log.info('the node serves', {
      partitions: partitionsOwned,
      of: config.partitions,
      members,
      ackLevel: config.ackLevel,
    });
    return ok(node);
  }

  async #startSockets(parts: SocketParts, node: ChatNode, stores: RedisStores): Promise<Result<Gateway, string>> {
    const { config, log } = this.#parts;
    const reachesStore = async (): Promise<boolean> => (await this.#redisHealth(stores)).reachable;
    const cutOff = new CutOffWatch({ node, reachesStore, isReady: isReadyAt, clock, timers, random, log });
    this.#started.pushAtOnce('the look at the lease', () => {
      cutOff.stop();
    });
    const started = await Gateway.start({
      ...parts,
      chat: node.chat,
      ackLevel: config.ackLevel,
      isCutOff: () => cutOff.isCutOff,
      observer: gatewayMetrics(this.#registry),
      trace: this.#trace,
      clock,
      timers,
      random,
      log,
    });
    if (!started.ok) return err(`MILLRACE_SOCKET_PORT is ${String(config.socketPort)}, but ${started.error.message}`);
    const gateway = started.value;
    this.#started.push('the sockets', async () => {
      await gateway.drain(config.drainMs);
      await gateway.close();
    });
    this.#pushPort.become(gateway.sessions);
    this.#sessionPort.become(gateway.sessions);
    this.#livePort.become(gateway.live);
    sessionMetrics(this.#registry, () => gateway.stats());
    this.#endpoint = endpointAt(config.socketUrl, gateway.port);
    return started;
  }

  #endpointFor(user: UserId | null): SocketEndpoint | null {
    const isGateway = rolesOf(this.#parts.config).includes('gateway');
    return endpointFor(user, { own: this.#endpoint, isGateway, gateways: this.#node?.gateways ?? null, random });
  }

  /** Asks Redis at most twice a second, however often it is asked. */
  #redisHealth(stores: RedisStores): Promise<StoreHealth> {
    const nowMs = clock.monotonicMs();
    if (this.#health === null || nowMs - this.#health.atMs > HEALTH_MS) {
      this.#health = { atMs: nowMs, answer: stores.health() };
    }
    return this.#health.answer;
  }

  async #readiness(): Promise<Readiness> {
    if (this.#stores === null || this.#node === null || this.#phase !== 'serving') {
      return { ok: false, reasons: [`the server is ${this.#phase}`] };
    }
    const { reachable } = await this.#redisHealth(this.#stores);
    const { ok: nodeReady, reasons } = this.#node.ready();
    if (reachable) return { ok: nodeReady, reasons };
    return { ok: false, reasons: [...reasons, 'Redis cannot be reached'] };
  }
}
