import type { SocketEndpoint } from '@millrace/http-api';
import type { Random, UserId } from '@millrace/kernel';
import type { ChatNode } from '@millrace/messaging';
import { subprotocols } from '@millrace/protocol';
import { version } from './version.ts';

/** @param publicUrl - what clients are told; null for the host that they asked, with this port. */
export const endpointAt = (publicUrl: string | null, port: number): SocketEndpoint => ({
  subprotocols: [subprotocols.binary, subprotocols.json],
  version,
  publicUrl,
  port,
});

export interface EndpointParts {
  /** This node's; null while it has none. */
  readonly own: SocketEndpoint | null;
  /** Whether this node takes sockets, or will when it serves. */
  readonly isGateway: boolean;
  /** Of the cluster; null before this node has a part in it. */
  readonly gateways: Pick<ChatNode['gateways'], 'others' | 'homeOf'> | null;
  readonly random: Pick<Random, 'fraction'>;
}

/**
 * Where a client is to open its socket: at the node where its user lives, if it says who that is and that node has told the
 * others where its sockets are; else here; and at any other node if this one takes none.
 */
export function endpointFor(user: UserId | null, parts: EndpointParts): SocketEndpoint | null {
  const { own, isGateway, gateways, random } = parts;
  const others = gateways?.others.filter(({ socketUrl }) => socketUrl !== '') ?? [];
  const home = user === null ? null : (gateways?.homeOf(user) ?? null);
  const elsewhere = others.find(({ node }) => node === home?.node);
  if (elsewhere !== undefined) return endpointAt(elsewhere.socketUrl, 0);
  if (isGateway) return own;
  const any = others[Math.floor(random.fraction() * others.length)];
  return any === undefined ? null : endpointAt(any.socketUrl, 0);
}
