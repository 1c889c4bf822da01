import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../user/commands.ts';
import type { Appended } from '../effects.ts';
import { mergeDeliveries, planDiffusion, planEntries, type Planned } from './plan.ts';

const message = (conversation: string, gen: number, seq: number, change: 'joined' | null): Delivery => ({
  d: 'messages',
  facts: { conversation: conversation as ConversationId, kind: 'group', title: '' },
  gen: generation(gen),
  entries: [new WireEntry(generation(gen), sequenceId(seq), new Uint8Array())],
  change,
  behind: 'write',
  skipped: null,
});

const delivery: fc.Arbitrary<Delivery> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .tuple(fc.constantFrom('x', 'y'), fc.constantFrom(1, 1, 2), fc.integer({ min: 1, max: 4 }), fc.nat(4))
      .map(([of, gen, seq, change]) => message(of, gen, seq, change === 0 ? 'joined' : null)),
  },
  {
    weight: 1,
    arbitrary: fc.constant({
      d: 'read' as const,
      conversation: 'x' as ConversationId,
      gen: generation(1),
      readSeq: sequenceId(1),
      readMsgNo: 0,
      sentAtRead: 0,
      sent: null,
    }),
  },
);

const lines = (deliveries: readonly Delivery[]): readonly string[] =>
  deliveries.flatMap((each) =>
    each.d === 'messages'
      ? each.entries.map(({ gen, seq }) => `${each.facts.conversation} ${String(gen)}-${String(seq)}`)
      : [each.d],
  );

describe('mergeDeliveries', () => {
  it('keeps every entry in its place, and joins only what becomes one pointer', () => {
    fc.assert(
      fc.property(fc.array(delivery, { maxLength: 20 }), (deliveries) => {
        const merged = mergeDeliveries(deliveries);
        expect(lines(merged)).toEqual(lines(deliveries));
        for (const each of merged) {
          if (each.d !== 'messages') continue;
          each.entries.forEach(({ gen, seq }, index) => {
            expect([gen, seq]).toEqual([each.gen, (each.entries[0]?.seq ?? 0) + index]);
          });
          // A coming or going is told of one entry: it stays alone.
          if (each.change !== null) expect(each.entries).toHaveLength(1);
        }
        const changes = (all: readonly Delivery[]) =>
          all.filter((each) => each.d === 'messages' && each.change !== null);
        expect(changes(merged)).toEqual(changes(deliveries));
      }),
    );
  });

  it('makes one of a run', () => {
    const run = [3, 4, 5].map((seq) => message('x', 1, seq, null));
    expect(mergeDeliveries(run)).toHaveLength(1);
    expect(mergeDeliveries([...run, message('x', 1, 7, null)])).toHaveLength(2);
  });
});

const members = [['ann', 'ben'], ['ann', 'ben', 'eve'], []].map((names) => names as UserId[]);

/** What conversations of one partition append in one commit, one after the other: now and then a seq is skipped. */
const appended: fc.Arbitrary<readonly Appended[]> = fc
  .array(
    fc.record({
      of: fc.constantFrom('x', 'x', 'x', 'y'),
      skips: fc.constantFrom(0, 0, 0, 0, 1),
      gen: fc.constantFrom(1, 1, 1, 1, 2),
      recipients: fc.constantFrom(0, 0, 0, 1, 2),
      joins: fc.constantFrom(false, false, false, true),
      mode: fc.constantFrom('write' as const, 'write' as const, 'write' as const, 'read' as const),
      bytes: fc.constantFrom(1, 1, 40_000),
    }),
    { maxLength: 20 },
  )
  .map((steps) => {
    const heads = new Map<string, number>();
    return steps.map(({ of, skips, gen, recipients, joins, mode, bytes }): Appended => {
      const seq = sequenceId((heads.get(of) ?? 0) + 1 + skips);
      heads.set(of, seq);
      const users = members[recipients] ?? [];
      return {
        e: 'appended',
        facts: { conversation: of as ConversationId, kind: 'group', title: '' },
        gen: generation(gen),
        from: seq,
        to: seq,
        entries: [new WireEntry(generation(gen), seq, new Uint8Array(bytes))],
        mode,
        recipients: users,
        changes: joins ? { change: 'joined', users: new Set(users.slice(0, 1)) } : null,
        behind: mode,
        undiffused: null,
      };
    });
  });

/** For each user in order, what comes to them of each entry. */
function copies(planned: readonly Planned[]): ReadonlyMap<UserId, readonly string[]> {
  const of = new Map<UserId, string[]>();
  for (const { delivery: each, users } of planned) {
    if (each.d !== 'messages') continue;
    for (const user of users) {
      const own = of.get(user) ?? [];
      for (const { gen, seq } of each.entries) {
        expect(gen).toBe(each.gen);
        own.push([each.facts.conversation, gen, seq, each.change, each.behind].join(' '));
      }
      of.set(user, own);
    }
  }
  return of;
}

describe('planDiffusion', () => {
  it('joins entries, and brings everybody the same in the same order as each entry by itself would', () => {
    fc.assert(
      fc.property(appended, (effects) => {
        const planned = planDiffusion(effects);
        expect(copies(planned)).toEqual(copies(effects.flatMap((effect) => planEntries(effect))));
        for (const { delivery: each } of planned) {
          if (each.d !== 'messages') continue;
          // What may be passed over with a watermark is a run, and what travels at once is bounded.
          each.entries.forEach(({ seq }, index) => {
            expect(seq).toBe((each.entries[0]?.seq ?? 0) + index);
          });
          const before = each.entries.slice(0, -1).reduce((sum, { data }) => sum + data.length, 0);
          expect(before).toBeLessThan(65_536);
          if (each.change !== null) expect(each.entries).toHaveLength(1);
        }
      }),
    );
  });

  it('makes one delivery of what one conversation got in a commit', () => {
    const [users = []] = members;
    const run = [1, 2, 3].map((seq): Appended => {
      const [gen, at] = [generation(1), sequenceId(seq)];
      const facts = { conversation: 'x' as ConversationId, kind: 'direct', title: '' } as const;
      const entries = [new WireEntry(gen, at, new Uint8Array(1))];
      const plain = { mode: 'write', recipients: users, changes: null, behind: 'write', undiffused: null } as const;
      return { e: 'appended', facts, gen, from: at, to: at, entries, ...plain };
    });
    const planned = planDiffusion(run);
    expect(planned).toHaveLength(1);
    expect(planned[0]?.users).toEqual(['ann', 'ben']);
    expect(lines(planned.map(({ delivery: each }) => each))).toEqual(['x 1-1', 'x 1-2', 'x 1-3']);
  });
});
