import type { NodeId } from '@millrace/kernel';
import type { ClusterView, KnownViews, LivingMember, Member } from '@millrace/partition';

const PAST_MAX = 1_000;

interface Registration {
  readonly member: Member;
  readonly untilMs: number;
  readonly known: KnownViews;
}

interface Leader {
  readonly name: string;
  readonly node: NodeId;
  readonly untilMs: number;
}

/** Everything that changes the state, with the instant at which it happened. */
export type ClusterOperation =
  | {
      readonly kind: 'register';
      readonly member: Member;
      readonly leaseMs: number;
      readonly known: KnownViews;
      readonly nowMs: number;
    }
  | { readonly kind: 'leave'; readonly name: string; readonly node: NodeId }
  | {
      readonly kind: 'lead';
      readonly name: string;
      readonly node: NodeId;
      readonly leaseMs: number;
      readonly nowMs: number;
    }
  | { readonly kind: 'put-view'; readonly term: number; readonly node: NodeId; readonly view: ClusterView };

export type Registered =
  { readonly code: 'held'; readonly view: ClusterView | null } | { readonly code: 'replaced'; readonly by: NodeId };

export type Led =
  | {
      readonly code: 'leading';
      readonly term: number;
      readonly view: ClusterView | null;
      readonly living: readonly LivingMember[];
    }
  | { readonly code: 'following'; readonly leader: string; readonly remainingMs: number }
  | { readonly code: 'unregistered' };

/** A map of the past: the oldest is forgotten. */
class Past<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  add(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    for (const oldest of this.#values.keys()) {
      if (this.#values.size <= PAST_MAX) return;
      this.#values.delete(oldest);
    }
  }

  delete(key: string): void {
    this.#values.delete(key);
  }

  copyTo(other: Past<Value>): void {
    for (const [key, value] of this.#values) other.add(key, value);
  }
}

/** What a Redis holds of the cluster: registrations, the leadership and the view. */
export class ModelCluster {
  readonly #registrations = new Map<string, Registration>();
  /** By name, the last run of a member that is gone. */
  readonly #left = new Past<NodeId>();
  /** By run, the one that replaced it. */
  readonly #replaced = new Past<NodeId>();
  #leader: Leader | null = null;
  #term = 0;
  #view: ClusterView | null = null;

  /** Past the connection and its faults: for checkers. */
  get view(): ClusterView | null {
    return this.#view;
  }

  /** Another one that is the same now. */
  copy(): ModelCluster {
    const copy = new ModelCluster();
    for (const [name, registration] of this.#registrations) copy.#registrations.set(name, registration);
    this.#left.copyTo(copy.#left);
    this.#replaced.copyTo(copy.#replaced);
    copy.#leader = this.#leader;
    copy.#term = this.#term;
    copy.#view = this.#view;
    return copy;
  }

  apply(operation: ClusterOperation): void {
    switch (operation.kind) {
      case 'register':
        this.register(operation.member, operation.leaseMs, operation.known, operation.nowMs);
        break;
      case 'leave':
        this.leave(operation.name, operation.node);
        break;
      case 'lead':
        this.lead(operation.name, operation.node, operation.leaseMs, operation.nowMs);
        break;
      case 'put-view':
        this.putView(operation.term, operation.node, operation.view);
    }
  }

  register(member: Member, leaseMs: number, known: KnownViews, nowMs: number): Registered {
    const { name, node } = member;
    const by = this.#replaced.get(node);
    if (by !== undefined) return { code: 'replaced', by };
    const last = this.#registrations.get(name)?.member.node ?? this.#left.get(name);
    if (last !== undefined && last !== node) this.#replaced.add(last, node);
    this.#left.delete(name);
    this.#registrations.set(name, { member, untilMs: nowMs + leaseMs, known });
    const view = this.#view;
    return { code: 'held', view: view !== null && view.version > known.version ? view : null };
  }

  leave(name: string, node: NodeId): boolean {
    if (this.#registrations.get(name)?.member.node !== node) return false;
    this.#remove(name, node);
    return true;
  }

  #remove(name: string, node: NodeId): void {
    this.#registrations.delete(name);
    this.#left.add(name, node);
  }

  /** When a registration ends, -Infinity for a run that has none. */
  #endOf(name: string, node: NodeId): number {
    const found = this.#registrations.get(name);
    return found?.member.node === node ? found.untilMs : -Infinity;
  }

  lead(name: string, node: NodeId, leaseMs: number, nowMs: number): Led {
    if (this.#endOf(name, node) <= nowMs) return { code: 'unregistered' };
    const leader = this.#leader;
    if (leader?.node !== node) {
      const untilMs = leader === null ? -Infinity : Math.min(leader.untilMs, this.#endOf(leader.name, leader.node));
      if (leader !== null && untilMs > nowMs) {
        return { code: 'following', leader: leader.name, remainingMs: untilMs - nowMs };
      }
      this.#term += 1;
    }
    this.#leader = { name, node, untilMs: nowMs + leaseMs };
    const living: LivingMember[] = [];
    for (const { member, untilMs, known } of [...this.#registrations.values()]) {
      if (untilMs <= nowMs) this.#remove(member.name, member.node);
      else
        living.push({
          member,
          remainingMs: untilMs - nowMs,
          knownVersion: known.version,
          knownDigest: known.digest,
          settledVersion: known.settled,
        });
    }
    return { code: 'leading', term: this.#term, view: this.#view, living };
  }

  putView(term: number, node: NodeId, view: ClusterView): boolean {
    if (this.#term !== term || this.#leader?.node !== node) return false;
    if (this.#view !== null && this.#view.version >= view.version) return false;
    this.#view = view;
    return true;
  }
}
