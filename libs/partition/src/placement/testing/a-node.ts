import type { HandDriven } from '../../testing/hand-driven.ts';
import type { ClusterStore } from '../cluster-store.ts';
import type { ClusterView, Member } from '../cluster-view.ts';
import { Coordinator } from '../coordinator.ts';
import { Membership } from '../membership.ts';
import { aMember } from './placed-cluster.ts';

export const LEASE_MS = 3_000;
const silent = (): void => undefined;
const log = { info: silent, warn: silent, error: silent };

/** A membership with everything that it called written down in order. */
export function aMembership(store: ClusterStore, time: HandDriven, member: Member = aMember('a')) {
  const called: string[] = [];
  const views: ClusterView[] = [];
  const membership: Membership = new Membership({
    store,
    member,
    leaseMs: LEASE_MS,
    clock: time.clock,
    timers: time.timers,
    log,
    onView: (view) => {
      views.push(view);
      called.push(`view ${String(view.version)} ${membership.isHeld ? 'held' : 'not held'}`);
    },
    onLost: (why) => called.push(`lost: ${why}`),
    onRegained: () => called.push(`regained ${membership.isHeld ? 'held' : 'not held'}`),
    onTold: () => called.push('told'),
  });
  return { membership, called, views };
}

/** A coordinator alone, with the views that it announced. */
export function aCoordinator(
  store: ClusterStore,
  time: HandDriven,
  member: Member = aMember('a'),
  partitionCount = 8,
  known: () => ClusterView | null = () => null,
) {
  const announced: ClusterView[] = [];
  const errors: string[] = [];
  const coordinator = new Coordinator({
    store,
    name: member.name,
    node: member.node,
    leaseMs: LEASE_MS,
    partitionCount,
    limits: { movesPerRoundMax: 4 },
    clock: time.clock,
    timers: time.timers,
    log: { ...log, error: (message) => errors.push(message) },
    knownView: known,
    announce: (view) => announced.push(view),
  });
  return { coordinator, announced, errors };
}

interface ANode {
  readonly membership: Membership;
  readonly coordinator: Coordinator;
  isDead: boolean;
}

/** The store as one node reaches it: of a dead one nothing arrives any more. */
function reach(store: ClusterStore, isDead: () => boolean): ClusterStore {
  const through = <T>(request: () => Promise<T>): Promise<T> =>
    isDead() ? new Promise<T>(() => undefined) : request();
  return {
    register: (...args) => through(() => store.register(...args)),
    leave: (...args) => through(() => store.leave(...args)),
    lead: (...args) => through(() => store.lead(...args)),
    putView: (...args) => through(() => store.putView(...args)),
  };
}

/**
 * Nodes of one cluster that reach each other: what a coordinator announces comes to all of them, a member that told the
 * store something pokes every coordinator, and each settles a view as soon as it has it, unless it is `slow`.
 */
export class NodesOfOne {
  readonly #store: ClusterStore;
  readonly #time: HandDriven;
  readonly #partitionCount: number;
  readonly nodes = new Map<string, ANode>();
  readonly slow = new Set<string>();
  /** `3 by a`, in the order in which they were announced. */
  readonly announced: string[] = [];

  constructor(store: ClusterStore, time: HandDriven, partitionCount: number) {
    this.#store = store;
    this.#time = time;
    this.#partitionCount = partitionCount;
  }

  async start(name: string, run = 1): Promise<void> {
    const member = aMember(name, run);
    const { clock, timers } = this.#time;
    const store = reach(this.#store, () => node.isDead);
    const membership: Membership = new Membership({
      store,
      member,
      leaseMs: LEASE_MS,
      clock,
      timers,
      log,
      onView: ({ version }) => {
        if (!this.slow.has(name)) membership.settled(version);
      },
      onLost: () => this.kill(name),
      onRegained: silent,
      onTold: () => this.#poke(),
    });
    const coordinator = new Coordinator({
      store,
      name,
      node: member.node,
      leaseMs: LEASE_MS,
      partitionCount: this.#partitionCount,
      limits: { movesPerRoundMax: 4 },
      clock,
      timers,
      log,
      knownView: () => membership.view,
      announce: (view) => {
        this.announced.push(`${String(view.version)} by ${name}`);
        for (const each of this.nodes.values()) each.membership.offer(view);
      },
    });
    const node: ANode = { membership, coordinator, isDead: false };
    this.nodes.set(name, node);
    const joined = membership.join();
    await this.#time.settle();
    await joined;
    coordinator.start();
    await this.#time.settle();
  }

  #poke(): void {
    for (const { coordinator } of this.nodes.values()) coordinator.membersChanged();
  }

  /** It does nothing any more, and its registration runs out. */
  kill(name: string): void {
    const node = this.nodes.get(name);
    this.nodes.delete(name);
    if (node !== undefined) node.isDead = true;
  }

  async leave(name: string): Promise<void> {
    const node = this.nodes.get(name);
    this.nodes.delete(name);
    node?.coordinator.stop();
    await node?.membership.leave();
    this.#poke();
  }

  settle(name: string): void {
    this.slow.delete(name);
    const membership = this.nodes.get(name)?.membership;
    membership?.settled(membership.view?.version ?? 0);
  }
}
