import { directShape, type Part, type Shape } from '../shape.ts';

/** What is made larger, one at a time. */
export const grown = ['conversations', 'messages', 'members', 'connections'] as const;
export type Grown = (typeof grown)[number];

/** Far below what a server can take: it is given the same to do at every size, however much dearer that has become. */
const PER_SECOND = 2_500;
/** A group gets as many deliveries a second at every size, and is written to as seldom as that takes. */
const DELIVERIES_PER_SECOND = 20_000;
const PER_SECOND_MIN = 2;
/** Never what bounds a steady load: a writer of few must send often. */
const GROUP_WINDOW = 32;

const CONVERSATIONS = [1_000, 10_000, 100_000];
const CONVERSATIONS_LONG = 1_000_000;
const MESSAGES = [100_000, 1_000_000];
const MESSAGES_LONG = 5_000_000;
const MEMBERS = [2, 10, 100, 500, 1_000];
const MEMBERS_LONG = 2_000;
const CONNECTIONS = [1_000, 5_000, 10_000];

export interface GrowthPlan {
  /** Who write to each other beside what grows, and at which rate. */
  readonly pairs: Shape;
  readonly perSecond: number;
  readonly steady: Part;
  /** Each a whole number of times the first. */
  readonly conversations: readonly [number, ...number[]];
  readonly messages: readonly number[];
  readonly groups: readonly Shape[];
  readonly connections: readonly number[];
}

const distinct = (sizes: readonly number[]): readonly number[] => [...new Set(sizes)];

function groupOf(members: number, deliveriesPerSecond: number, perSecondMax: number): Shape {
  const perSecond = Math.min(perSecondMax, Math.max(PER_SECOND_MIN, deliveriesPerSecond / (members - 1)));
  return {
    name: `group-${String(members)}`,
    kind: 'group',
    users: members,
    window: GROUP_WINDOW,
    parts: [{ name: `${String(Math.round(perSecond))}/s`, mode: { kind: 'open', perSecond } }],
  };
}

/** @param scale - a share of all sizes and rates, for trying the bench itself. */
export function growthPlan(scale: number, isLong: boolean): GrowthPlan {
  const scaled = (size: number, least = 1): number => Math.max(least, Math.round(size * scale));
  const [first = 1, ...more] = [...CONVERSATIONS, ...(isLong ? [CONVERSATIONS_LONG] : [])];
  const pairsAtRest = scaled(first);
  const perSecond = Math.max(20, PER_SECOND * scale);
  const members = distinct([...MEMBERS, ...(isLong ? [MEMBERS_LONG] : [])].map((size) => scaled(size, 2)));
  return {
    pairs: { ...directShape(scale), name: 'pairs', parts: [] },
    perSecond,
    steady: { name: 'steady', mode: { kind: 'open', perSecond } },
    conversations: [pairsAtRest, ...more.map((size) => pairsAtRest * (size / first))],
    messages: distinct([...MESSAGES, ...(isLong ? [MESSAGES_LONG] : [])].map((size) => scaled(size))),
    groups: members.map((size) => groupOf(size, Math.max(20, DELIVERIES_PER_SECOND * scale), perSecond)),
    connections: distinct(CONNECTIONS.map((size) => scaled(size))),
  };
}
