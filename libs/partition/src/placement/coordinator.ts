import type { Cancel, Clock, NodeId, Timers } from '@millrace/kernel';
import type { PartitionLog } from '../partition-owner-parts.ts';
import type { ClusterStore, LeadAnswer, LivingMember } from './cluster-store.ts';
import { emptyView, type ClusterView } from './cluster-view.ts';
import { nextView, type PlacementLimits } from './place.ts';

export interface CoordinatorParts {
  readonly store: ClusterStore;
  /** The member that this node is. It must be registered to lead. */
  readonly name: string;
  readonly node: NodeId;
  readonly leaseMs: number;
  /** Fixed when the cluster was born. */
  readonly partitionCount: number;
  readonly limits: PlacementLimits;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
  /** The newest view that this node has, null for none: the store may have lost it. */
  readonly knownView: () => ClusterView | null;
  /** A view is stored that this coordinator has not announced: tell the members, this one included. */
  readonly announce: (view: ClusterView) => void;
}

type Leading = Extract<LeadAnswer, { readonly code: 'leading' }>;

/** How long pokes are gathered: each costs a request. */
const POKE_MS = 5;
/** How long after something ran out on the store's clock it is asked for. */
const LATE_MS = 5;
/** How long until a store that did not answer is asked again, at most. */
const RETRY_MS_MAX = 200;

/**
 * This node's part in coordinating the cluster: every node with the role `actors` has one, and one of them leads. That
 * one computes the next view from who lives, stores and announces it; nobody else computes a placement.
 *
 * (C1) One request is under way at a time; pokes that come meanwhile cause one more.
 * (C2) A view is sent only while the lead holds on this node's own clock (I10), and announced only when it is stored.
 * (C3) The next view follows from the newer of the stored one and the one that this node knows, so that a view which
 *      the store has lost is not undone, but stored again.
 * (C4) Nothing is polled but the lease itself: it is asked for each third of it, and sooner when it is known that
 *      something is due: a registration or the leader's lease that runs out, a poke, an answer that did not come.
 */
export class Coordinator {
  readonly #parts: CoordinatorParts;
  #phase: 'new' | 'running' | 'stopped' = 'new';
  #leader: string | null = null;
  #term = 0;
  #untilMs = -Infinity;
  #announced = 0;
  #asking = false;
  #poked = false;
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | null = null;

  constructor(parts: CoordinatorParts) {
    this.#parts = parts;
  }

  get isLeading(): boolean {
    return this.#phase === 'running' && this.#parts.clock.monotonicMs() < this.#untilMs;
  }

  /** The name of the member that led when the store was asked last, null when that is not known. */
  get leader(): string | null {
    return this.#leader;
  }

  /** To be called when this node has registered. */
  start(): void {
    if (this.#phase !== 'new') return;
    this.#phase = 'running';
    void this.#wake();
  }

  /** Somebody joined, drains, left or has settled a view, and the store has it. May be called as often as one likes. */
  membersChanged(): void {
    if (this.#phase !== 'running') return;
    if (this.#asking) this.#poked = true;
    else this.#wakeIn(POKE_MS);
  }

  /** Asks for nothing any more. The leadership ends with the registration of this node. */
  stop(): void {
    this.#phase = 'stopped';
    this.#timer?.cancel();
  }

  #isStopped(): boolean {
    return this.#phase === 'stopped';
  }

  async #wake(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#asking = true;
    this.#poked = false;
    const delayMs = await this.#turn();
    this.#asking = false;
    this.#wakeIn(this.#wasPoked() ? Math.min(delayMs, POKE_MS) : delayMs);
  }

  #wasPoked(): boolean {
    return this.#poked;
  }

  /** In this time at the latest. */
  #wakeIn(delayMs: number): void {
    const dueMs = this.#parts.clock.monotonicMs() + delayMs;
    if (this.#phase !== 'running' || (this.#timer !== null && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.cancel();
    const cancel = this.#parts.timers.after(delayMs, () => {
      this.#timer = null;
      void this.#wake();
    });
    this.#timer = { dueMs, cancel };
  }

  /** @returns when to ask again, ms from now. */
  async #turn(): Promise<number> {
    const { store, name, node, leaseMs, log } = this.#parts;
    const thirdMs = leaseMs / 3;
    const retryMs = Math.min(thirdMs, RETRY_MS_MAX);
    const answer = await store.lead(name, node, leaseMs);
    if (this.#isStopped()) return 0;
    switch (answer.code) {
      case 'leading':
        this.#untilMs = answer.untilMonotonicMs;
        this.#follow(name);
        if (answer.term !== this.#term) log.info('this node coordinates the cluster', { term: answer.term });
        this.#term = answer.term;
        return (await this.#coordinate(answer)) === 'again' ? retryMs : Math.min(thirdMs, nextEndMs(answer.living));
      case 'following':
        this.#untilMs = -Infinity;
        this.#follow(answer.leader);
        return Math.min(thirdMs, answer.remainingMs + LATE_MS);
      case 'unregistered':
        this.#untilMs = -Infinity;
        this.#follow(null);
        return thirdMs;
      case 'unavailable':
        log.warn('the cluster could not be coordinated', { why: answer.message });
        return retryMs;
    }
  }

  #follow(leader: string | null): void {
    if (leader !== this.#leader && leader !== null) this.#parts.log.info('the coordinator is', { leader });
    this.#leader = leader;
  }

  /** @returns `again` when something is left to be done that could not be done now. */
  async #coordinate({ term, view: stored, living }: Leading): Promise<'done' | 'again'> {
    const { store, node, partitionCount, limits, log } = this.#parts;
    const base = newerOf(stored, this.#parts.knownView()) ?? emptyView(partitionCount);
    if (base.owners.length !== partitionCount) {
      const found = base.owners.length;
      log.error('the stored view is of another number of partitions; nothing is placed', { found, partitionCount });
      return 'done';
    }
    const isLost = base.version > (stored?.version ?? 0);
    const view = nextView(base, living, limits) ?? (isLost ? base : null);
    if (view === null) {
      // Put by a coordinator before, or by this one without an answer: not everybody may have heard of it.
      if (stored !== null) this.#announce(stored);
      return 'done';
    }
    if (!this.isLeading) return 'again';
    const answer = await store.putView(term, node, view);
    if (this.#isStopped()) return 'done';
    if (answer.code === 'put') {
      log.info('the cluster has a new view', changesOf(base, view));
      this.#announce(view);
      return 'done';
    }
    log.warn('a view was not taken', { version: view.version, term, answer });
    return 'again';
  }

  #announce(view: ClusterView): void {
    if (view.version <= this.#announced) return;
    this.#announced = view.version;
    this.#parts.announce(view);
  }
}

const newerOf = (left: ClusterView | null, right: ClusterView | null): ClusterView | null =>
  left === null || (right !== null && right.version > left.version) ? right : left;

/** Until the first registration runs out, if nobody renews. */
const nextEndMs = (living: readonly LivingMember[]): number =>
  Math.min(...living.map(({ remainingMs }) => remainingMs)) + LATE_MS;

/** For the log. */
function changesOf(before: ClusterView, { version, members, owners }: ClusterView): Readonly<Record<string, unknown>> {
  const moved = owners.filter((owner, partition) => owner !== before.owners[partition]).length;
  return { version, members: members.map(({ name }) => name), moved };
}
