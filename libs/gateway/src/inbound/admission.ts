import type { BlockList } from 'node:net';
import { invariant, type Clock } from '@millrace/kernel';
import { chooseSubprotocol, subprotocols, type Encoding } from '@millrace/protocol';
import type { UpgradeAnswer, UpgradeRequest } from '../engine/socket-engine.ts';
import type { GatewayConfig } from '../gateway-config.ts';
import { addressKey, clientAddress, proxyList } from './client-address.ts';
import { RateTable, TokenBucket } from './rate-limit.ts';

/** What is known of a socket when it opens. */
export interface Admitted {
  readonly ip: string;
  /** What is counted as one address. */
  readonly ipKey: string;
  readonly encoding: Encoding;
}

const refused = (status: number, message: string, waitMs?: number): UpgradeAnswer<Admitted> => ({
  accept: false,
  status,
  message,
  ...(waitMs === undefined ? {} : { retryAfterS: Math.max(1, Math.ceil(waitMs / 1_000)) }),
});

/**
 * Decides which connections become sockets: path, Origin, subprotocol, how many an address and the node may have, and
 * how fast they may come.
 *
 * (A1) What is counted by address is bounded by the sockets that are open, or by the table's own bound (I9).
 */
export class Admission {
  readonly #config: GatewayConfig;
  readonly #clock: Clock;
  readonly #proxies: BlockList;
  readonly #connects: TokenBucket;
  readonly #connectsPerIp: RateTable;
  readonly #openPerIp = new Map<string, number>();
  #total = 0;
  #isDraining = false;
  #isCutOff = false;

  constructor(config: GatewayConfig, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    const proxies = proxyList(config.trustedProxies);
    invariant(proxies !== null, 'the configuration was checked');
    this.#proxies = proxies;
    this.#connects = new TokenBucket(config.connects, clock.monotonicMs());
    this.#connectsPerIp = new RateTable(config.connectsPerIp, clock);
  }

  /** Sockets that are open. */
  get total(): number {
    return this.#total;
  }

  drain(): void {
    this.#isDraining = true;
  }

  cutOff(isCutOff: boolean): void {
    this.#isCutOff = isCutOff;
  }

  decide(request: UpgradeRequest): UpgradeAnswer<Admitted> {
    const { origins, path, socketsMax, socketsPerIpMax } = this.#config;
    const { origin } = request;
    if (this.#isDraining) return refused(503, 'this node is stopping', 1_000);
    if (this.#isCutOff) return refused(503, 'this node cannot reach its store, but another one can', 1_000);
    if (path !== '*' && request.path !== path) return refused(404, `the sockets are at the path ${path}`);
    if (origin !== null && !origins.includes('*') && !origins.includes(origin)) {
      return refused(403, 'pages of this origin may not open sockets here');
    }
    const encoding = chooseSubprotocol(request.protocols);
    if (encoding === null)
      return refused(400, `offer one of the subprotocols ${Object.values(subprotocols).join(', ')}`);
    const ip = clientAddress(request.ip, request.forwardedFor, this.#proxies);
    const ipKey = addressKey(ip);
    const ipWaitMs = this.#connectsPerIp.take(ipKey);
    if (ipWaitMs > 0) return refused(429, 'too many connections from this address', ipWaitMs);
    if ((this.#openPerIp.get(ipKey) ?? 0) >= socketsPerIpMax) {
      return refused(429, 'this address holds as many sockets as it may', 1_000);
    }
    if (this.#total >= socketsMax) return refused(503, 'this node holds as many sockets as it may', 1_000);
    const waitMs = this.#connects.take(this.#clock.monotonicMs());
    if (waitMs > 0) return refused(503, 'too many connections at once', waitMs);
    return { accept: true, subprotocol: subprotocols[encoding], context: { ip, ipKey, encoding } };
  }

  opened({ ipKey }: Admitted): void {
    this.#total += 1;
    this.#openPerIp.set(ipKey, (this.#openPerIp.get(ipKey) ?? 0) + 1);
  }

  closed({ ipKey }: Admitted): void {
    this.#total -= 1;
    const left = (this.#openPerIp.get(ipKey) ?? 1) - 1;
    if (left > 0) this.#openPerIp.set(ipKey, left);
    else this.#openPerIp.delete(ipKey);
  }

  /** Forgets addresses that have been quiet; called now and then. */
  sweep(): void {
    this.#connectsPerIp.sweep();
  }
}
