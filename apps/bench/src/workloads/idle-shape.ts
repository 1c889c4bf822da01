import type { LoadPlan } from '../load/load-plan.ts';
import type { MeasuredTarget } from './run-shape.ts';
import { PAYLOAD_BYTES, userNames } from './shape.ts';

const CONNECTIONS = 10_000;
const LONG_CONNECTIONS = 50_000;
/** Over which the many are spread: a process may open 20,000 files, or fewer. */
const LONG_SERVERS = 4;
const CONNECTIONS_PER_LOAD = 10_000;
const CONNECTIONS_PER_ADDRESS = 5_000;
/** Opened and closed before, a share of them: what a process takes once is not that of a connection. */
const WARM_SHARE = 0.1;

/** Connections that say nothing, and the processes on both ends of them. */
export interface IdleShape {
  readonly name: string;
  readonly connections: number;
  readonly warm: number;
  readonly servers: number;
}

/** @param scale - a share of the connections, for trying the bench itself. */
export function idleShapes(scale: number, isLong: boolean, servers: number): readonly IdleShape[] {
  const shapeOf = (all: number, over: number): IdleShape => {
    const connections = Math.max(over, Math.round(all * scale));
    return { name: `idle-${String(all)}`, connections, warm: Math.ceil(connections * WARM_SHARE), servers: over };
  };
  return [
    shapeOf(CONNECTIONS, servers),
    ...(isLong ? [shapeOf(LONG_CONNECTIONS, Math.max(LONG_SERVERS, servers))] : []),
  ];
}

/**
 * What each load process is told, none of which shares an address with another.
 *
 * @param connections - of all of them together.
 */
export function idlePlans(
  connections: number,
  run: string,
  { kind, websockets, secret }: Pick<MeasuredTarget, 'kind' | 'websockets' | 'secret'>,
): readonly LoadPlan[] {
  const users = userNames(run, connections);
  return Array.from({ length: Math.ceil(connections / CONNECTIONS_PER_LOAD) }, (_, load) => ({
    target: kind,
    websockets,
    secret,
    device: 'bench-load',
    users: users.slice(load * CONNECTIONS_PER_LOAD, (load + 1) * CONNECTIONS_PER_LOAD),
    usersPerAddress: CONNECTIONS_PER_ADDRESS,
    firstAddress: load * Math.ceil(CONNECTIONS_PER_LOAD / CONNECTIONS_PER_ADDRESS),
    shows: null,
    lobbies: null,
    streams: [],
    window: 1,
    payloadBytes: PAYLOAD_BYTES,
  }));
}
