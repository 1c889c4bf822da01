import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { protocolLimits } from './limits.ts';
import { mentionsBehind, mentionsUser, withMentions } from './mentions.ts';
import { message } from './testing/arbitraries.ts';

const MOST = protocolLimits.mentionsPerSummary;
const seqs: fc.Arbitrary<readonly SequenceId[]> = fc.array(fc.integer({ min: 1, max: 400 }).map(sequenceId), {
  maxLength: 200,
});

describe('unread mentions', () => {
  it('are the latest behind the read position, rising, each once, in whatever order they were told', () => {
    fc.assert(
      fc.property(seqs, fc.nat(400), (told, read) => {
        let list: readonly SequenceId[] = [];
        for (const seq of told) list = withMentions(list, [seq]);
        const all = [...new Set(told)].sort((one, other) => one - other).slice(-MOST);
        expect(list).toEqual(all);
        expect(mentionsBehind(list, sequenceId(read))).toEqual(all.filter((seq) => seq > read));
      }),
    );
  });

  it('are the same whether what is read left before or after more came', () => {
    fc.assert(
      fc.property(seqs, seqs, fc.nat(400), (first, later, read) => {
        const readSeq = sequenceId(read);
        const before = withMentions(mentionsBehind(withMentions([], first), readSeq), later);
        const after = withMentions(withMentions([], first), later);
        expect(mentionsBehind(before, readSeq)).toEqual(mentionsBehind(after, readSeq));
      }),
    );
  });

  it('are of messages that name the user, or all, and are not their own', () => {
    fc.assert(
      fc.property(message, (sent) => {
        const [bob, ann] = ['bob', 'ann'] as [UserId, UserId];
        expect(mentionsUser({ ...sent, from: bob, mentions: [bob] }, bob)).toBe(false);
        expect(mentionsUser({ ...sent, from: bob, mentionAll: true }, bob)).toBe(false);
        expect(mentionsUser({ ...sent, from: ann, mentions: [ann, bob] }, bob)).toBe(true);
        expect(mentionsUser({ ...sent, from: ann, mentionAll: true }, bob)).toBe(true);
        const { mentions: _mentions, mentionAll: _all, ...plain } = sent;
        expect(mentionsUser({ ...plain, from: ann }, bob)).toBe(false);
      }),
    );
  });
});
