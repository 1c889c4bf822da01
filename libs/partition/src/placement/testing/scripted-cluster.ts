import type { Clock, NodeId } from '@millrace/kernel';
import type {
  ClusterStore,
  KnownViews,
  LeadAnswer,
  LivingMember,
  PutViewAnswer,
  RegisterAnswer,
} from '../cluster-store.ts';
import type { ClusterView, Member } from '../cluster-view.ts';

interface Registration {
  readonly member: Member;
  readonly untilMs: number;
  readonly known: KnownViews;
}

type Unavailable = Extract<RegisterAnswer, { readonly code: 'unavailable' }>;

/** The store of a cluster, in memory, whose answers a test holds back, replaces or loses. Knows no replaced runs. */
export class ScriptedCluster implements ClusterStore {
  readonly #clock: Clock;
  /** Nothing is executed while it is away. */
  isAway = false;
  /** The next answers are lost, though what was asked is executed. */
  repliesLost = 0;
  /** While true, requests are executed, and their answers wait for {@link letGo}. */
  isHolding = false;
  #held: (() => void)[] = [];
  readonly registrations = new Map<string, Registration>();
  /** By run: who replaced it. */
  readonly replaced = new Map<NodeId, NodeId>();
  leader: { readonly name: string; readonly node: NodeId; readonly untilMs: number } | null = null;
  term = 0;
  view: ClusterView | null = null;
  /** What was asked, in order: `register a 3/2`, `lead a`, `put 4`, `leave a`. */
  readonly asked: string[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  count(what: string): number {
    return this.asked.filter((each) => each.startsWith(what)).length;
  }

  letGo(): void {
    this.isHolding = false;
    const held = this.#held;
    this.#held = [];
    for (const release of held) release();
  }

  async #answer<T>(asked: string, execute: () => T): Promise<T | Unavailable> {
    this.asked.push(asked);
    const unavailable = { code: 'unavailable', message: 'the store is away' } as const;
    if (this.isAway) return unavailable;
    const answer = execute();
    if (this.isHolding) await new Promise<void>((resolve) => this.#held.push(resolve));
    if (this.repliesLost === 0) return answer;
    this.repliesLost -= 1;
    return unavailable;
  }

  register(member: Member, leaseMs: number, known: KnownViews): Promise<RegisterAnswer> {
    const untilMs = this.#clock.monotonicMs() + leaseMs;
    const asked = `register ${member.name} ${String(known.version)}/${String(known.settled)}`;
    return this.#answer<RegisterAnswer>(member.isDraining ? `${asked} draining` : asked, () => {
      const by = this.replaced.get(member.node);
      if (by !== undefined) return { code: 'replaced', by };
      this.registrations.set(member.name, { member, untilMs, known });
      const isNewer = (this.view?.version ?? 0) > known.version;
      return { code: 'held', untilMonotonicMs: untilMs, view: isNewer ? this.view : null };
    });
  }

  async leave(name: string): Promise<void> {
    await this.#answer(`leave ${name}`, () => this.registrations.delete(name));
  }

  lead(name: string, node: NodeId, leaseMs: number): Promise<LeadAnswer> {
    const nowMs = this.#clock.monotonicMs();
    return this.#answer<LeadAnswer>(`lead ${name}`, () => {
      const { leader } = this;
      for (const [each, { untilMs }] of this.registrations) if (untilMs <= nowMs) this.registrations.delete(each);
      if (!this.registrations.has(name)) return { code: 'unregistered' };
      if (leader !== null && leader.node !== node && leader.untilMs > nowMs && this.registrations.has(leader.name)) {
        return { code: 'following', leader: leader.name, remainingMs: leader.untilMs - nowMs };
      }
      if (leader?.node !== node) this.term += 1;
      this.leader = { name, node, untilMs: nowMs + leaseMs };
      const living = [...this.registrations.values()].map(({ member, untilMs, known }): LivingMember => ({
        member,
        remainingMs: untilMs - nowMs,
        knownVersion: known.version,
        knownDigest: known.digest,
        settledVersion: known.settled,
      }));
      return { code: 'leading', term: this.term, untilMonotonicMs: nowMs + leaseMs, view: this.view, living };
    });
  }

  putView(term: number, node: NodeId, view: ClusterView): Promise<PutViewAnswer> {
    return this.#answer<PutViewAnswer>(`put ${String(view.version)}`, () => {
      const isNewer = view.version > (this.view?.version ?? 0);
      if (term !== this.term || node !== this.leader?.node || !isNewer) return { code: 'outdated' };
      this.view = view;
      return { code: 'put' };
    });
  }
}
