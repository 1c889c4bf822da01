import { directConversationId, type UserId } from '@millrace/kernel';
import type { Encoding } from '@millrace/protocol';
import type { LoadMode, LoadPlan, StreamPlan } from '../load/load-plan.ts';

/** One thing that is measured with a set of users. */
export interface Part {
  readonly name: string;
  readonly mode: LoadMode | BurstMode;
  /** Instead of what the run says. */
  readonly seconds?: number;
}

/** At a multiple of what the part `saturated` before it reached. */
export interface BurstMode {
  readonly kind: 'burst';
  readonly times: number;
}

/** Users, who writes to whom, and what is measured with them. */
export interface Shape {
  readonly name: string;
  readonly kind: 'direct' | 'group';
  readonly users: number;
  readonly parts: readonly Part[];
  /** Messages of a writer that may be under way. */
  readonly window: number;
  /** On a target of several nodes: whether all sockets are on the first. */
  readonly onOneNode?: boolean;
  /** On a target of several nodes: whether each socket is on the node that `/api/v1/endpoints` names for its user, instead of in turn. */
  readonly atHome?: boolean;
  /** So many sockets come from one loopback address; left out: all come from that of the system's choice. */
  readonly usersPerAddress?: number;
}

/** How the server diffuses a conversation: by inboxes, or live to those who show it. */
export type Diffusion = 'write' | 'read';

export const PAYLOAD_BYTES = 200;
const WINDOW = 4;
/** With the rest waiting at the writers, as in their outboxes. */
const BURST_WINDOW = 8;
const BURST_TIMES = 10;
const BURST_SECONDS = 5;
const DIRECT_USERS = 500;
const ONE_EACH_USERS = 2_000;
const GROUP_SENDERS = 10;
const PEER_GROUP_SIZE = 50;
const GROUP_SIZES = [100, 500] as const;

const saturated: LoadMode = { kind: 'saturated' };
const open = (perSecond: number): LoadMode => ({ kind: 'open', perSecond });

/** Users of a whole number of pairs. */
const pairsOf = (users: number): number => Math.max(2, Math.round(users / 2) * 2);

/** @param scale - a share of the users and of the rates, for trying the bench itself. */
export function directShape(scale: number): Shape {
  const users = pairsOf(DIRECT_USERS * scale);
  const rates = [1_000, 10_000].map((rate) => ({ name: `${String(rate)}/s`, mode: open(Math.max(10, rate * scale)) }));
  const parts = [{ name: 'saturated', mode: saturated }, ...rates];
  return { name: 'direct', kind: 'direct', users, parts, window: WINDOW };
}

/** Many sockets with one message under way each: little comes together that could be written or stored together. */
export function oneEachShape(scale: number): Shape {
  return {
    name: `direct-${String(ONE_EACH_USERS)}`,
    kind: 'direct',
    users: pairsOf(ONE_EACH_USERS * scale),
    parts: [{ name: 'saturated', mode: saturated }],
    window: 1,
  };
}

/** Pairs of which each has its users on two nodes, if there are two; once with all sockets on the first. */
export function burstShapes(scale: number): readonly Shape[] {
  const { kind, users } = directShape(scale);
  const burst: Part = { name: 'burst', mode: { kind: 'burst', times: BURST_TIMES }, seconds: BURST_SECONDS * scale };
  const parts = [{ name: 'saturated', mode: saturated }, burst];
  const shape = { kind, users, parts, window: BURST_WINDOW };
  return [
    { ...shape, name: 'one-node', onOneNode: true },
    { ...shape, name: 'all-nodes' },
  ];
}

export function groupShapes(scale: number): readonly Shape[] {
  return GROUP_SIZES.map((size) => ({
    name: `group-${String(size)}`,
    kind: 'group',
    users: Math.max(3, Math.round(size * scale)),
    window: WINDOW,
    parts: [
      { name: '20/s', mode: open(20) },
      { name: 'saturated', mode: saturated },
    ],
  }));
}

/** What Millrace and its peers are measured with: what all of them can do. */
export function peerShapes(scale: number): readonly Shape[] {
  const parts: readonly Part[] = [
    { name: 'saturated', mode: saturated },
    { name: '1000/s', mode: open(Math.max(10, 1_000 * scale)) },
  ];
  const users = Math.max(3, Math.round(PEER_GROUP_SIZE * scale));
  return [
    { ...directShape(scale), parts },
    { name: `group-${String(PEER_GROUP_SIZE)}`, kind: 'group', users, window: WINDOW, parts },
  ];
}

/** Names that no other run on the same server has. */
export const userNames = (run: string, count: number): readonly UserId[] =>
  Array.from({ length: count }, (_, index) => `bench-${run}-${String(index)}` as UserId);

export const groupName = (run: string): string => `bench-${run}`;

/** Who writes: in pairs everyone, in a group the first few. */
export function streamsOf(
  shape: Shape,
  run: string,
  target: LoadPlan['target'],
  diffusion: Diffusion = 'write',
): readonly StreamPlan[] {
  const users = userNames(run, shape.users);
  if (shape.kind === 'direct') {
    return users.map((user, sender) => {
      const peer = sender ^ 1;
      return { sender, peer, conversation: directConversationId(user, users[peer] ?? user), deliveries: 1 };
    });
  }
  // Of an inbox the device that sent is left out, for it has the ack; what is published reaches everyone.
  const deliveries = target !== 'millrace' || diffusion === 'read' ? shape.users : shape.users - 1;
  const senders = Math.min(GROUP_SENDERS, shape.users);
  return Array.from({ length: senders }, (_, sender) => ({
    sender,
    peer: null,
    conversation: groupName(run),
    deliveries,
  }));
}

export function planOf(
  shape: Shape,
  run: string,
  target: {
    readonly kind: LoadPlan['target'];
    readonly websockets: readonly string[];
    readonly secret: string;
    readonly diffusion: Diffusion;
    readonly encoding?: Encoding;
  },
): LoadPlan {
  const isRead = target.diffusion === 'read';
  return {
    target: target.kind,
    websockets: shape.onOneNode === true ? target.websockets.slice(0, 1) : target.websockets,
    secret: target.secret,
    device: 'bench-load',
    encoding: target.encoding ?? 'binary',
    users: userNames(run, shape.users),
    usersPerAddress: shape.usersPerAddress ?? null,
    shows: shape.kind === 'group' ? { conversation: groupName(run), isRead } : null,
    lobbies: null,
    streams: streamsOf(shape, run, target.kind, target.diffusion),
    window: shape.window,
    payloadBytes: PAYLOAD_BYTES,
  };
}
