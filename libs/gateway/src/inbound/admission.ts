import type { Clock } from '@millrace/kernel';
import { chooseSubprotocol, subprotocols, type Encoding } from '@millrace/protocol';
import type { UpgradeAnswer, UpgradeRequest } from '../engine/socket-engine.ts';
import type { GatewayConfig } from '../gateway-config.ts';
import { RateTable } from './rate-limit.ts';

/** What is known of a socket when it opens. */
export interface Admitted {
  readonly ip: string;
  readonly encoding: Encoding;
}

/** Decides which connections become sockets: Origin, subprotocol, and how many an address may have. */
export class Admission {
  readonly #config: GatewayConfig;
  readonly #connects: RateTable;
  readonly #perIp = new Map<string, number>();
  #total = 0;
  #isDraining = false;

  constructor(config: GatewayConfig, clock: Clock) {
    this.#config = config;
    this.#connects = new RateTable(config.connectsPerIp, clock);
  }

  get total(): number {
    return this.#total;
  }

  drain(): void {
    this.#isDraining = true;
  }

  decide({ ip, origin, protocols }: UpgradeRequest): UpgradeAnswer<Admitted> {
    const { origins, socketsMax, socketsPerIpMax } = this.#config;
    if (this.#isDraining) return { accept: false, status: 503, message: 'this node is stopping', retryAfterS: 1 };
    if (origin !== null && !origins.includes('*') && !origins.includes(origin)) {
      return { accept: false, status: 403, message: 'pages of this origin may not open sockets here' };
    }
    const encoding = chooseSubprotocol(protocols);
    if (encoding === null) {
      const message = `offer one of the subprotocols ${Object.values(subprotocols).join(', ')}`;
      return { accept: false, status: 400, message };
    }
    const waitMs = this.#connects.take(ip);
    if (waitMs > 0 || (this.#perIp.get(ip) ?? 0) >= socketsPerIpMax) {
      const retryAfterS = Math.max(1, Math.ceil(waitMs / 1000));
      return { accept: false, status: 429, message: 'too many connections from this address', retryAfterS };
    }
    if (this.#total >= socketsMax) {
      return { accept: false, status: 503, message: 'this node holds as many sockets as it may', retryAfterS: 1 };
    }
    return { accept: true, subprotocol: subprotocols[encoding], context: { ip, encoding } };
  }

  opened({ ip }: Admitted): void {
    this.#total += 1;
    this.#perIp.set(ip, (this.#perIp.get(ip) ?? 0) + 1);
  }

  closed({ ip }: Admitted): void {
    this.#total -= 1;
    const left = (this.#perIp.get(ip) ?? 1) - 1;
    if (left > 0) this.#perIp.set(ip, left);
    else this.#perIp.delete(ip);
  }

  sweep(): void {
    this.#connects.sweep();
  }
}
