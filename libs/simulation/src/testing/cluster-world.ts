import { seededRandom, type NodeId, type Random } from '@millrace/kernel';
import { Coordinator, encodeView, Membership, type ClusterView, type Member } from '@millrace/partition';
import type { ModelFate } from '../model-connection.ts';
import { ModelStore } from '../model-store.ts';
import { SimulatedProcess } from '../simulated-process.ts';
import { VirtualTime } from '../virtual-time.ts';

const LEASE_MS = 3_000;
const PARTITIONS = 24;
const NAMES = ['a', 'b', 'c', 'd'];
/** At ack level `memory` the store syncs its log so often. */
const UNSYNCED_MS = 1_000;
const silent = (): void => undefined;

interface Running {
  readonly process: SimulatedProcess;
  readonly member: Member;
  readonly membership: Membership;
  readonly coordinator: Coordinator;
  isDraining: boolean;
}

/** Nodes that are members of one cluster and do nothing else, over a store and a network that fail. */
export class ClusterWorld {
  readonly time = new VirtualTime();
  readonly random: Random;
  readonly store: ModelStore;
  readonly violations: string[] = [];
  readonly counts = {
    starts: 0,
    kills: 0,
    pauses: 0,
    leaves: 0,
    drains: 0,
    cuts: 0,
    crashes: 0,
    lostOperations: 0,
    replaced: 0,
    regained: 0,
    views: 0,
    forks: 0,
  };
  #isFaulty = true;
  #running: Running[] = [];
  /** By version, the view that some member was given. */
  readonly #known = new Map<number, string>();
  #lengths: { readonly atMs: number; readonly length: number }[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
    const { clock, timers } = this.time;
    const fate = (): ModelFate => this.#fate();
    this.store = new ModelStore({ clock, timers, random: this.random, fate, answerMsMax: 800 });
    this.store.onReconnect(() => {
      for (const { process, membership } of this.#running) process.enter(() => membership.renewNow());
    });
  }

  chance(probability: number): boolean {
    return this.random.fraction() < probability;
  }

  /** A whole number from `least` to `most`. */
  between(least: number, most: number): number {
    return least + (this.random.uint32() % (most - least + 1));
  }

  #fate(): ModelFate {
    const [requestMs, replyMs] = [this.between(0, 2), this.between(0, 2)];
    const dice = this.#isFaulty ? this.random.fraction() : 1;
    const kind = dice < 0.01 ? 'lose-request' : dice < 0.02 ? 'lose-reply' : 'none';
    return { kind, requestMs, replyMs: dice < 0.04 ? replyMs + 200 : replyMs };
  }

  /** A note from one node to another: late, or never. */
  #note(to: Running, callback: () => void): void {
    if (this.#isFaulty && this.chance(0.1)) return;
    this.time.timers.after(this.between(0, 20), () => to.process.enter(callback));
  }

  #start(name: string): void {
    this.counts.starts += 1;
    const process = new SimulatedProcess(this.time.timers);
    const store = process.reachCluster(this.store.cluster);
    const node = `${name}.${String(this.counts.starts)}` as NodeId;
    const member: Member = { name, node, roles: ['actors'], isDraining: false, url: '', socketUrl: '' };
    const parts = { store, leaseMs: LEASE_MS, clock: this.time.clock, timers: process.timers };
    const log = { info: silent, warn: silent, error: (message: string) => this.violations.push(message) };
    let seen = 0;
    const membership = new Membership({
      ...parts,
      log,
      member,
      onView: (view) => {
        if (view.version <= seen) this.violations.push(`${node} went back to view ${String(view.version)}`);
        seen = view.version;
        this.#given(view);
        process.timers.after(this.between(0, 60), () => membership.settled(view.version));
      },
      onLost: () => {
        this.counts.replaced += 1;
        this.#end(running);
      },
      onRegained: () => {
        this.counts.regained += 1;
      },
      onTold: () => {
        for (const each of this.#running) this.#note(each, () => each.coordinator.membersChanged());
      },
    });
    const coordinator = new Coordinator({
      ...parts,
      log,
      name,
      node,
      partitionCount: PARTITIONS,
      limits: { movesPerRoundMax: 4 },
      knownView: () => membership.view,
      announce: (view) => {
        membership.offer(view);
        for (const each of this.#running) this.#note(each, () => each.membership.offer(view));
      },
    });
    const running: Running = { process, member, membership, coordinator, isDraining: false };
    this.#running.push(running);
    void membership.join().then((isMember) => process.enter(() => isMember && coordinator.start()));
  }

  /** After a loss, another view of a version may be made than some member knows: `isConverged` demands that it ends. */
  #given(view: ClusterView): void {
    const text = encodeView(view);
    const known = this.#known.get(view.version);
    if (known !== undefined && known !== text) this.counts.forks += 1;
    if (known === undefined) this.counts.views += 1;
    this.#known.set(view.version, text);
  }

  #end(running: Running): void {
    running.process.kill();
    this.#running = this.#running.filter((each) => each !== running);
    // One that was leaving when everything was healed may have been the last.
    if (!this.#isFaulty && this.#running.length === 0) this.#start('a');
  }

  #pick(): Running | undefined {
    return this.#running[this.random.uint32() % Math.max(1, this.#running.length)];
  }

  /** Something happens. */
  act(): void {
    this.#lengths.push({ atMs: this.time.nowMs, length: this.store.logLength() });
    const one = this.#pick();
    const dice = this.between(0, 12);
    if (dice <= 3 || one === undefined) {
      const name = NAMES[this.between(0, NAMES.length - 1)] ?? 'a';
      // As an orchestrator does it: a node that is there is started again only when it is given up, as a paused one is.
      if (this.#running.every(({ member, process }) => member.name !== name || process.isPaused)) this.#start(name);
    } else if (dice === 4) {
      this.counts.kills += 1;
      this.#end(one);
    } else if (dice === 5) {
      this.counts.leaves += 1;
      one.process.enter(() => {
        one.coordinator.stop();
        void one.membership.leave();
      });
      this.time.timers.after(20, () => this.#end(one));
    } else if (dice === 6) {
      this.counts.drains += 1;
      one.isDraining = true;
      one.process.enter(() => one.membership.drain());
    } else if (dice <= 8) {
      this.counts.pauses += 1;
      one.process.pause();
      this.time.timers.after(this.between(10, 2 * LEASE_MS), () => one.process.wake());
    } else if (dice === 9) {
      this.counts.cuts += 1;
      this.store.cut(this.between(5, 800));
    } else if (dice === 10) {
      this.#crash();
    }
  }

  #crash(): void {
    this.counts.crashes += 1;
    const synced = this.#lengths.filter(({ atMs }) => atMs <= this.time.nowMs - UNSYNCED_MS).at(-1)?.length ?? 0;
    const lostOperations = this.between(0, this.store.logLength() - synced);
    this.counts.lostOperations += lostOperations;
    this.store.crash({ lostOperations, downMs: this.between(5, 1_500) });
    this.#lengths = [{ atMs: -Infinity, length: this.store.logLength() }];
  }

  /** From now on nothing goes wrong any more. */
  heal(): void {
    this.#isFaulty = false;
    for (const { process } of this.#running) process.wake();
    // Nobody is started but when nobody is there: what is wrong must come right without a new member.
    if (this.#running.length === 0) this.#start('a');
  }

  /** Whether everybody has the same view, and by it everything is placed, and evenly. */
  get isConverged(): boolean {
    const views = this.#running.map(({ membership }) => membership.view);
    const [view] = views;
    if (view === undefined || view === null || this.store.state.cluster.view?.version !== view.version) return false;
    const text = encodeView(view);
    if (!views.every((other) => other !== null && encodeView(other) === text)) return false;
    const names = this.#running.map(({ member }) => member.name).sort();
    if (view.members.map(({ name }) => name).join() !== names.join()) return false;
    const takers = this.#running.filter(({ isDraining }) => !isDraining).map(({ member }) => member.name);
    const loads = takers.map((name) => view.owners.filter((owner) => owner === name).length);
    if (takers.length === 0) return view.owners.every((owner) => owner !== null);
    return (
      loads.every((load) => Math.abs(load - PARTITIONS / takers.length) < 1) &&
      this.#running.every(({ membership }) => membership.isHeld)
    );
  }

  get description(): string {
    return this.#running
      .map(({ member, membership }) => `${member.node}: ${JSON.stringify(membership.view?.owners)}`)
      .join('\n');
  }
}
