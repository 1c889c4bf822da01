import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { decodeEntry, encodeEntry, type EntryFields } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { tombstoneOf } from '../erase/tombstone.ts';
import { decodeErased } from '../revise/revision.ts';
import { AConversation } from '../testing/a-conversation.ts';
import type { MemberLine } from '../transfer/lines.ts';
import type { Exported } from './exported.ts';

const b = 'b' as UserId;

function react(room: AConversation, user: string, seq: number, emoji: string): void {
  const facts = room.factsOf(seq, user);
  if (facts === null) throw new Error('no such message');
  room.do(room.changeOf(user, { op: 'react', emoji, isOn: true }, facts));
}

const fieldsOf = (room: AConversation): readonly string[] => [...room.stored.fields.keys()];

describe('all that a user has sent in a conversation', () => {
  it('is erased with one commit, which tells everybody who is in it, and forgets the user (I1, I3)', () => {
    const room = new AConversation().created(['a', 'b', 'c']);
    for (const user of ['b', 'a', 'b']) room.do(room.sendOf(user));
    room.do({ t: 'deleteFor', user: b, facts: room.factsOf(3, 'b') ?? never() });
    const { reply, effects } = room.do({ t: 'eraseUser', user: b, pinned: [] });
    // The entry by which they leave, and the one that tells of the erasure.
    expect(reply).toEqual({ ok: true, value: { upTo: 5, rev: 6, isMember: false } });
    expect(effects.map((effect) => (effect.e === 'appended' ? effect.recipients : []))).toEqual([
      ['a', 'b', 'c'],
      ['a', 'c'],
    ]);
    expect(decodeErased(room.beside.fields.get('u') ?? new Uint8Array())).toEqual(
      new Map([['b', { upTo: 5, rev: 6 }]]),
    );
    expect(fieldsOf(room).filter((field) => /^[a-z]:b(\/|$)/.test(field))).toEqual([]);
    expect(room.reloaded().erased.value).toEqual(room.state.erased.value);
    expect(room.state.memberCount).toBe(2);
  });

  it('is erased once, and again only when they have come back and said something', () => {
    const room = new AConversation().created(['a', 'b']);
    room.do(room.sendOf('b'));
    const first = room.do({ t: 'eraseUser', user: b, pinned: [] }).reply;
    const head = room.state.head.value.seq;
    expect(room.do({ t: 'eraseUser', user: b, pinned: [] }).reply).toEqual(first);
    expect(room.state.head.value.seq).toBe(head);
    room.do({ t: 'join', user: b });
    room.do(room.sendOf('b'));
    expect(room.do({ t: 'eraseUser', user: b, pinned: [] }).reply).toMatchObject({
      ok: true,
      value: { upTo: head + 3 },
    });
  });

  it('of a direct conversation leaves the two as they are', () => {
    const room = new AConversation('a!b').created(['a', 'b'], { kind: 'direct' });
    room.do(room.sendOf('b'));
    expect(room.do({ t: 'eraseUser', user: b, pinned: [] }).reply).toMatchObject({
      ok: true,
      value: { upTo: 2, isMember: true },
    });
    expect(room.do({ t: 'eraseUser', user: b, pinned: [] }).reply).toMatchObject({
      ok: true,
      value: { upTo: 2, rev: 3 },
    });
    expect(room.state.memberCount).toBe(2);
  });

  it('leaves their reactions nowhere, and those of others where they are', () => {
    const room = new AConversation().created(['a', 'b', 'c']);
    room.do(room.sendOf('a'));
    react(room, 'b', 2, '👍');
    react(room, 'c', 2, '👍');
    react(room, 'b', 2, '🎉');
    room.do({ t: 'eraseUser', user: b, pinned: [] });
    const facts = room.factsOf(2, 'b') ?? never();
    expect(room.do({ t: 'unreact', user: b, facts }).reply).toEqual({ ok: true, value: null });
    const { revision, emojis } = room.factsOf(2, 'b') ?? never();
    expect(revision).toMatchObject({ reactions: [{ emoji: '👍', count: 1, users: ['c'] }] });
    expect(emojis).toEqual([]);
    // Facts of before are out of date by now, and change nothing.
    expect(room.do({ t: 'unreact', user: b, facts }).reply).toEqual({ ok: true, value: null });
    expect(room.factsOf(2, 'b')?.revision).toEqual(revision);
  });

  it('is pinned no longer, with the same commit, while what others have sent stays pinned', () => {
    const room = new AConversation().created(['a', 'b', 'c']);
    for (const user of ['a', 'b', 'b']) room.do(room.sendOf(user));
    for (const seq of [2, 3, 4]) {
      room.do({ t: 'pin', by: 'a' as UserId, isOn: true, facts: room.factsOf(seq, 'a') ?? never() });
    }
    const known = [2, 3].map((seq) => [sequenceId(seq), seq === 2 ? ('a' as UserId) : b] as const);
    const before = room.state.head.value.seq;
    expect(room.do({ t: 'eraseUser', user: b, pinned: known }).reply).toEqual({ ok: true, value: 'stale' });
    expect([room.state.head.value.seq, room.state.erased.value.size]).toEqual([before, 0]);
    room.do({ t: 'eraseUser', user: b, pinned: [...known, [sequenceId(4), b]] });
    expect(room.reloaded().pinned.value.map(({ seq }) => seq)).toEqual([2]);
    const controls = room.stored.entries
      .slice(before)
      .map((data) => JSON.parse(String(decodeEntry(data).body)) as object);
    expect(controls.slice(0, 2)).toEqual([
      { control: 'unpinned', seq: 3 },
      { control: 'unpinned', seq: 4 },
    ]);
  });

  it('is changed, answered and pinned by nobody, also who has looked it up before (I11)', () => {
    const room = new AConversation('a!b').created(['a', 'b'], { kind: 'direct' });
    room.do(room.sendOf('b'));
    const late = [
      room.changeOf('b', { op: 'edit', body: 'said otherwise' }, room.factsOf(2, 'b') ?? never()),
      room.changeOf('a', { op: 'react', emoji: '👍', isOn: true }, room.factsOf(2, 'a') ?? never()),
      room.replyOf('a', 2),
      { t: 'recallFor', facts: room.factsOf(2, null) ?? never() },
      { t: 'pin', by: 'a' as UserId, isOn: true, facts: room.factsOf(2, 'a') ?? never() },
    ] as const;
    room.do({ t: 'eraseUser', user: b, pinned: [] });
    const head = room.state.head.value.seq;
    for (const command of late) {
      expect(room.do(command).reply, command.t).toMatchObject({ ok: false, error: { code: 'conflict' } });
    }
    expect(room.state.head.value.seq).toBe(head);
  });

  it('is undone when the commit is refused, and what was known is known again (I5)', () => {
    const room = new AConversation().created(['a', 'b']);
    room.do(room.sendOf('b'));
    const before = room.state.sent(b);
    room.handle({ t: 'eraseUser', user: b, pinned: [] });
    room.actor.restore();
    expect(room.state.sent(b)).toEqual(before);
    expect(room.state.present(b)).not.toBeNull();
    expect(room.state.erased.value.size).toBe(0);
    expect(room.actor.pendingWrite()).toBeNull();
  });
});

describe('a whole conversation', () => {
  it('leaves nothing but its numbers, behind which another one may begin (I3)', () => {
    const room = new AConversation().created(['a', 'b']);
    for (const user of ['a', 'b', 'a']) room.do(room.sendOf(user));
    react(room, 'b', 2, '👍');
    room.do({ t: 'eraseUser', user: b, pinned: [] });
    const handled = room.handle({ t: 'eraseAll', fields: [...room.beside.fields.keys()] });
    expect(handled).toMatchObject({ reply: { ok: true }, effects: [] });
    expect(room.actor.pendingWrite()?.trimBefore).toEqual({ gen: 1, seq: 8 });
    room.store();
    expect(fieldsOf(room).filter((field) => field.includes(':'))).toEqual([]);
    expect(room.stored.fields.has('s')).toBe(false);
    expect([...room.beside.fields.keys()]).toEqual([]);
    expect(room.do({ t: 'info' }).reply).toMatchObject({ ok: false, error: { code: 'not_found' } });
    room.become(room.reloaded());
    room.created(['c']);
    expect(room.state.head.value).toMatchObject({ seq: 8, first: 8 });
    expect(room.do(room.sendOf('a')).reply).toMatchObject({ ok: false, error: { code: 'not_member' } });
  });
});

describe('a conversation that an import has begun and never ended', () => {
  const part = (isLast: boolean) => {
    const source = new AConversation('old').created(['a', 'b']);
    for (const user of ['a', 'b']) source.do(source.sendOf(user));
    const { reply } = source.do({ t: 'exported', section: 'members', after: null, upTo: null });
    const { line, lines } = (reply.ok ? reply.value : never()) as Exported;
    const members = lines.filter((each): each is MemberLine => 'member' in each);
    const all = source.stored.entries.map((data, index) => ({
      ...{ seq: sequenceId(index + 1), fields: decodeEntry(data), stored: null },
    }));
    const entries = isLast ? all : all.slice(0, 2);
    return { t: 'import', part: { line, members, bans: [], keys: [], entries, targets: [], isLast } } as const;
  };

  it('is dropped as a whole, and its numbers are not given again (I3)', () => {
    const room = new AConversation('old');
    expect(room.do(part(false)).reply).toMatchObject({ ok: true, value: { seq: 2, isDone: false } });
    expect(room.do({ t: 'eraseUser', user: b, pinned: [] }).reply).toMatchObject({
      ok: false,
      error: { code: 'conflict', message: expect.stringContaining('not imported wholly') as string },
    });
    expect(room.do({ t: 'eraseAll', fields: [] }).reply).toEqual({ ok: true, value: null });
    expect(fieldsOf(room).filter((field) => field.includes(':') || field === 'y')).toEqual([]);
    room.become(room.reloaded());
    expect([room.state.staged.value, room.state.members.size]).toEqual([null, 0]);
    for (const isLast of [false, true]) {
      expect(room.do(part(isLast)).reply).toMatchObject({ ok: false, error: { code: 'conflict' } });
    }
    room.created(['c']);
    expect(room.state.head.value).toMatchObject({ seq: 3, first: 3 });
  });
});

describe('a tombstone', () => {
  const message: EntryFields = {
    ...{ msgNo: 4, at: 9, sentAt: 7, from: b, deviceTag: 5, n: 3, type: 'text', countable: true, body: 'secret' },
    mentions: ['a' as UserId],
  };

  it('keeps what is numbered and counted, and nothing that was said', () => {
    const kept = { msgNo: 4, at: 9, from: b, type: 'text', countable: true };
    const expected = { ...kept, sentAt: 0, deviceTag: 0, n: 0, body: '', erased: true };
    const tombstone = tombstoneOf(message) ?? never();
    expect(tombstone).toEqual(expected);
    expect(decodeEntry(encodeEntry(tombstone))).toEqual(expected);
    expect(tombstoneOf(tombstone)).toBeNull();
  });

  it('of a message that answered another one stays in its thread, and names nothing that was forwarded', () => {
    const thread = { replyTo: sequenceId(3), thread: sequenceId(2) };
    const forwardedFrom = { conversation: 'x' as ConversationId, seq: sequenceId(9), author: 'a' as UserId, at: 1 };
    const tombstone = tombstoneOf({ ...message, ...thread, forwardedFrom }) ?? never();
    expect(decodeEntry(encodeEntry(tombstone))).toMatchObject({ ...thread, erased: true });
    expect(tombstone.forwardedFrom).toBeUndefined();
  });

  it('of an edit tells that it is one, of a reaction nothing, and what became of the conversation is left alone', () => {
    const control = (body: object): EntryFields => ({
      ...{ ...message, type: 'control', countable: false, body: JSON.stringify(body) },
    });
    const edited = tombstoneOf(control({ control: 'edited', seq: 2, body: 'secret' }));
    expect(JSON.parse(String(edited?.body))).toEqual({ control: 'edited', seq: 2 });
    const reacted = tombstoneOf(control({ control: 'reacted', seq: 2, emoji: '🎉', on: true }));
    expect(reacted).toMatchObject({ type: 'void', body: '', erased: true });
    const recalled = { control: 'recalled', seq: 2, author: 'a' };
    const taken = tombstoneOf(control({ ...recalled, reason: 'secret' }));
    expect(JSON.parse(String(taken?.body))).toEqual(recalled);
    expect(tombstoneOf(control(recalled))).toBeNull();
    expect(tombstoneOf(control({ control: 'left', users: ['b'] }))).toBeNull();
  });
});

function never(): never {
  throw new Error('it is there');
}
