import { directConversationId, type UserId } from '@millrace/kernel';
import type { LoadMode, LoadPlan, StreamPlan } from '../load/load-plan.ts';

/** One thing that is measured with a set of users. */
export interface Part {
  readonly name: string;
  readonly mode: LoadMode;
}

/** Users, who writes to whom, and what is measured with them. */
export interface Shape {
  readonly name: string;
  readonly kind: 'direct' | 'group';
  readonly users: number;
  readonly parts: readonly Part[];
}

export const PAYLOAD_BYTES = 200;
const WINDOW = 4;
const DIRECT_USERS = 500;
const GROUP_SENDERS = 10;
const GROUP_SIZES = [100, 500] as const;

const saturated: LoadMode = { kind: 'saturated' };
const open = (perSecond: number): LoadMode => ({ kind: 'open', perSecond });

/** @param scale - a share of the users and of the rates, for trying the bench itself. */
export function directShape(scale: number): Shape {
  const users = Math.max(2, Math.round((DIRECT_USERS * scale) / 2) * 2);
  const rates = [1_000, 10_000].map((rate) => ({ name: `${String(rate)}/s`, mode: open(Math.max(10, rate * scale)) }));
  return { name: 'direct', kind: 'direct', users, parts: [{ name: 'saturated', mode: saturated }, ...rates] };
}

export function groupShapes(scale: number): readonly Shape[] {
  return GROUP_SIZES.map((size) => ({
    name: `group-${String(size)}`,
    kind: 'group',
    users: Math.max(3, Math.round(size * scale)),
    parts: [
      { name: '20/s', mode: open(20) },
      { name: 'saturated', mode: saturated },
    ],
  }));
}

/** Names that no other run on the same server has. */
export const userNames = (run: string, count: number): readonly UserId[] =>
  Array.from({ length: count }, (_, index) => `bench-${run}-${String(index)}` as UserId);

export const groupName = (run: string): string => `bench-${run}`;

/** Who writes: in pairs everyone, in a group the first few. */
export function streamsOf(shape: Shape, run: string, target: LoadPlan['target']): readonly StreamPlan[] {
  const users = userNames(run, shape.users);
  if (shape.kind === 'direct') {
    return users.map((user, sender) => {
      const peer = sender ^ 1;
      return { sender, peer, conversation: directConversationId(user, users[peer] ?? user), deliveries: 1 };
    });
  }
  // A server leaves out the device that sent, for it has the ack; the relay's publish reaches everyone.
  const deliveries = target === 'relay' ? shape.users : shape.users - 1;
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
  target: { readonly kind: LoadPlan['target']; readonly websocket: string; readonly secret: string },
): LoadPlan {
  return {
    target: target.kind,
    websocket: target.websocket,
    secret: target.secret,
    device: 'bench-load',
    users: userNames(run, shape.users),
    streams: streamsOf(shape, run, target.kind),
    window: WINDOW,
    payloadBytes: PAYLOAD_BYTES,
  };
}
