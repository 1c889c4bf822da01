import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../user/commands.ts';
import { mergeDeliveries } from './plan.ts';

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
