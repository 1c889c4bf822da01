import { hash32 } from '@millrace/kernel';
import type { LivingMember } from './cluster-store.ts';
import { digestOf, type ClusterView, type Member } from './cluster-view.ts';

export interface PlacementLimits {
  /**
   * Partitions that change hands in one view though their owner lives. Each is away while it moves, some ms. No member
   * gets more of them at once than it has already, and one when it has none.
   */
  readonly movesPerRoundMax: number;
}

export const defaultPlacementLimits: PlacementLimits = { movesPerRoundMax: 6 };

/** Of a living member, what its place in the next view follows from. */
export type Standing = Pick<LivingMember, 'member' | 'knownVersion' | 'knownDigest' | 'settledVersion'>;

/**
 * How much a partition belongs to a member (highest random weight): the member with the highest weight is its first
 * choice. A member that comes or goes changes nothing about the order of the others.
 */
const weightOf = (partition: number, name: string): number => hash32(`${name}/${String(partition)}`);

const byName = (left: { readonly name: string }, right: { readonly name: string }): number =>
  left.name < right.name ? -1 : left.name > right.name ? 1 : 0;

const mayOwn = ({ roles, isDraining }: Member): boolean => roles.includes('actors') && !isDraining;

const sameMember = (left: Member, right: Member | undefined): boolean =>
  right !== undefined &&
  left.name === right.name &&
  left.node === right.node &&
  left.isDraining === right.isDraining &&
  left.url === right.url &&
  left.socketUrl === right.socketUrl &&
  // A coordinator of an older version has not told these to the others.
  left.rolls === right.rolls &&
  left.speaks === right.speaks &&
  left.roles.join() === right.roles.join();

/**
 * The owners, while they are being moved.
 *
 * The even share is `P / N`, so at the end every member owns that, rounded down (`least`) or up, and exactly `P mod N`
 * of them (`fullMax`) one more than `least`. A member has room below `least`, and for that one more while not as many
 * others have it: then what has no home always fits, and whatever is moved to a member with room never moves again.
 */
class Placing {
  readonly owners: (string | null)[];
  readonly #names: readonly string[];
  readonly #loads: Map<string, number>;
  /** What each had before anything was moved. */
  readonly #loadsBefore: ReadonlyMap<string, number>;
  readonly #least: number;
  readonly #fullMax: number;

  constructor(owners: readonly (string | null)[], names: readonly string[]) {
    this.owners = [...owners];
    this.#names = names;
    this.#loads = new Map(names.map((name) => [name, 0]));
    this.#least = Math.floor(owners.length / names.length);
    this.#fullMax = owners.length % names.length;
    for (const owner of owners) this.#count(owner, 1);
    this.#loadsBefore = new Map(this.#loads);
  }

  #count(owner: string | null, by: number): void {
    const load = owner === null ? undefined : this.#loads.get(owner);
    if (owner !== null && load !== undefined) this.#loads.set(owner, load + by);
  }

  #load(name: string): number {
    return this.#loads.get(name) ?? 0;
  }

  /**
   * Whether a member gets no more by planned moves of this round. Who has few gets few: a program that has just been
   * started is slow at first, and the senders of every partition that it takes meanwhile would feel it.
   */
  #hasEnough(name: string): boolean {
    const before = this.#loadsBefore.get(name) ?? 0;
    return this.#load(name) - before >= Math.max(before, 1);
  }

  /**
   * To the member with room that it belongs to most.
   *
   * @param isPlanned - its owner lives, so that it can wait for the next round.
   * @returns whether it was placed.
   */
  place(partition: number, isPlanned: boolean): boolean {
    const full = this.#names.filter((name) => this.#load(name) > this.#least).length;
    const roomBelow = this.#least + (full < this.#fullMax ? 1 : 0);
    let best: { readonly name: string; readonly weight: number } | null = null;
    for (const name of this.#names) {
      if (this.#load(name) >= roomBelow || (isPlanned && this.#hasEnough(name))) continue;
      const weight = weightOf(partition, name);
      // Names are in order, so that of two equal weights the lesser name has it.
      if (best === null || weight > best.weight) best = { name, weight };
    }
    if (best === null) return false;
    this.#count(this.owners[partition] ?? null, -1);
    this.owners[partition] = best.name;
    this.#count(best.name, 1);
    return true;
  }

  /** The partition that the fullest member is to give away, null when all loads are even. */
  nextToShed(): number | null {
    const loads = this.#names.map((name) => this.#load(name));
    const fullest = this.#names[loads.indexOf(Math.max(...loads))];
    if (fullest === undefined || (Math.max(...loads) <= this.#least + 1 && Math.min(...loads) >= this.#least)) {
      return null;
    }
    let shed: { readonly partition: number; readonly weight: number } | null = null;
    for (const [partition, owner] of this.owners.entries()) {
      if (owner !== fullest) continue;
      const weight = weightOf(partition, owner);
      if (shed === null || weight < shed.weight) shed = { partition, weight };
    }
    return shed?.partition ?? null;
  }
}

function nextOwners(
  owners: readonly (string | null)[],
  living: ReadonlyMap<string, Member>,
  plannedMax: number,
): readonly (string | null)[] {
  const names = [...living.values()].filter(mayOwn).map(({ name }) => name);
  // Nobody can take anything: what the partitions were is the best that is known.
  if (names.length === 0) return owners;
  const placing = new Placing(owners, names);
  const toMove: number[] = [];
  for (const [partition, owner] of owners.entries()) {
    const member = owner === null ? undefined : living.get(owner);
    // A living run without the role serves nothing that could be handed over.
    if (member?.roles.includes('actors') !== true) placing.place(partition, false);
    else if (member.isDraining) toMove.push(partition);
  }
  for (const partition of toMove.slice(0, plannedMax)) placing.place(partition, true);
  for (let planned = toMove.length; planned < plannedMax; planned += 1) {
    const partition = placing.nextToShed();
    if (partition === null || !placing.place(partition, true)) break;
  }
  return placing.owners;
}

/** The run of each member of a view, by name. */
const runsOf = (members: readonly Member[]): ReadonlyMap<string, string> =>
  new Map(members.map(({ name, node }) => [name, node]));

/** The next view, with since when each partition is its owner's. Another run of an owner is another owner. */
function following(view: ClusterView, next: Omit<ClusterView, 'since' | 'before'>): ClusterView {
  const [before, after] = [runsOf(view.members), runsOf(next.members)];
  const isKept = (owner: string | null, partition: number): boolean => {
    const run = owner === null ? undefined : after.get(owner);
    return owner === view.owners[partition] && (run === undefined || run === before.get(owner ?? ''));
  };
  const kept = next.owners.map(isKept);
  const sinceOf = (partition: number): number => view.since[partition] ?? 0;
  return {
    ...next,
    since: kept.map((is, partition) => (is ? sinceOf(partition) : next.version)),
    before: kept.map((is, partition) => (is ? (view.before[partition] ?? 0) : sinceOf(partition))),
  };
}

/**
 * The view after `view`, null when it is to stay: consistent hashing with bounded loads, and sticky.
 *
 * - Only living members with the role `actors` that do not drain are given anything. Without one, owners stay.
 * - A partition whose owner is dead (no member of that name lives) gets a new one at once.
 * - A partition whose owner drains, or has more than its even share, is a planned move: at most
 *   `limits.movesPerRoundMax` in a view, to no member more than it has (or one), and only when every living member has
 *   settled `view` itself, so that there is one round of them at a time.
 * - In the end, loads are within 1 of even. A member that joins takes at most `ceil(P / N)`, and nothing else moves; one
 *   that goes gives away what it had, and nothing else moves. A new run of a member changes no owner.
 * - The version is the next one above `view`'s and above every one that a living member knows: the store may have lost
 *   the newest view, and what is to be followed must be newer than what is known. When a member knows another view of
 *   `view`'s own version (made before the store lost it), there is a next one, too: nobody takes a second view of a
 *   version.
 *
 * @param living - in any order, each name once.
 */
export function nextView(view: ClusterView, living: readonly Standing[], limits: PlacementLimits): ClusterView | null {
  const members = living.map(({ member }) => member).sort(byName);
  const known = Math.max(view.version, ...living.map(({ knownVersion }) => knownVersion));
  const digest = digestOf(view);
  const isFollowed =
    known === view.version && living.every((each) => each.knownVersion < known || each.knownDigest === digest);
  const isSettled = isFollowed && living.every(({ settledVersion }) => settledVersion === view.version);
  const owners = nextOwners(
    view.owners,
    new Map(members.map((member) => [member.name, member])),
    isSettled ? limits.movesPerRoundMax : 0,
  );
  const isSame =
    isFollowed &&
    members.length === view.members.length &&
    members.every((member, at) => sameMember(member, view.members[at])) &&
    owners.every((owner, at) => owner === view.owners[at]);
  return isSame ? null : following(view, { version: known + 1, members, owners });
}
