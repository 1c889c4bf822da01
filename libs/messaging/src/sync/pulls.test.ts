import { receivedRanges } from '@millrace/diffusion';
import { generation, sequenceId, type UserId } from '@millrace/kernel';
import type { ConversationSummary } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConversationHead } from '../conversation/commands.ts';
import { headFor } from '../conversation/queries.ts';
import { planDiffusion } from '../diffuse/plan.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { AUser } from '../testing/a-user.ts';
import { step } from '../testing/conversation-commands.ts';
import type { Delivery } from '../user/commands.ts';
import { inboxRecord } from '../user/inbox-entry.ts';
import { cutDelta, withReached } from './inbox-delta.ts';
import { cursorAtHead, enoughFor, inTurn, planPulls } from './pulls.ts';
import { noCursors, type SyncToken } from './sync-token.ts';

const ann = 'a' as UserId;
const gen = generation(1);
const at = (seq: number) => ({ gen, seq: sequenceId(seq) });
const nothing = {} as ConversationSummary;

/** A device that syncs from its user's inbox and the conversation, as the service lets it, with what it got. */
class ADevice {
  readonly got: number[] = [];
  readonly #talk: AConversation;
  readonly #user: AUser;
  #token: SyncToken = { position: at(0), offset: 0, cursors: noCursors };

  constructor(talk: AConversation, user: AUser) {
    this.#talk = talk;
    this.#user = user;
  }

  get cursors(): SyncToken['cursors'] {
    return this.#token.cursors;
  }

  /** @returns whether there is more. */
  sync(limit: number): boolean {
    const records = this.#user.stored.entries
      .map((data, index) => inboxRecord({ ...at(index + 1), data }))
      .slice(this.#token.position.seq);
    const { pointers, next, complete } = cutDelta(this.#token, records, limit);
    for (const { from, to } of pointers) this.#take(from, to);
    this.#token = next;
    if (!complete) return true;
    const head = headFor(this.#talk.state, { user: ann });
    const brought = pointers.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    const plan = planPulls(next.cursors, [{ slot: 1, summary: nothing, head }], limit - brought);
    for (const { range } of plan.pulls) this.#take(range.from.seq, range.to.seq);
    this.#token = { ...next, cursors: plan.cursors };
    return plan.hasMore;
  }

  /** It got so much of what it may pull by other means. */
  reach(seq: number): void {
    const [slot, cursor] = [...this.#token.cursors][0] ?? [];
    if (slot === undefined || cursor === undefined || seq <= cursor.seq) return;
    this.#take(cursor.seq + 1, seq);
    this.#token = withReached(this.#token, new Map([[slot, at(seq)]]));
  }

  #take(from: number, to: number): void {
    for (let seq = from; seq <= to; seq += 1) this.got.push(seq);
  }
}

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('step' as const), step }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('sync' as const), limit: fc.integer({ min: 1, max: 5 }) }) },
);

describe('inbox and pulls', () => {
  it('give a device exactly its user’s stays, once and in order, whatever lags behind what (I6, I7)', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 90, size: 'max' }), (actions) => {
        const talk = new AConversation('g', { readAbove: 2, writeBelow: 2, intervalsMax: 64 });
        const user = new AUser();
        const device = new ADevice(talk, user);
        const waiting: Delivery[] = [];
        const take = (effects: Parameters<typeof planDiffusion>[0]): void => {
          for (const { delivery, users } of planDiffusion(effects)) if (users.includes(ann)) waiting.push(delivery);
        };
        const deliver = (count: number): void => {
          user.deliver(waiting.splice(0, count));
          user.store();
        };
        const members = ['b', 'c'] as UserId[];
        take(
          talk.do({
            ...{ t: 'create', creator: ann, kind: 'group', title: '', members },
            ...{ joinPolicy: 'open', historyPolicy: 'join' },
          }).effects,
        );
        for (const each of actions) {
          if (each.do === 'step') take(talk.do(talk.commandOf(each.step)).effects);
          else if (each.do === 'deliver') deliver(each.count);
          else device.sync(each.limit);
        }
        deliver(waiting.length);
        while (device.sync(7));
        const head = talk.state.head.value.seq;
        const { intervals } = talk.state.members.get(ann) ?? { intervals: [] };
        const expected = receivedRanges(intervals, { from: sequenceId(1), to: head }).flatMap(({ from, to }) =>
          Array.from({ length: to - from + 1 }, (_, index) => from + index),
        );
        expect(device.got).toEqual(expected);
        expect(user.inbox.filter(({ kind }) => kind === 'break')).toEqual([]);
        expect(device.cursors.size).toBe(
          intervals.at(-1)?.to === null && talk.state.segments.value.at(-1)?.to === null ? 1 : 0,
        );
      }),
      { numRuns: 400 },
    );
  });

  it('do not bring again what a device says that it has reached', () => {
    const talk = new AConversation('g', { readAbove: 2, writeBelow: 2 }).created(['a', 'b', 'c']);
    const user = new AUser();
    const device = new ADevice(talk, user);
    const created = talk.stored.entries.length;
    // The conversation as it was created, as its diffusion would bring it.
    const again = new AConversation('g', { readAbove: 2, writeBelow: 2 });
    const { effects } = again.do({
      ...{ t: 'create', creator: ann, kind: 'group', title: 'a group', members: ['b', 'c'] as UserId[] },
      ...{ joinPolicy: 'open', historyPolicy: 'join' },
    });
    for (const { delivery } of planDiffusion(effects)) user.deliver([delivery]);
    user.store();
    while (device.sync(5));
    for (let count = 0; count < 6; count += 1) talk.do(talk.sendOf('b'));
    device.reach(created + 4);
    while (device.sync(5));
    expect(device.got).toEqual(Array.from({ length: created + 6 }, (_, index) => index + 1));
  });
});

const headOf = (seq: number): ConversationHead => ({
  head: { ...at(seq), first: sequenceId(1), past: [] },
  msgNo: seq,
  lastAt: 0,
  segments: [{ from: sequenceId(1), to: null }],
  intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: null }],
  reading: { readSeq: sequenceId(0), readMsgNo: 0, sentAtRead: 0 },
  sent: 0,
});

describe('planPulls', () => {
  it('shares the limit out, starves none, and in the end gives all', () => {
    const sizes = fc.array(fc.nat(30), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 20 }), (pending, limit) => {
        const pulled = pending.map((size, index) => ({ slot: index + 1, summary: nothing, head: headOf(1 + size) }));
        let cursors: SyncToken['cursors'] = new Map(pulled.map(({ slot }) => [slot, at(1)]));
        const left = [...pending];
        for (let hasMore = true; hasMore;) {
          const plan = planPulls(cursors, pulled, limit);
          const counts = plan.pulls.map(({ range }) => range.to.seq - range.from.seq + 1);
          const waiting = left.filter((size) => size > 0).length;
          expect(counts.reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(limit);
          expect(counts).toHaveLength(Math.min(limit, waiting));
          expect(counts.every((count) => count > 0)).toBe(true);
          for (const { slot, range } of plan.pulls) {
            expect(range.from.seq).toBe((cursors.get(slot)?.seq ?? 0) + 1);
            left[slot - 1] = (left[slot - 1] ?? 0) - (range.to.seq - range.from.seq + 1);
          }
          ({ cursors, hasMore } = plan);
          expect(hasMore).toBe(left.some((size) => size > 0));
        }
        expect(left.every((size) => size === 0)).toBe(true);
      }),
    );
  });

  it('serves those first that are furthest behind', () => {
    const pulled = [3, 40, 7].map((size, index) => ({ slot: index + 1, summary: nothing, head: headOf(1 + size) }));
    const cursors = new Map(pulled.map(({ slot }) => [slot, at(1)]));
    expect(planPulls(cursors, pulled, 1).pulls.map(({ slot }) => slot)).toEqual([2]);
    expect(
      planPulls(cursors, pulled, 2)
        .pulls.map(({ slot }) => slot)
        .sort(),
    ).toEqual([2, 3]);
  });
});

describe('the cursor of a snapshot', () => {
  it('is where the conversation stands, or where the device is told that it does when its user was thrown out meanwhile', () => {
    const open = headOf(9);
    const gone = { ...open, intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: sequenceId(7) }] };
    const summary = { ...nothing, ...at(3) };
    const cursorOf = (head: ConversationHead | null) => cursorAtHead({ slot: 1, summary, head });
    expect([open, gone, null].map((head) => Number(cursorOf(head).seq))).toEqual([9, 3, 3]);
  });
});

describe('turns', () => {
  it('go around, from the one whose turn it is', () => {
    const cursors = new Map([7, 2, 5].map((slot) => [slot, at(1)]));
    expect(inTurn(cursors, undefined)).toEqual([2, 5, 7]);
    expect(inTurn(cursors, 5)).toEqual([5, 7, 2]);
    // Gone meanwhile: the next one's.
    expect(inTurn(cursors, 6)).toEqual([7, 2, 5]);
    expect(inTurn(cursors, 8)).toEqual([2, 5, 7]);
    expect(inTurn(noCursors, 3)).toEqual([]);
  });

  it('bring everything, and pass over nobody for ever while others go on and on', () => {
    const sizes = fc.array(fc.nat(60), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 40 }), fc.nat(6), (pending, limit, growing) => {
        const heads = pending.map((size) => 1 + size);
        let cursors: SyncToken['cursors'] = new Map(pending.map((_, index) => [index + 1, at(1)]));
        let turn: number | undefined;
        const whole = new Set<number>();
        // The first few are written to for ever.
        const rounds = (pending.length + 1) * (Math.max(...pending) + 2);
        for (let round = 0; round < rounds && whole.size < pending.length; round += 1) {
          const order = inTurn(cursors, turn);
          const all = order.map((slot) => ({ slot, summary: nothing, head: headOf(heads[slot - 1] ?? 1) }));
          const enough = enoughFor(cursors, all, limit).enough ?? all.length;
          const plan = planPulls(cursors, all.slice(0, enough), limit);
          expect(plan.pulls.reduce((sum, { range }) => sum + range.to.seq - range.from.seq + 1, 0)).toBeLessThanOrEqual(
            limit,
          );
          ({ cursors } = plan);
          turn = order[enough];
          for (const [slot, { seq }] of cursors) if (seq > (pending[slot - 1] ?? 0)) whole.add(slot);
          for (let slot = 1; slot <= Math.min(growing, heads.length); slot += 1)
            heads[slot - 1] = (heads[slot - 1] ?? 1) + limit;
        }
        expect(whole.size).toBe(pending.length);
      }),
    );
  });

  it('end where there is enough for an answer, of which none gets more than an eighth while others wait', () => {
    const cursors = new Map(Array.from({ length: 12 }, (_, index) => [index + 1, at(1)]));
    const pulledOf = (sizes: readonly number[]) =>
      sizes.map((size, index) => ({ slot: index + 1, summary: nothing, head: headOf(1 + size) }));
    const enoughOf = (pulled: ReturnType<typeof pulledOf>, limit: number): number | null =>
      enoughFor(cursors, pulled, limit).enough;
    expect(enoughOf(pulledOf(Array.from({ length: 12 }, () => 1_000)), 80)).toBe(8);
    expect(enoughOf(pulledOf([3, 0, ...Array.from({ length: 10 }, () => 1_000)]), 80)).toBe(10);
    expect(enoughFor(cursors, pulledOf([1_000, 1_000]), 80)).toEqual({ enough: null, filled: 0.25 });
    expect(enoughOf(pulledOf([0, 0, 7]), 1)).toBe(3);
  });
});
