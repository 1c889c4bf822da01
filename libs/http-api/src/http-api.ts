import { err, invariant, ok, type Result, type Timers } from '@millrace/kernel';
import type { FastifyInstance } from 'fastify';
import { buildHttpApi, type HttpApiParts } from './build-http-api.ts';

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
  readonly #drain: () => void;

  private constructor(app: FastifyInstance, port: number, timers: Timers, drain: () => void) {
    this.#app = app;
    this.port = port;
    this.#timers = timers;
    this.#drain = drain;
  }

  static async start(parts: HttpApiParts & { readonly timers: Timers }): Promise<Result<HttpApi, ListenError>> {
    let draining = false;
    const { app } = buildHttpApi(parts, () => draining);
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
      new HttpApi(app, address.port, parts.timers, () => {
        draining = true;
      }),
    );
  }

  /** New requests are refused as `draining`, `/readyz` answers 503; those under way go on. */
  drain(): void {
    this.#drain();
  }

  /** Stops listening, waits for what is under way, at most `graceMs`; then cuts what is left. */
  async close(graceMs: number): Promise<void> {
    this.#drain();
    const cancel = this.#timers.after(graceMs, () => {
      this.#app.server.closeAllConnections();
    });
    await this.#app.close();
    cancel();
  }
}
