import type { Shape } from './shape.ts';

/** Members of the group, all of them online; the same are online when it has grown to {@link GROWN_TIMES} times as many. */
const MEMBERS = 10_000;
const GROWN_TIMES = 5;
/** Sizes at which it is counted what a message makes Redis write, on the way to the full one. */
const SIZES = [10, 100, 1_000];
const SENDERS_WINDOW = 4;
/** Between two messages that go one at a time. */
const PAUSE_MS = 10;
/** Far below what a server takes from one address, and what an address has ports for. */
const USERS_PER_ADDRESS = 5_000;

/** The group of the workload, at each of its sizes. */
export interface HugeGroupPlan {
  /** Of those who are online, as on the floor. */
  readonly shape: Shape;
  readonly sizes: readonly number[];
  /** Of these sizes, those at which everybody who is online is measured. */
  readonly measured: readonly number[];
}

/** @param members - null for the workload's own. */
export function hugeGroupPlan(members: number | null): HugeGroupPlan {
  const online = members ?? MEMBERS;
  const grown = online * GROWN_TIMES;
  const shape: Shape = {
    name: 'group',
    kind: 'group',
    users: online,
    window: SENDERS_WINDOW,
    usersPerAddress: USERS_PER_ADDRESS,
    parts: [
      { name: 'one at a time', mode: { kind: 'single', pauseMs: PAUSE_MS } },
      { name: 'saturated', mode: { kind: 'saturated' } },
    ],
  };
  return { shape, sizes: [...SIZES.filter((size) => size < online), online, grown], measured: [online, grown] };
}

/** The name of a part in a report. */
export const hugePartName = (members: number, part: string): string => `group-${String(members)} ${part}`;
