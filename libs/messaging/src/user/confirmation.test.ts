import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { AUser, messageOf } from '../testing/a-user.ts';
import { StoredRecord, tellUser } from '../testing/stored-record.ts';
import type { Delivery } from './commands.ts';
import { listConversations } from './conversation-list.ts';
import type { Standing } from './standing.ts';

describe('what may have been lost', () => {
  const x = 'x' as ConversationId;
  const head = (gen: number, seq: number, last: number): Standing['head'] => ({
    gen: generation(gen),
    seq: sequenceId(seq),
    first: sequenceId(last + 1),
    past: [{ gen: generation(1), first: sequenceId(1), last: sequenceId(last) }],
  });
  const nobody = (gen: number): Standing => ({
    d: 'standing',
    conversation: x,
    head: head(gen, 2, 2),
    stand: null,
    askedReadSeq: null,
  });
  const standing = (gen: number, seq: number, more: Partial<Standing> = {}): Standing => ({
    ...nobody(gen),
    head: head(gen, seq, seq),
    stand: {
      facts: { conversation: x, kind: 'group', title: 'X' },
      position: { gen: generation(1), seq: sequenceId(seq) },
      msgNo: seq - 1,
      lastAt: 5,
      sent: 1,
      member: true,
      behind: 'write',
      stays: 1,
      readSeq: sequenceId(1),
      readMsgNo: 0,
      sentAtRead: 0,
    },
    askedReadSeq: sequenceId(1),
    ...more,
  });
  const asked = (user: AUser) => {
    const { reply } = user.actor.handle({ t: 'inbox' }, user.nowMs);
    return (reply as { value: { unconfirmed: readonly unknown[] } }).value.unconfirmed;
  };
  const started = (): AUser => {
    const user = new AUser();
    const created = messageOf('x', 1, 0, 'you', false);
    user.deliver([{ ...created, change: 'joined' } as Delivery, messageOf('x', 2, 1, 'me', true)]);
    user.deliver([messageOf('x', 3, 2, 'you', true)]);
    user.store();
    return user;
  };

  it('is asked about once the conversation’s partition is known to be in another generation, and only then (U5)', () => {
    const user = started();
    expect(asked(user)).toEqual([]);
    user.known.version = 1;
    user.known.gens.set('y', 2);
    expect(asked(user)).toEqual([]);
    user.known.version = 2;
    user.known.gens.set('x', 2);
    expect(asked(user)).toEqual([{ conversation: x, readSeq: 1, gone: [] }]);
    user.deliver([standing(2, 3)]);
    user.store();
    expect(asked(user)).toEqual([]);
    expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
  });

  it('is told right afterwards, and breaks the inbox (U4)', () => {
    const user = started();
    user.known.version = 1;
    user.known.gens.set('x', 2);
    expect(listConversations(user.state, null, 10, () => true).unconfirmed).toEqual([
      { conversation: x, readSeq: 1, gone: [] },
    ]);
    expect(user.deliver([standing(2, 2)]).map(({ e }) => e)).toEqual(['broken']);
    user.store();
    expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({
      gen: 1,
      seq: 2,
      msgNo: 1,
      unread: 0,
    });
    expect(user.state.inbox.value.oldest).toBe(user.state.head.value.seq + 1);
  });

  it('takes a ghost out of the list, under another slot should it ever come back', () => {
    const user = started();
    user.deliver([nobody(2)]);
    user.store();
    expect(listConversations(user.state, null, 10).conversations).toEqual([]);
    expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
    user.deliver([standing(2, 3)]);
    expect(user.state.listed.get(x)?.slot).toBe(2);
  });

  it('is in doubt again when an entry of the lost end comes late, and the node is told at once (U5)', () => {
    const user = started();
    user.known.version = 1;
    user.known.gens.set('x', 2);
    user.deliver([standing(2, 3)]);
    user.store();
    expect(user.deliver([messageOf('x', 4, 3, 'you', true)]).map(({ e }) => e)).toContain('doubtful');
    user.store();
    expect(asked(user)).toHaveLength(1);
    user.deliver([standing(2, 3)]);
    expect(asked(user)).toEqual([]);
    user.actor.restore();
    expect(asked(user)).toHaveLength(1);
  });

  it('is in doubt again when a read position of the lost end comes late, which the conversation then takes back', () => {
    const user = started();
    user.known.version = 1;
    user.known.gens.set('x', 2);
    user.deliver([standing(2, 3)]);
    user.store();
    const late = {
      d: 'read',
      conversation: x,
      gen: generation(1),
      readSeq: sequenceId(3),
      readMsgNo: 2,
      sent: null,
    } as const;
    expect(user.deliver([{ ...late, sentAtRead: 1 }]).map(({ e }) => e)).toContain('doubtful');
    user.store();
    expect(asked(user)).toEqual([{ conversation: x, readSeq: 3, gone: [] }]);
    user.deliver([standing(2, 3, { askedReadSeq: sequenceId(3) })]);
    expect(asked(user)).toEqual([]);
    expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({ readSeq: 1, readMsgNo: 0 });
  });

  it('is what was told to be gone by an entry of the lost end, though more has come since', () => {
    const user = started();
    const recall = { control: 'recalled', seq: 3, author: 'you' };
    user.deliver([messageOf('x', 4, 2, 'you', false, { type: 'control', body: JSON.stringify(recall) })]);
    user.known.version = 1;
    user.known.gens.set('x', 2);
    // The new generation goes on where the recall was.
    user.deliver([messageOf('x', 4, 3, 'you', true, {}, 2)]);
    user.store();
    expect(asked(user)).toEqual([{ conversation: x, readSeq: 1, gone: [3] }]);
    const whole = standing(2, 6, { head: head(2, 6, 3), askedGone: [sequenceId(3)] });
    const gone = { before: 0, seqs: [sequenceId(6)] };
    const stand = { ...whole.stand, position: { gen: generation(2), seq: sequenceId(6) }, gone } as Standing['stand'];
    user.deliver([{ ...whole, stand }]);
    user.store();
    // What the inbox has not come to is told when it has.
    expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({ seq: 4, msgNo: 3, unread: 3 });
    expect(asked(user)).toEqual([]);
  });

  it('is asked about when the user’s own partition began a generation', () => {
    const user = started();
    const later = user.inGeneration(2);
    later.known.version = 1;
    later.known.gens.set('x', 1);
    expect(asked(later)).toEqual([{ conversation: x, readSeq: 1, gone: [] }]);
    later.deliver([standing(1, 6, { head: { ...head(1, 6, 0), past: [], first: sequenceId(1) } })]);
    later.store();
    expect(asked(later)).toEqual([]);
    expect(listConversations(later.state, null, 10).conversations[0]).toMatchObject({ seq: 6, msgNo: 5 });
  });

  it('breaks where a join comes and the leave before it did not, or what was between may have been lost (U4)', () => {
    const back = { ...messageOf('x', 9, 7, 'you', true), change: 'joined' } as Delivery;
    const user = started();
    expect(user.deliver([back]).map(({ e }) => e)).toEqual(['broken', 'inbox']);
    const gone = started();
    gone.deliver([{ ...messageOf('x', 4, 2, 'you', false), change: 'left' } as Delivery]);
    gone.store();
    const later = gone.inGeneration(2);
    expect(later.deliver([back]).map(({ e }) => e)).toEqual(['broken', 'inbox']);
    expect(gone.deliver([back]).map(({ e }) => e)).toEqual(['inbox']);
  });

  it('is asked about for what is new to a user who lost something once', () => {
    const user = new AUser({}, new StoredRecord(), 2);
    user.known.version = 1;
    const item = messageOf('x', 9, 7, 'you', true);
    if (item.d !== 'messages') throw new Error('a message');
    const entries = item.entries.map(({ seq, data }) => new WireEntry(generation(1), seq, data));
    expect(user.deliver([{ ...item, entries, change: 'joined' }]).map(({ e }) => e)).toEqual(['inbox', 'doubtful']);
    expect(asked(user)).toHaveLength(1);
  });

  it('breaks an inbox once, however many conversations have lost something', () => {
    const user = started();
    user.deliver([standing(2, 2), { ...standing(2, 2), conversation: 'z' as ConversationId }]);
    user.store();
    expect(user.inbox.filter(({ kind }) => kind === 'break')).toHaveLength(1);
  });
});
