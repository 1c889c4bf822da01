import { err, ok } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { Operation } from './operation.ts';
import type { Readiness, SocketEndpoint } from './ports.ts';

export interface ServiceParts {
  readonly endpointsNeedKey: boolean;
  /** Null until the sockets listen, or while none are known on a node that has none. */
  readonly endpoint: () => SocketEndpoint | null;
  /** Where the API listens, for a request that names no usable host. */
  readonly fallbackHost: string;
  readonly isDraining: () => boolean;
  readonly readiness: () => Promise<Readiness>;
}

/**
 * What an orchestrator and a client that knows only the HTTP address ask. Open, and why that is harmless: `/healthz` says
 * one word; `/readyz` says why this node takes no work, never about whom; `/api/v1/endpoints` says where the sockets are,
 * which a port scan tells as well, and every socket demands a token.
 */
export function serviceOperations(parts: ServiceParts): readonly Operation[] {
  return [
    {
      id: 'getHealth',
      method: 'GET',
      path: '/healthz',
      access: 'open',
      run: () => Promise.resolve(ok({ status: 200, body: { status: 'alive' } })),
    },
    {
      id: 'getReadiness',
      method: 'GET',
      path: '/readyz',
      access: 'open',
      async run() {
        if (parts.isDraining()) return ok({ status: 503, body: { ready: false, reasons: ['the node is draining'] } });
        const { ok: ready, reasons } = await parts.readiness();
        return ok({ status: ready ? 200 : 503, body: { ready, reasons } });
      },
    },
    {
      id: 'getEndpoints',
      method: 'GET',
      path: '/api/v1/endpoints',
      access: parts.endpointsNeedKey ? 'read' : 'open',
      run({ host, secure }) {
        const endpoint = parts.endpoint();
        if (endpoint === null) {
          return Promise.resolve(
            err(frameError('unavailable', 'no sockets listen yet, as far as this node knows; ask again soon')),
          );
        }
        const derived = `${secure ? 'wss' : 'ws'}://${host ?? parts.fallbackHost}:${String(endpoint.port)}`;
        const { subprotocols, version } = endpoint;
        return Promise.resolve(
          ok({ status: 200, body: { websocket: endpoint.publicUrl ?? derived, subprotocols, version } }),
        );
      },
    },
  ];
}
