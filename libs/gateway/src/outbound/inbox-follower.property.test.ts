import { generation, sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import { deviceTag } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { messagePush } from '../testing/memory-chat.ts';
import { InboxFollower, type FollowStep } from './inbox-follower.ts';

const ANN = 'ann' as UserId;
const PHONE = 'phone' as DeviceId;

/** What happens to one device of a user while messages come into the user's inbox. */
type Happening =
  /** A commit of so many messages, by this device or others; its push may get lost on the way to the gateway. */
  | { readonly t: 'commit'; readonly count: number; readonly isOwn: boolean; readonly isLost: boolean }
  /** A push that came already comes again. */
  | { readonly t: 'again' }
  /** The store lost its newest records that were promised less: a new generation goes on behind what survived. */
  | { readonly t: 'regress'; readonly lost: number }
  /** The gateway cannot bring a push, or is told that some may be missing. */
  | { readonly t: 'missed' }
  | { readonly t: 'askSync' }
  | { readonly t: 'answerSync'; readonly outcome: 'all' | 'part' | 'refused' }
  /** Time. */
  | { readonly t: 'advance' };

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      t: fc.constant('commit' as const),
      count: fc.integer({ min: 1, max: 3 }),
      isOwn: fc.boolean(),
      isLost: fc.integer({ min: 0, max: 5 }).map((value) => value === 0),
    }),
  },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('again' as const) }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('regress' as const), lost: fc.nat({ max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('missed' as const) }) },
  { weight: 3, arbitrary: fc.record({ t: fc.constant('askSync' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      t: fc.constant('answerSync' as const),
      outcome: fc.constantFrom('all' as const, 'all' as const, 'part' as const, 'refused' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ t: fc.constant('advance' as const) }) },
);

/** A user's inbox, the gateway's follower of one device, and that device, which believes the protocol's page. */
class Run {
  readonly follower = new InboxFollower(ANN, deviceTag(ANN, PHONE));
  #gen = 1;
  /** What stands in the inbox: seq is the index + 1. */
  readonly #inbox: { readonly gen: number; readonly isOwn: boolean }[] = [];
  #last: ReturnType<typeof messagePush> | null = null;
  /** Generation and seq of what the device has; of its own messages it has the ack. */
  readonly #has = new Set<string>();
  #at = { gen: 1, seq: 0 };
  /** Told to sync, or in the middle of it: pushes are not looked at, but kept, as the page says. */
  #mustSync = false;
  #asked = false;
  resyncsSinceSync = 0;
  pushes = 0;
  /** Whether the gateway is told of what got lost; otherwise only the next push shows it. */
  readonly #lossIsTold: boolean;

  constructor(lossIsTold: boolean) {
    this.#lossIsTold = lossIsTold;
    for (const step of this.follower.synced({ gen: generation(1), seq: sequenceId(0) }, false)) this.#told(step);
  }

  happens(what: Happening): void {
    switch (what.t) {
      case 'commit':
        this.#commit(what.count, what.isOwn, what.isLost);
        return;
      case 'again':
        if (this.#last !== null) this.#tell(this.follower.follow(this.#last));
        return;
      case 'regress':
        this.#gen += 1;
        this.#inbox.splice(Math.max(0, this.#inbox.length - what.lost));
        this.#last = null;
        if (this.#lossIsTold) this.#commit(1, false, false);
        return;
      case 'missed':
        this.#tell(this.follower.resync('moved'));
        return;
      case 'askSync':
        // A device has one sync under way at a time.
        if (this.#asked) return;
        this.#ask();
        return;
      case 'answerSync':
        if (this.#asked) this.#answer(what.outcome);
        return;
      case 'advance':
        this.#tell(this.follower.advance());
    }
  }

  /** Everything that is under way comes to its end, as on a connection that lives; then a device has all. */
  settle(): void {
    if (this.#asked) this.#answer('all');
    if (!this.#lossIsTold) this.#commit(1, false, false);
    for (let rounds = 0; this.#mustSync; rounds += 1) {
      if (rounds > 2) throw new Error('the device is told to sync for ever');
      this.#ask();
      this.#answer('all');
    }
    this.#tell(this.follower.advance());
  }

  /** What the device lacks of the inbox as it stands. */
  missing(): readonly number[] {
    return this.#inbox.flatMap(({ gen, isOwn }, index) =>
      isOwn || this.#has.has(`${String(gen)}-${String(index + 1)}`) ? [] : [index + 1],
    );
  }

  get standsAtHead(): boolean {
    return this.#at.gen === this.#gen && this.#at.seq === this.#inbox.length;
  }

  #ask(): void {
    this.#asked = true;
    this.follower.syncStarted();
  }

  #gets(seq: number): void {
    this.#has.add(`${String(this.#inbox[seq - 1]?.gen)}-${String(seq)}`);
  }

  #commit(count: number, isOwn: boolean, isLost: boolean): void {
    const from = this.#inbox.length + 1;
    for (let left = count; left > 0; left -= 1) this.#inbox.push({ gen: this.#gen, isOwn });
    const by = isOwn ? { user: ANN, device: PHONE } : undefined;
    const single = messagePush(from, 'x', by, this.#gen);
    const more = Array.from({ length: count }, (_, index) => messagePush(from + index, 'x', by, this.#gen));
    const push = { ...single, to: sequenceId(from + count - 1), items: more.flatMap(({ items }) => items) };
    this.#last = push;
    if (!isLost) this.#tell(this.follower.follow(push));
    else if (this.#lossIsTold) this.#tell(this.follower.resync('moved'));
  }

  #answer(outcome: 'all' | 'part' | 'refused'): void {
    this.#asked = false;
    if (outcome === 'refused') {
      this.#tellAll(this.follower.syncFailed());
      return;
    }
    const upTo = outcome === 'all' ? this.#inbox.length : Math.floor(this.#inbox.length / 2);
    for (let seq = 1; seq <= upTo; seq += 1) this.#gets(seq);
    const inbox = { gen: generation(this.#gen), seq: sequenceId(upTo) };
    // With more to fetch it will ask again.
    this.#mustSync = outcome === 'part';
    if (outcome === 'all') this.#at = { gen: this.#gen, seq: upTo };
    this.resyncsSinceSync = 0;
    this.#tellAll(this.follower.synced(inbox, outcome === 'part'));
  }

  #tellAll(steps: readonly FollowStep[]): void {
    for (const step of steps) this.#told(step);
  }

  #tell(step: FollowStep | null): void {
    if (step !== null) this.#told(step);
  }

  #told(step: FollowStep): void {
    if (step.kind === 'resync') {
      this.resyncsSinceSync += 1;
      // (F2) exactly one, until the device has synced.
      expect(this.resyncsSinceSync).toBe(1);
      this.#mustSync = true;
      return;
    }
    const { gen, prev, seq, items } = step.frame;
    this.pushes += 1;
    // (F2) no push between a resync and the end of the sync, (F1) and none that does not follow on the one before.
    expect([this.#mustSync, this.#asked]).toEqual([false, false]);
    expect({ gen, seq: prev }).toEqual(this.#at);
    expect(seq).toBeGreaterThan(prev);
    for (const item of items) {
      if (!('messages' in item)) continue;
      for (const entry of item.messages) {
        expect(entry.message.from).not.toBe(ANN);
        this.#gets(entry.seq);
      }
    }
    this.#at = { gen, seq };
  }
}

describe('a device that follows its frames and syncs when it is told', () => {
  it('ends with everything but what it sent itself, whatever was lost, refused or interrupted (I3, I9, F1, F2, F3)', () => {
    let pushes = 0;
    fc.assert(
      fc.property(fc.boolean(), fc.array(happening, { maxLength: 60, size: 'max' }), (lossIsTold, all) => {
        const run = new Run(lossIsTold);
        for (const each of all) run.happens(each);
        run.settle();
        expect(run.missing()).toEqual([]);
        expect(run.standsAtHead).toBe(true);
        pushes += run.pushes;
      }),
      { numRuns: 1_000 },
    );
    expect(pushes).toBeGreaterThan(300);
  });
});
