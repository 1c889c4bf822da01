import { sequenceId, type SequenceId } from '@millrace/kernel';
import { decodeEntry, type FrameError } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK } from '../revise/fold.ts';
import { decodeReplies, repliesField } from '../revise/revision.ts';
import { ThreadIndex } from '../revise/thread-index.ts';
import { AConversation } from '../testing/a-conversation.ts';

const users = ['a', 'b', 'c'] as const;

/** A group of which `a` is the owner, with a message of each: 2 to 4. */
function group(historyPolicy: 'all' | 'join' = 'all'): AConversation {
  const conversation = new AConversation().created(users, { historyPolicy });
  for (const user of users) conversation.do(conversation.sendOf(user));
  return conversation;
}

const codeOf = ({ reply }: { readonly reply: { readonly ok: boolean; readonly error?: FrameError } }): string =>
  reply.ok ? 'ok' : (reply.error?.code ?? '');
const answer = (conversation: AConversation, user: string, seq: number) =>
  conversation.do(conversation.replyOf(user, seq));
const entryAt = (conversation: AConversation, seq: number) =>
  decodeEntry(conversation.stored.entries[seq - 1] ?? new Uint8Array());
const repliesOf = (conversation: AConversation, seq: number) => conversation.factsOf(seq, null)?.revision?.replies;

/** Where the replies stand, as a node reads them. */
function indexOf(conversation: AConversation, first: number): ThreadIndex {
  const replies = repliesOf(conversation, first) ?? { count: 0, tail: [] };
  return new ThreadIndex(replies, (index) => {
    const chunk = conversation.beside.fields.get(repliesField(sequenceId(first), index));
    return chunk === undefined ? Promise.reject(new Error('no such chunk')) : Promise.resolve(decodeReplies(chunk));
  });
}

async function all(seqs: AsyncIterable<SequenceId>): Promise<readonly number[]> {
  const found: number[] = [];
  for await (const seq of seqs) found.push(seq);
  return found;
}

describe('a message that answers another', () => {
  it('stands in the thread of that one, whose first message counts what has come in it', () => {
    const conversation = group();
    expect(answer(conversation, 'b', 2).reply).toMatchObject({ ok: true, value: { seq: 5, msgNo: 4 } });
    answer(conversation, 'c', 5);
    answer(conversation, 'a', 3);
    expect(entryAt(conversation, 5)).toMatchObject({ replyTo: 2, thread: 2 });
    expect(entryAt(conversation, 6)).toMatchObject({ replyTo: 5, thread: 2 });
    expect(entryAt(conversation, 7)).toMatchObject({ replyTo: 3, thread: 3 });
    expect(conversation.factsOf(2, null)?.revision).toMatchObject({
      rev: 6,
      replies: { count: 2, last: 6, tail: [5, 6] },
    });
    expect(repliesOf(conversation, 3)).toMatchObject({ count: 1, last: 7 });
  });

  it('is answered the same when it is sent once more, also when nobody could send it by now (I4)', () => {
    const conversation = group();
    const command = conversation.replyOf('b', 2);
    conversation.do(command);
    expect(conversation.do(command).reply).toMatchObject({ ok: true, value: { seq: 5, duplicate: true } });
    const refusal = { code: 'not_found', message: 'it is gone', retry: 'never' } as const;
    const again = conversation.do({ ...command, looked: { refusal } });
    expect(again.reply).toMatchObject({ ok: true, value: { seq: 5, duplicate: true } });
    expect(codeOf(conversation.do({ ...conversation.sendOf('b'), looked: { refusal } }))).toBe('not_found');
    expect(repliesOf(conversation, 2)?.count).toBe(1);
  });

  it('answers what its author sees, and what is a message and was not recalled (I7, I11)', () => {
    const conversation = group('join');
    expect(codeOf(answer(conversation, 'b', 1))).toBe('forbidden');
    const facts = conversation.factsOf(3, 'b');
    if (facts === null) throw new Error('the message is there');
    answer(conversation, 'c', 3);
    conversation.do(conversation.changeOf('b', { op: 'recall' }, facts));
    expect(codeOf(answer(conversation, 'c', 3))).toBe('conflict');
    // The thread goes on behind its first message.
    expect(codeOf(answer(conversation, 'a', 5))).toBe('ok');
    expect(conversation.factsOf(3, null)?.revision).toMatchObject({
      rev: 7,
      recalled: { seq: 6 },
      replies: { count: 2 },
    });
    conversation.do({ t: 'join', user: 'd' as never });
    expect(codeOf(answer(conversation, 'd', 2))).toBe('not_found');
    // By what is recalled behind the facts, which this activation knows, and one that was loaded since does not.
    const late = conversation.replyOf('a', 4);
    const target = conversation.factsOf(4, 'c');
    if (target === null) throw new Error('the message is there');
    conversation.do(conversation.changeOf('c', { op: 'recall' }, target));
    expect(codeOf(conversation.do(late))).toBe('conflict');
    conversation.become(conversation.reloaded());
    expect(conversation.do(late).reply).toEqual({ ok: true, value: 'stale' });
  });

  it('is found in its thread from any position on, in both directions', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: 3 * CHUNK + 5 }),
        fc.nat(400),
        fc.nat(400),
        async (count, one, other) => {
          const conversation = group();
          const expected: number[] = [];
          for (let index = 0; index < count; index += 1) {
            if (index % 3 === 1) conversation.do(conversation.sendOf('c'));
            const { reply } = answer(conversation, 'b', 2);
            if (reply.ok) expected.push((reply.value as { readonly seq: number }).seq);
          }
          expect(repliesOf(conversation, 2)?.count ?? 0).toBe(count);
          const [from, to] = [sequenceId(Math.min(one, other)), sequenceId(Math.max(one, other))];
          const within = expected.filter((seq) => seq >= from && seq <= to);
          expect(await all(indexOf(conversation, 2).forward(from, to))).toEqual(within);
          expect(await all(indexOf(conversation, 2).backward(from, to))).toEqual([...within].reverse());
        },
      ),
      { numRuns: 40 },
    );
  });
});
