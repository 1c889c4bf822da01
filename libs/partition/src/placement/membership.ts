import { invariant, type Cancel, type Clock, type Timers } from '@millrace/kernel';
import type { PartitionLog } from '../partition-owner-parts.ts';
import type { ClusterStore, RegisterAnswer } from './cluster-store.ts';
import { digestOf, type ClusterView, type Member } from './cluster-view.ts';

export interface MembershipParts {
  readonly store: ClusterStore;
  readonly member: Member;
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
  /** A newer view is known. When `isHeld` is false meanwhile, what it takes away is to be let go without a commit. */
  readonly onView: (view: ClusterView) => void;
  /** Another run of this node has registered: this one may do nothing any more, and is not asked again. */
  readonly onLost: (why: string) => void;
  /** The lease had run out and is held again: what happened meanwhile is not known. Called before anything can act. */
  readonly onRegained: () => void;
  /** The store has something new of this member: it joined, drains, or settled a view. The coordinator is to be poked. */
  readonly onTold: () => void;
}

/** What the store knows of this member, beside that it lives. */
interface Told {
  readonly member: Member;
  readonly settled: number;
}

type Held = Extract<RegisterAnswer, { readonly code: 'held' }>;

/** What is told in place of the digest of a view by a member that has none. */
const NO_DIGEST = '-';
/** How long news of this node may wait for more of it before they are told. */
const TELL_MS = 5;
/** How long until a store that did not answer is asked again, at most. */
const RETRY_MS_MAX = 500;

/**
 * This run's membership of the cluster: its right to act for its partitions, and its knowledge of the views.
 *
 * (M1) The right ends by this node's own monotonic clock before it ends for the store (I10), so that a paused node
 *      which wakes knows that it may not speak.
 * (M2) A run that was replaced, or has left, never holds the right again and asks for nothing.
 * (M3) `view` never goes back to an older version.
 * (M4) One registration is under way at a time; what is new meanwhile is told by the next one, soon.
 * (M5) When the right had lapsed, a newer view is handed on first, while it is still not held; then it is held, and
 *      `onRegained` is called before anybody else can see it. So nothing is claimed back that belongs to another by now.
 */
export class Membership {
  readonly #parts: MembershipParts;
  #member: Member;
  #untilMs = -Infinity;
  #view: ClusterView | null = null;
  #digest = NO_DIGEST;
  #settled = 0;
  /** What the store was told last: null before the first time. */
  #told: Told | null = null;
  #over = false;
  #asking = false;
  #againDue = false;
  /** How many registrations were begun, and the last of them that the store has taken. */
  #begun = 0;
  #taken = 0;
  #timer: { readonly dueMs: number; readonly cancel: Cancel } | null = null;
  #complaint = '';
  #whenJoined: ((isMember: boolean) => void)[] = [];

  constructor(parts: MembershipParts) {
    this.#parts = parts;
    this.#member = parts.member;
  }

  get isHeld(): boolean {
    return !this.#over && this.#parts.clock.monotonicMs() < this.#untilMs;
  }

  /** The newest view that is known, null before the first one. */
  get view(): ClusterView | null {
    return this.#view;
  }

  #isOver(): boolean {
    return this.#over;
  }

  /** Registers, and stays registered. Waits for a store that is away. @returns false when it was replaced, or has left. */
  join(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#whenJoined.push(resolve);
      this.renewNow();
    });
  }

  renewNow(): void {
    if (this.#over) return;
    if (this.#asking) this.#againDue = true;
    else void this.#renew();
  }

  /**
   * Registers once more.
   *
   * @returns whether the store has taken that: then everything that this node had to say is said, and the newest view that
   *   was stored is known here. True also when this run is not a member any more.
   */
  tellNow(): () => boolean {
    const number = this.#begun + 1;
    this.renewNow();
    return () => this.#over || this.#taken >= number;
  }

  /** This node goes down soon: the coordinator moves away what it owns. There is no way back. */
  drain(): void {
    if (this.#member.isDraining) return;
    this.#member = { ...this.#member, isDraining: true };
    if (this.#told !== null) this.renewNow();
  }

  /** This node has carried out a view, and every one before it. */
  settled(version: number): void {
    invariant(version <= (this.#view?.version ?? 0), 'only a view that is known can be settled');
    if (version <= this.#settled) return;
    this.#settled = version;
    if (this.#told !== null && !this.#asking) this.#renewIn(TELL_MS);
  }

  /** A view that came another way than from the store, from the coordinator. */
  offer(view: ClusterView): void {
    if (this.#over || view.version <= (this.#view?.version ?? 0)) return;
    this.#view = view;
    this.#digest = digestOf(view);
    this.#parts.onView(view);
  }

  /** Gives the registration back. The owners must have stopped: from now on nothing is held. */
  async leave(): Promise<void> {
    if (this.#over) return;
    this.#end();
    await this.#parts.store.leave(this.#member.name, this.#member.node);
  }

  #end(): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#joined(false);
  }

  #joined(isMember: boolean): void {
    const waiting = this.#whenJoined;
    this.#whenJoined = [];
    for (const resolve of waiting) resolve(isMember);
  }

  async #renew(): Promise<void> {
    this.#timer?.cancel();
    this.#timer = null;
    this.#asking = true;
    this.#againDue = false;
    this.#begun += 1;
    const number = this.#begun;
    const telling = { member: this.#member, settled: this.#settled };
    const known = { version: this.#view?.version ?? 0, digest: this.#digest, settled: telling.settled };
    const answer = await this.#parts.store.register(telling.member, this.#parts.leaseMs, known);
    if (this.#isOver()) return;
    if (answer.code === 'replaced') {
      this.#end();
      this.#parts.onLost(`run ${answer.by} of this node replaced it`);
      return;
    }
    if (answer.code === 'held') {
      this.#hold(answer, telling);
      this.#taken = number;
    } else this.#complain(answer.message);
    this.#asking = false;
    this.#renewIn(this.#delayAfter(answer));
  }

  #delayAfter({ code }: RegisterAnswer): number {
    const thirdMs = this.#parts.leaseMs / 3;
    if (this.#againDue) return 0;
    if (code !== 'held') return Math.min(thirdMs, RETRY_MS_MAX);
    return this.#isNews({ member: this.#member, settled: this.#settled }) ? Math.min(thirdMs, TELL_MS) : thirdMs;
  }

  #isNews({ member, settled }: Told): boolean {
    return this.#told === null || this.#told.member !== member || this.#told.settled < settled;
  }

  #hold({ untilMonotonicMs, view }: Held, telling: Told): void {
    this.#complaint = '';
    const lapsed = this.#untilMs !== -Infinity && !this.isHeld;
    const isNews = lapsed || this.#isNews(telling);
    this.#told = telling;
    if (lapsed && view !== null) this.offer(view);
    // An answer that took longer than the lease gives nothing.
    if (untilMonotonicMs > this.#parts.clock.monotonicMs()) {
      this.#untilMs = Math.max(this.#untilMs, untilMonotonicMs);
      if (lapsed) this.#parts.onRegained();
    }
    if (view !== null) this.offer(view);
    if (this.isHeld) this.#joined(true);
    if (isNews && !this.#over) this.#parts.onTold();
  }

  #complain(why: string): void {
    if (why !== this.#complaint) this.#parts.log.warn('the registration could not be made or renewed', { why });
    this.#complaint = why;
  }

  /** In this time at the latest. */
  #renewIn(delayMs: number): void {
    const dueMs = this.#parts.clock.monotonicMs() + delayMs;
    if (this.#over || (this.#timer !== null && this.#timer.dueMs <= dueMs)) return;
    this.#timer?.cancel();
    const cancel = this.#parts.timers.after(delayMs, () => {
      this.#timer = null;
      this.renewNow();
    });
    this.#timer = { dueMs, cancel };
  }
}
