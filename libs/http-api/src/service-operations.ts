import { err, ok } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { z } from 'zod';
import { read, userId } from './input.ts';
import type { Operation } from './operation.ts';
import type { EndpointOf, Readiness } from './ports.ts';

const askedEndpoint = z.object({ user: userId.optional() });

export interface ServiceParts {
  readonly endpointsNeedKey: boolean;
  readonly endpoint: EndpointOf;
  /** Where the API listens, for a request that names no usable host. */
  readonly fallbackHost: string;
  readonly isDraining: () => boolean;
  readonly readiness: () => Promise<Readiness>;
}

/**
 * What an orchestrator and a client that knows only the HTTP address ask. Open, and why that is harmless: `/healthz` says
 * one word; `/readyz` says why this node takes no work, never about whom; `/api/v1/endpoints` says where the sockets are,
 * which a port scan tells as well, and every socket demands a token. Which of them it names to a user goes by their id alone,
 * whether there is such a user or not.
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
      async run({ host, secure, query }) {
        const asked = read(askedEndpoint, query);
        if (!asked.ok) return asked;
        const endpoint = parts.endpoint(asked.value.user ?? null);
        if (endpoint === null)
          return err(frameError('unavailable', 'no sockets listen yet, as far as this node knows; ask again soon'));
        const derived = `${secure ? 'wss' : 'ws'}://${host ?? parts.fallbackHost}:${String(endpoint.port)}`;
        const { subprotocols, version } = endpoint;
        return ok({ status: 200, body: { websocket: endpoint.publicUrl ?? derived, subprotocols, version } });
      },
    },
  ];
}
