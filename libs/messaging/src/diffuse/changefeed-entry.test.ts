import { generation, MalformedBytes, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { noGone } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Appended, Effect } from '../effects.ts';
import { decodeFeed, encodeFeed, type FeedChange } from './changefeed-entry.ts';

const conversation = fc.constantFrom('x', 'y', 'größe').map((name) => name as ConversationId);
const seq = fc.integer({ min: 1, max: 1e9 }).map(sequenceId);

const appended = (of: ConversationId, gen: number, from: number, count: number): Appended => ({
  e: 'appended',
  facts: { conversation: of, kind: 'group', title: '' },
  gen: generation(gen),
  from: sequenceId(from),
  to: sequenceId(from + count - 1),
  entries: [],
  mode: 'write',
  recipients: [],
  changes: null,
  behind: 'write',
  undiffused: null,
});

const effect: fc.Arbitrary<Effect> = fc.oneof(
  fc
    .tuple(conversation, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 }))
    .map(([of, gen, from, count]) => appended(of, gen, from, count)),
  fc
    .tuple(
      conversation,
      fc.constantFrom('a', 'b'),
      fc.integer({ min: 1, max: 3 }),
      seq,
      fc.nat(),
      fc.nat(),
      fc.option(fc.nat()),
    )
    .map(([of, user, gen, readSeq, readMsgNo, sentAtRead, sent]) => ({
      e: 'read' as const,
      conversation: of,
      user: user as UserId,
      gen: generation(gen),
      readSeq,
      readMsgNo,
      sentAtRead,
      sent,
    }))
    .chain((read) =>
      fc
        .option(fc.record({ before: fc.nat(), seqs: fc.uniqueArray(seq, { maxLength: 3 }) }))
        .map((gone) =>
          gone === null ? read : { ...read, gone: { ...gone, seqs: gone.seqs.sort((one, other) => one - other) } },
        ),
    ),
  fc
    .tuple(conversation, fc.constantFrom('a', 'b'), fc.integer({ min: 1, max: 3 }), seq, fc.boolean())
    .map(([of, user, gen, at, counted]) => ({
      ...{ e: 'deleted' as const, conversation: of, user: user as UserId, gen: generation(gen), seq: at, counted },
    })),
  fc
    .tuple(conversation, fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 3 }))
    .map(([of, gen, from, count]) => ({
      e: 'imported' as const,
      conversation: of,
      gen: generation(gen),
      from: sequenceId(from),
      to: sequenceId(from + count - 1),
    })),
  fc.constant({
    e: 'typing' as const,
    users: [],
    notice: { conversation: 'x' as ConversationId, user: 'a' as UserId },
  }),
);

/** One line an entry that was appended, or a position that moved, in order. */
const lines = (changes: readonly FeedChange[]): readonly string[] =>
  changes.flatMap((change) => {
    if (change.kind === 'read') {
      const { conversation: of, user, gen, readSeq, readMsgNo, sentAtRead, sent, gone = noGone } = change;
      const position = [gen, readSeq, readMsgNo, sentAtRead, sent, gone.before, gone.seqs.join()].join(' ');
      return [`read ${of} ${user} ${position}`];
    }
    if (change.kind === 'deleted') {
      const { conversation: of, user, gen, seq, counted } = change;
      return [`deleted ${of} ${user} ${String(gen)} ${String(seq)} ${String(counted)}`];
    }
    const { kind, conversation: of, gen, from, to } = change;
    if (kind === 'imported') return [`imported ${of} ${String(gen)} ${String(from)}..${String(to)}`];
    return Array.from({ length: to - from + 1 }, (_, index) => `${of} ${String(gen)} ${String(from + index)}`);
  });

describe('a changefeed entry', () => {
  it('tells of every effect that followers are to learn of, in order, and joins what follows on each other', () => {
    fc.assert(
      fc.property(fc.array(effect, { maxLength: 20 }), (effects) => {
        const feed = encodeFeed(effects);
        const expected: FeedChange[] = effects.flatMap((each): FeedChange[] => {
          if (each.e === 'appended') {
            const { facts, gen, from, to } = each;
            return [{ kind: 'appended', conversation: facts.conversation, gen, from, to }];
          }
          if (each.e !== 'read' && each.e !== 'deleted' && each.e !== 'imported') return [];
          const { e: kind, ...rest } = each;
          return [{ kind, ...rest } as FeedChange];
        });
        expect(feed === null).toBe(expected.length === 0);
        const decoded = feed === null ? [] : decodeFeed(feed);
        expect(lines(decoded)).toEqual(lines(expected));
      }),
    );
    const run = [1, 2, 3].map((from) => appended('x' as ConversationId, 1, from, 1));
    const feed = encodeFeed(run);
    expect(feed && decodeFeed(feed)).toEqual([{ kind: 'appended', conversation: 'x', gen: 1, from: 1, to: 3 }]);
  });

  it('of another version, or cut off, is refused', () => {
    expect(() => decodeFeed(Uint8Array.of(2))).toThrow(MalformedBytes);
    expect(() => decodeFeed(Uint8Array.of(1, 9, 1, 0x61))).toThrow(MalformedBytes);
    const feed = encodeFeed([appended('x' as ConversationId, 1, 1, 1)]) ?? new Uint8Array();
    for (let cut = 2; cut < feed.length; cut += 1) {
      expect(() => decodeFeed(feed.subarray(0, cut))).toThrow(MalformedBytes);
    }
  });
});
