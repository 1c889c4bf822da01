import { lastVisible, receivedRanges } from '@millrace/diffusion';
import { sequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, goneCount, type ControlBody, type FrameError } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { tellConversation } from '../testing/stored-record.ts';
import type { Change } from './commands.ts';
import type { Member } from './conversation-state.ts';
import { goneFor } from './gone.ts';

const users = ['a', 'b', 'c'] as const;
const edit = (body: string): Change => ({ op: 'edit', body });
const recall: Change = { op: 'recall' };

/** A group of which `a` is the owner, with a message of each. */
function group(limits: ConstructorParameters<typeof AConversation>[1] = {}): AConversation {
  const conversation = new AConversation('g', limits).created(users, { historyPolicy: 'all' });
  for (const user of users) conversation.do(conversation.sendOf(user));
  return conversation;
}

function change(conversation: AConversation, user: string, seq: number, what: Change) {
  const facts = conversation.factsOf(seq, user);
  if (facts === null) throw new Error(`there is no entry ${String(seq)}`);
  return conversation.do(conversation.changeOf(user, what, facts));
}

const codeOf = ({ reply }: { readonly reply: { readonly ok: boolean; readonly error?: FrameError } }): string =>
  reply.ok ? 'ok' : (reply.error?.code ?? '');

const controlsOf = (conversation: AConversation): readonly ControlBody[] =>
  conversation.stored.entries
    .map(decodeEntry)
    .filter(({ type }) => type === 'control')
    .map(({ body }) => JSON.parse(String(body)) as ControlBody);

const revisionAt = (conversation: AConversation, seq: number) => conversation.factsOf(seq, null)?.revision;

describe('a change of a message', () => {
  it('is an entry of its own, which does not count, and the revision beside says where the body stands', () => {
    const conversation = group();
    const { reply } = change(conversation, 'b', 3, edit('two'));
    expect(reply).toMatchObject({ ok: true, value: { seq: 5, msgNo: 3, n: 2, duplicate: false } });
    expect(controlsOf(conversation).at(-1)).toEqual({ control: 'edited', seq: 3, body: 'two' });
    expect(revisionAt(conversation, 3)).toMatchObject({ rev: 5, edited: { gen: 1, seq: 5 }, recalled: null });
    change(conversation, 'b', 3, edit('two and a half'));
    expect(revisionAt(conversation, 3)).toMatchObject({ rev: 6, edited: { seq: 6 } });
    expect(revisionAt(conversation, 5)).toMatchObject({ rev: 6, redacted: true });
  });

  it('is answered once more when it is sent once more, and not done again (I4)', () => {
    const conversation = group();
    const facts = conversation.factsOf(3, 'b');
    if (facts === null) throw new Error('the message is there');
    const command = conversation.changeOf('b', edit('two'), facts);
    conversation.do(command);
    expect(conversation.do(command).reply).toMatchObject({ ok: true, value: { seq: 5, duplicate: true } });
    expect(conversation.state.head.value.seq).toBe(5);
    // A message goes on behind it, by the same counter, and only messages are counted as sent.
    expect(conversation.do(conversation.sendOf('b')).reply).toMatchObject({ ok: true, value: { seq: 6, n: 3 } });
    expect(conversation.state.sent('b' as UserId).count).toBe(2);
  });

  it('is by whom it may be: an author edits, and recalls for a while; who keeps order recalls at any time (I11)', () => {
    const conversation = group({ recallWindowMs: 1_000 });
    expect(codeOf(change(conversation, 'a', 3, edit('not mine')))).toBe('forbidden');
    expect(codeOf(change(conversation, 'c', 3, recall))).toBe('forbidden');
    expect(codeOf(change(conversation, 'd', 3, recall))).toBe('not_member');
    expect(codeOf(change(conversation, 'a', 1, recall))).toBe('forbidden');
    conversation.nowMs += 2_000;
    expect(codeOf(change(conversation, 'b', 3, recall))).toBe('forbidden');
    expect(codeOf(change(conversation, 'b', 3, edit('late, but mine')))).toBe('ok');
    expect(codeOf(change(conversation, 'a', 3, recall))).toBe('ok');
    expect(codeOf(change(conversation, 'b', 3, edit('once more')))).toBe('conflict');
    expect(codeOf(change(conversation, 'b', 3, recall))).toBe('conflict');
    conversation.do({ t: 'leave', user: 'c' as UserId });
    expect(codeOf(change(conversation, 'c', 4, edit('gone')))).toBe('not_member');
  });

  it('puts one reaction of each kind under a message for each user, and so many kinds', () => {
    const conversation = group();
    const react = (emoji: string, isOn = true): Change => ({ op: 'react', emoji, isOn });
    expect(codeOf(change(conversation, 'b', 2, react('+')))).toBe('ok');
    expect(codeOf(change(conversation, 'b', 2, react('+')))).toBe('conflict');
    expect(codeOf(change(conversation, 'c', 2, react('-', false)))).toBe('conflict');
    expect(codeOf(change(conversation, 'c', 2, react('+')))).toBe('ok');
    // Loaded again, it is told by the facts.
    conversation.become(conversation.reloaded());
    expect(codeOf(change(conversation, 'b', 2, react('+')))).toBe('conflict');
    expect(codeOf(change(conversation, 'b', 2, react('+', false)))).toBe('ok');
    expect(revisionAt(conversation, 2)?.reactions).toEqual([{ emoji: '+', count: 1, users: ['c'] }]);
    for (let kind = 1; kind < 20; kind += 1) change(conversation, 'a', 2, react(String(kind)));
    expect(codeOf(change(conversation, 'a', 2, react('one more')))).toBe('limit_reached');
    expect(codeOf(change(conversation, 'a', 2, react('+')))).toBe('ok');
    expect(codeOf(change(conversation, 'a', 2, edit('with all of them')))).toBe('ok');
    expect(revisionAt(conversation, 2)?.reactions).toHaveLength(20);
    expect(codeOf(change(conversation, 'a', 2, recall))).toBe('ok');
    expect(revisionAt(conversation, 2)?.reactions).toEqual([]);
    expect(codeOf(change(conversation, 'b', 2, react('+')))).toBe('conflict');
  });

  it('of a backend is answered the same once more', () => {
    const conversation = group();
    const ask = () => {
      const facts = conversation.factsOf(3, null);
      if (facts === null) throw new Error('the message is there');
      return conversation.do({ t: 'recallFor', facts }).reply;
    };
    expect(ask()).toMatchObject({ ok: true, value: { seq: 5 } });
    expect(ask()).toMatchObject({ ok: true, value: { seq: 5 } });
  });

  it('goes by what the conversation knows: facts that are older than it has forgotten are asked for anew', () => {
    const conversation = group();
    const old = conversation.factsOf(3, 'b');
    if (old === null) throw new Error('the message is there');
    // It knows of this one.
    change(conversation, 'a', 3, recall);
    expect(codeOf(conversation.do(conversation.changeOf('b', edit('x'), old)))).toBe('conflict');
    // Loaded again it knows of none.
    conversation.become(conversation.reloaded());
    expect(conversation.do(conversation.changeOf('b', edit('x'), old)).reply).toEqual({ ok: true, value: 'stale' });
    expect(codeOf(change(conversation, 'b', 3, edit('x')))).toBe('conflict');
    // So it does not of one that many others came behind.
    const message = conversation.factsOf(4, 'c');
    change(conversation, 'c', 4, edit('three'));
    for (let more = 0; more < 70; more += 1) {
      const sent = conversation.do(conversation.sendOf('b'));
      const seq = sent.reply.ok ? (sent.reply.value as { readonly seq: number }).seq : 0;
      change(conversation, 'b', seq, edit('again'));
    }
    if (message === null) throw new Error('the message is there');
    expect(conversation.do(conversation.changeOf('c', edit('y'), message)).reply).toEqual({ ok: true, value: 'stale' });
    expect(codeOf(change(conversation, 'c', 4, edit('y')))).toBe('ok');
    expect(revisionAt(conversation, 4)?.edited?.seq).toBe(conversation.state.head.value.seq);
  });

  it('which is deleted after it was recalled counts no more, on devices that have not heard of the recall either', () => {
    const conversation = group();
    const deletes = (of: string) => {
      const facts = conversation.factsOf(3, of);
      if (facts === null) throw new Error('the message is there');
      return conversation.do({ t: 'deleteFor', user: of as UserId, facts }).effects;
    };
    change(conversation, 'b', 3, recall);
    expect(deletes('a')).toMatchObject([{ e: 'deleted', seq: 3, counted: true }]);
    const member = conversation.state.members.get('a' as UserId);
    if (member === undefined) throw new Error('a is a member');
    // Once, as the set that it is.
    expect(goneCount(goneFor(conversation.state, 'a' as UserId, member))).toBe(1);
    // Its author never counted it.
    expect(deletes('b')).toMatchObject([{ e: 'deleted', seq: 3, counted: false }]);
  });

  it('that is refused by the store leaves no trace (I2)', () => {
    const conversation = group();
    const told = tellConversation(conversation.state);
    const facts = conversation.factsOf(3, 'b');
    if (facts === null) throw new Error('the message is there');
    conversation.handle(conversation.changeOf('b', recall, facts));
    conversation.handle({ t: 'deleteFor', user: 'a' as UserId, facts });
    expect(conversation.actor.writeBeside()?.set).toHaveLength(3);
    conversation.actor.restore();
    expect(tellConversation(conversation.state)).toEqual(told);
    expect(conversation.actor.writeBeside()).toBe(null);
  });
});

type Deed =
  | { readonly do: 'send'; readonly user: string }
  | { readonly do: 'recall' | 'delete' | 'read'; readonly user: string; readonly back: number }
  | { readonly do: 'leave' | 'join'; readonly user: string };

const user = fc.constantFrom<string>(...users);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), user }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('recall' as const, 'recall' as const, 'delete' as const, 'read' as const),
      user,
      back: fc.nat(12),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'join' as const), user }) },
);

/** What does not count though it is unread, found out from the entries and the record beside alone. */
function goneByEntries(
  conversation: AConversation,
  of: string,
  { readSeq, intervals }: Member,
  upTo = Infinity,
): number {
  const head = conversation.state.head.value.seq;
  const receives = (seq: number): boolean =>
    receivedRanges(intervals, { from: sequenceId(seq), to: sequenceId(seq) }).length > 0;
  const entries = conversation.stored.entries.map(decodeEntry);
  const recalled = new Set<number>();
  entries.forEach(({ type, body }, index) => {
    const control = type === 'control' ? (JSON.parse(String(body)) as ControlBody) : null;
    if (control?.control === 'recalled' && index + 1 <= lastVisible(intervals, head)) recalled.add(control.seq);
  });
  return entries.filter(({ countable, from }, index) => {
    const seq = index + 1;
    if (!countable || from === of || seq <= readSeq || seq >= upTo || !receives(seq)) return false;
    return recalled.has(seq) || conversation.beside.fields.has(`${String(seq)}:${of}`);
  }).length;
}

/** Does it. A read is looked up in the entries, as a node does. */
function act(conversation: AConversation, each: Deed): void {
  const { state } = conversation;
  if (each.do === 'send') conversation.do(conversation.sendOf(each.user));
  else if (!('back' in each)) conversation.do({ t: each.do, user: each.user as UserId });
  else {
    const seq = Math.max(1, state.head.value.seq - each.back);
    const facts = conversation.factsOf(seq, each.user);
    const member = state.members.get(each.user as UserId);
    if (facts === null || member === undefined) return;
    if (each.do === 'recall') conversation.do(conversation.changeOf(each.user, recall, facts));
    else if (each.do === 'delete') conversation.do({ t: 'deleteFor', user: each.user as UserId, facts });
    else {
      const upTo = sequenceId(Math.min(seq, lastVisible(member.intervals, state.head.value.seq)));
      if (upTo <= member.readSeq) return;
      const entries = conversation.stored.entries.slice(0, upTo).map(decodeEntry);
      const sentAtRead = entries.filter(({ countable, from }) => countable && from === each.user).length;
      const { from } = state.recalled.value;
      const counted = goneByEntries(conversation, each.user, { ...member, readSeq: upTo }, from);
      const deleted = (state.deleted.get(each.user as UserId) ?? []).filter((at) => at > upTo && at < from).length;
      conversation.do({
        ...{ t: 'markRead', user: each.user as UserId, seq: upTo, msgNo: entries.at(-1)?.msgNo ?? 0, sentAtRead },
        goneBefore: { count: counted - deleted, goneBefore: member.goneBefore, recalledFrom: from },
      });
    }
  }
}

describe('what is gone of what is unread', () => {
  it.each([1_000, 4, 2])('is exact for every member, also over what is not listed, %i at most', (recalledListed) => {
    fc.assert(
      fc.property(fc.array(deed, { minLength: 25, maxLength: 60, size: 'max' }), (deeds) => {
        const conversation = group({ recalledListed });
        for (const each of deeds) {
          act(conversation, each);
          for (const [name, member] of conversation.state.members.entries()) {
            const gone = goneFor(conversation.state, name, member);
            expect(goneCount(gone), `${name} after ${JSON.stringify(each)}`).toBe(
              goneByEntries(conversation, name, member),
            );
          }
          expect(conversation.state.recalled.value.of.length).toBeLessThanOrEqual(recalledListed);
        }
        expect(tellConversation(conversation.reloaded())).toEqual(tellConversation(conversation.state));
      }),
      { numRuns: 60 },
    );
  });
});
