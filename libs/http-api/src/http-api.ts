import { err, invariant, ok, type Result, type Timers } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';
import { buildHttpApi, type HttpApiParts, type HttpApiPhase } from './build-http-api.ts';

export interface ListenError {
  readonly code: 'port_taken' | 'cannot_listen';
  readonly message: string;
}

function listenErrorOf(thrown: unknown, where: string): ListenError {
  const { code } = thrown as { readonly code?: unknown };
  if (code === 'EADDRINUSE') return { code: 'port_taken', message: `${where} is taken by another program` };
  return { code: 'cannot_listen', message: `cannot listen on ${where}: ${String(code ?? thrown)}` };
}

/** The HTTP API on a listening socket. */
export class HttpApi {
  readonly port: number;
  readonly #app: FastifyInstance;
  readonly #timers: Timers;
  readonly #enter: (phase: HttpApiPhase) => void;

  private constructor(app: FastifyInstance, port: number, timers: Timers, enter: (phase: HttpApiPhase) => void) {
    this.#app = app;
    this.port = port;
    this.#timers = timers;
    this.#enter = enter;
  }

  static async start(parts: HttpApiParts & { readonly timers: Timers }): Promise<Result<HttpApi, ListenError>> {
    let phase: HttpApiPhase = 'serving';
    const { app } = buildHttpApi(parts, () => phase);
    const { host, port } = parts.config;
    try {
      await app.listen({ host, port });
    } catch (thrown) {
      await app.close();
      return err(listenErrorOf(thrown, `${host}:${String(port)}`));
    }
    const address = app.server.address();
    invariant(address !== null && typeof address === 'object', 'a listening TCP server has an address');
    return ok(
      new HttpApi(app, address.port, parts.timers, (next) => {
        phase = next;
      }),
    );
  }

  /** New requests are refused as `draining`, `/readyz` answers 503; those under way go on. */
  drain(): void {
    this.#enter('draining');
  }

  /**
   * Leaves a shared port to the other processes: stops listening, closes what is idle, and answers each request as the
   * last one of its connection, so that the next one goes to another process.
   */
  leave(): void {
    this.#enter('leaving');
    this.#app.server.close();
  }

  /** Stops listening, waits for what is under way, at most `graceMs`; then cuts what is left. Twice does nothing. */
  async close(graceMs: number): Promise<void> {
    this.drain();
    const cancel = this.#timers.after(graceMs, () => {
      this.#app.server.closeAllConnections();
    });
    await this.#app.close();
    cancel();
  }
}
