import { isDiffused, isReceived, modeNow, nextReason } from '@millrace/diffusion';
import { generation, type UserId } from '@millrace/kernel';
import { decodeEntry, type Ack, type ControlBody } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDiffusion } from '../diffuse/plan.ts';
import { AConversation, type Handled } from '../testing/a-conversation.ts';
import { step } from '../testing/conversation-commands.ts';
import { lines, recalledFrom } from '../testing/recalled-from.ts';
import { tellConversation } from '../testing/stored-record.ts';
import type { Effect } from '../effects.ts';
import { ConversationActor } from './conversation-actor.ts';
import { decodeConversation } from './conversation-record.ts';
import { partialHead, partialWatch } from './partial-record.ts';
import { headFor, watch } from './queries.ts';

const steps = fc.array(step, { maxLength: 40, size: 'max' });
const policy = fc.constantFrom('join' as const, 'all' as const);
const small = { sendWindow: 3, keysPerWindow: 2, membersMax: 3, intervalsMax: 4 };
const group = (historyPolicy: 'join' | 'all'): AConversation =>
  new AConversation('g', small).created(['a', 'b'], { historyPolicy });

const appended = (handled: readonly Handled[]) =>
  handled.flatMap(({ effects }) => effects).filter((effect) => effect.e === 'appended');

/** Goes over to being pulled with three members, and back with one. */
const switching = { ...small, readAbove: 2, writeBelow: 2 };

const entriesOf = (effects: readonly Effect[]) =>
  effects.flatMap((effect) => (effect.e === 'appended' ? effect.entries : [])).map(({ message }) => message);

describe('a conversation', () => {
  it('after a refused commit is what it was before, and decides the same again (I2, C1)', () => {
    fc.assert(
      fc.property(policy, steps, steps, (historyPolicy, before, batch) => {
        const conversation = group(historyPolicy);
        for (const each of before) conversation.do(conversation.commandOf(each));
        const told = tellConversation(conversation.state);
        const first: Handled[] = [];
        const { nowMs } = conversation;
        for (const each of batch) first.push(conversation.handle(conversation.commandOf(each)));
        conversation.actor.restore();
        expect(tellConversation(conversation.state)).toEqual(told);
        conversation.nowMs = nowMs;
        const second = first.map(({ command }) => conversation.handle(command));
        expect(second.map(({ reply }) => reply)).toEqual(first.map(({ reply }) => reply));
      }),
    );
  });

  it('is the same when it is loaded from its record, whatever happened (I2)', () => {
    fc.assert(
      fc.property(policy, steps, (historyPolicy, all) => {
        const conversation = group(historyPolicy);
        for (const each of all) {
          conversation.do(conversation.commandOf(each));
          expect(tellConversation(conversation.reloaded())).toEqual(tellConversation(conversation.state));
        }
      }),
    );
  });

  it('numbers its entries densely, and its messages among them (I3, C2)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = group('join');
        for (const each of all) conversation.do(conversation.commandOf(each));
        expect(conversation.stored.entries).toHaveLength(conversation.state.head.value.seq);
        let msgNo = 0;
        for (const entry of conversation.stored.entries.map(decodeEntry)) {
          if (entry.countable) msgNo += 1;
          expect(entry.msgNo).toBe(msgNo);
        }
        expect(conversation.state.msgNo.value).toBe(msgNo);
      }),
    );
  });

  it('gives one seq to each client message id, however often and in whatever order it is sent (I4)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = group('join');
        const seqs = new Map<string, number>();
        for (const each of all) {
          const { command, reply } = conversation.do(conversation.commandOf(each));
          if ((command.t !== 'publish' && command.t !== 'revise') || !reply.ok) continue;
          const { seq, duplicate, n } = reply.value as Ack;
          const id = `${command.by.user}/${command.by.device} ${String(n)}`;
          expect(duplicate).toBe(seqs.has(id));
          if (duplicate) expect(seq).toBe(seqs.get(id));
          seqs.set(id, seq);
        }
        expect(new Set(seqs.values()).size).toBe(seqs.size);
        const sent = conversation.stored.entries.map(decodeEntry).filter(({ deviceTag }) => deviceTag > 0);
        expect(sent).toHaveLength(seqs.size);
        // What a backend sends counts for its user, too.
        for (const user of ['a', 'b', 'c', 'd'] as UserId[]) {
          const own = conversation.stored.entries
            .map(decodeEntry)
            .filter((entry) => entry.countable && entry.from === user);
          expect(conversation.state.sent(user).count, 'whatever was skipped').toBe(own.length);
        }
      }),
    );
  });

  it('gives one seq to each key of a user within the windows that it remembers (I4)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = group('join');
        const known = new Map<string, { readonly seq: number; readonly window: number }>();
        for (const each of all) {
          const { window } = conversation.state.keyWindow.value;
          const { command, reply } = conversation.do(conversation.commandOf(each));
          if (command.t !== 'publishKeyed' || !reply.ok) continue;
          const { seq, duplicate } = reply.value as Ack;
          const name = `${command.from} ${command.key}`;
          const before = known.get(name);
          // A key sent with a window that is still taken was sent first in that window or later.
          if (before !== undefined && before.window >= command.window) {
            expect([duplicate, seq]).toEqual([true, before.seq]);
          } else if (before === undefined) expect(duplicate).toBe(false);
          if (!duplicate) known.set(name, { seq, window });
        }
        expect(conversation.state.keys.size).toBeLessThanOrEqual(2 * small.keysPerWindow);
      }),
    );
  });

  it('sends each entry to the members as of its seq, now and when it is recalled after a crash (I6, I7, C3)', async () => {
    await fc.assert(
      fc.asyncProperty(policy, fc.constantFrom(small, switching), steps, async (historyPolicy, limits, all) => {
        const conversation = new AConversation('g', limits);
        const handled = [conversation.do({ ...createGroup, historyPolicy })];
        for (const each of all) handled.push(conversation.do(conversation.commandOf(each)));
        const effects = appended(handled);
        const members = [...conversation.state.members.entries()];
        const segments = conversation.state.segments.value;
        for (const { from, mode, recipients } of effects) {
          const receivers = members.filter(([, { intervals }]) => isReceived(intervals, segments, from));
          expect([...recipients].sort()).toEqual(receivers.map(([user]) => user).sort());
          expect(mode).toBe(isDiffused(segments, from) ? 'write' : 'read');
        }
        const recalled = await recalledFrom(conversation.reloaded(), effects);
        expect(lines(recalled)).toEqual(lines(planDiffusion(effects)));
      }),
    );
  });

  it('switches in the commit that crosses a bound, and tells of it by an entry to everybody', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = new AConversation('g', switching);
        const handled = [conversation.do(createGroup)];
        for (const each of all) handled.push(conversation.do(conversation.commandOf(each)));
        let mode = 'write';
        let count = 0;
        const members = new Set<UserId>();
        for (const { effects } of handled) {
          for (const { entries, recipients, behind } of effects.filter((effect) => effect.e === 'appended')) {
            const { body, type, from } = entries[0]?.message ?? { body: '', type: 'void', from: null };
            const control = type === 'control' ? (JSON.parse(String(body)) as ControlBody) : null;
            if (control?.control === 'created') for (const user of control.members) members.add(user);
            if (control?.control === 'joined') for (const user of control.users) members.add(user);
            if (control?.control === 'left' || control?.control === 'kicked')
              for (const user of control.users) members.delete(user);
            if (control?.control !== 'diffusion') continue;
            count += 1;
            expect([from, control.mode]).toEqual([null, mode === 'write' ? 'read' : 'write']);
            expect([...recipients].sort()).toEqual([...members].sort());
            ({ mode } = control);
            expect(behind).toBe(mode);
          }
          const reason = nextReason(
            mode === 'read' ? 'size' : null,
            { members: members.size, load: 0 },
            conversation.limits,
          );
          expect(mode).toBe(reason === null ? 'write' : 'read');
        }
        expect(conversation.state.segments.value).toHaveLength(Math.ceil(count / 2));
      }),
    );
  });

  it('tells one user, and a node that watches it, the same of itself out of a few fields of its record (I1)', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (all) => {
        const conversation = new AConversation('g', switching);
        conversation.do(createGroup);
        for (const each of all) conversation.do(conversation.commandOf(each));
        const { record } = conversation.stored;
        const reads: number[] = [];
        const everybody = ['a', 'b', 'c', 'd'] as UserId[];
        const watched = await partialWatch(everybody, conversation.state.gen, (names) => {
          const fields = new Map([...record.fields].filter(([name]) => names.includes(name)));
          return Promise.resolve({ ok: true, value: { head: record.head, fields } });
        });
        expect(watched).toEqual(watch(conversation.state, { users: everybody }));
        for (const user of everybody) {
          reads.push(0);
          const found = await partialHead(user, conversation.state.gen, (names) => {
            reads[reads.length - 1] = (reads.at(-1) ?? 0) + 1;
            const fields = new Map([...record.fields].filter(([name]) => names.includes(name)));
            return Promise.resolve({ ok: true, value: { head: record.head, fields } });
          });
          const asked = headFor(conversation.state, { user });
          const isAsked = asked !== null && conversation.state.segments.value.length === 0;
          if (isAsked) expect(found).toEqual({ ok: true, value: 'ask' });
          else if (asked === null || modeNow(asked.segments) === 'read')
            expect(found).toEqual({ ok: true, value: asked });
        }
        expect(Math.max(...reads)).toBeLessThanOrEqual(2);
      }),
    );
  });

  it('decides the same after a reload, and has an owner as long as it has members (C1)', () => {
    fc.assert(
      fc.property(steps, (all) => {
        const conversation = group('join');
        for (const each of all) {
          const command = conversation.commandOf(each);
          const reloaded = new ConversationActor(conversation.reloaded(), 'disk', conversation.limits);
          const again = reloaded.handle(command, conversation.nowMs + 1, conversation.commits);
          const handled = conversation.do(command);
          expect(again.reply).toEqual(handled.reply);
          expect(entriesOf(again.effects)).toEqual(entriesOf(handled.effects));
          const { state } = conversation;
          const owners = state.recipients.filter((user) => state.present(user)?.role === 'owner');
          expect(owners.length > 0).toBe(state.recipients.length > 0);
        }
      }),
    );
  });

  it('goes on in a new generation above what survived (I3)', () => {
    const conversation = group('join');
    conversation.do(conversation.sendOf('a'));
    const state = decodeConversation(conversation.state.id, conversation.stored.record, generation(5));
    expect(state.head.value).toEqual({ gen: 5, seq: 2, first: 3, past: [{ gen: 1, first: 1, last: 2 }] });
    expect(state.storedAt).toMatchObject({ gen: 1, seq: 2 });
    expect(state.dirty).toBe(false);
  });
});

const createGroup = {
  t: 'create' as const,
  creator: 'a' as UserId,
  kind: 'group' as const,
  title: 'a group',
  members: ['b' as UserId],
  joinPolicy: 'open' as const,
  historyPolicy: 'join' as const,
};

describe('what a conversation refuses', () => {
  const code = (handled: Handled): string => (handled.reply.ok ? 'ok' : handled.reply.error.code);
  const user = (name: string): UserId => name as UserId;

  it('a send of who is no member, or of a mere member of a channel', () => {
    const conversation = new AConversation('ch').created(['a', 'b'], { kind: 'channel' });
    expect(code(conversation.do(conversation.sendOf('x')))).toBe('not_member');
    expect(code(conversation.do(conversation.sendOf('b')))).toBe('forbidden');
    expect(code(conversation.do(conversation.sendOf('a')))).toBe('ok');
    conversation.do({ t: 'role', by: user('a'), user: user('b'), role: 'admin' });
    expect(code(conversation.do(conversation.sendOf('b')))).toBe('ok');
    expect(code(new AConversation('none').do(conversation.sendOf('a')))).toBe('not_found');
  });

  it('a counter ahead of the next one, and tells which it expects; a timestamp that falls (I4)', () => {
    const conversation = group('join');
    const ahead = conversation.do(conversation.sendOf('a', 3));
    expect(ahead.reply).toMatchObject({ ok: false, error: { code: 'out_of_order', expected: 1 } });
    conversation.do(conversation.sendOf('a'));
    const next = conversation.sendOf('a');
    expect(code(conversation.do({ ...next, send: { ...next.send, sentAt: 0 } }))).toBe('bad_request');
    expect(code(conversation.do(next))).toBe('ok');
  });

  it('what comes with a skipped number later, and what follows another one than the last (I4)', () => {
    const conversation = group('join');
    const refused = conversation.sendOf('b');
    conversation.do({ t: 'kick', by: user('a'), users: [user('b')] });
    expect(code(conversation.do(refused))).toBe('not_member');
    conversation.do({ t: 'join', user: user('b') });
    expect(conversation.do(conversation.sendOf('b', 2)).reply).toMatchObject({
      error: { code: 'out_of_order', expected: 1 },
    });
    const next = conversation.sendOf('b', 2, '1', true);
    expect(conversation.do(next).reply).toMatchObject({ ok: true, value: { n: 2, duplicate: false } });
    expect(conversation.do(refused).reply).toMatchObject({
      error: { code: 'expired', message: 'n 1 was skipped: n 2 was sent to follow n 0' },
    });
    expect(conversation.do(next).reply).toMatchObject({ ok: true, value: { n: 2, duplicate: true } });
    // A retry is known whatever it says that it follows.
    expect(conversation.do({ ...next, send: { ...next.send, after: 1 } }).reply).toMatchObject({
      value: { duplicate: true },
    });
  });

  it('but answers the retry of one who was removed since with the first answer (I4)', () => {
    const conversation = group('join');
    const send = conversation.sendOf('b');
    const first = conversation.do(send).reply;
    conversation.do({ t: 'kick', by: user('a'), users: [user('b')] });
    const retry = conversation.do(send).reply;
    if (!first.ok || !retry.ok) throw new Error('both are answered');
    expect(retry.value).toMatchObject({ seq: (first.value as Ack).seq, duplicate: true });
    expect(code(conversation.do(conversation.sendOf('b')))).toBe('not_member');
  });

  it('a kick by who is not above the one to go, the whole of it', () => {
    const conversation = new AConversation().created(['a', 'b', 'c', 'd']);
    conversation.do({ t: 'role', by: user('a'), user: user('b'), role: 'admin' });
    expect(code(conversation.do({ t: 'kick', by: user('c'), users: [user('d')] }))).toBe('forbidden');
    expect(code(conversation.do({ t: 'kick', by: user('b'), users: [user('d'), user('a')] }))).toBe('forbidden');
    expect(conversation.state.recipients).toHaveLength(4);
    expect(code(conversation.do({ t: 'kick', by: user('b'), users: [user('d')] }))).toBe('ok');
    expect(code(conversation.do({ t: 'kick', by: null, users: [user('a')] }))).toBe('ok');
    expect([...conversation.state.recipients].sort()).toEqual(['b', 'c']);
  });

  it('an invitation by a mere member where it takes an admin, and a join where it takes an invitation', () => {
    const conversation = new AConversation().created(['a', 'b'], { joinPolicy: 'invite' });
    expect(code(conversation.do({ t: 'invite', by: user('b'), users: [user('c')] }))).toBe('forbidden');
    expect(code(conversation.do({ t: 'join', user: user('c') }))).toBe('forbidden');
    expect(code(conversation.do({ t: 'invite', by: user('a'), users: [user('c')] }))).toBe('ok');
  });

  it('members over its bound, and comings and goings over what it remembers (I9)', () => {
    const conversation = group('join');
    expect(code(conversation.do({ t: 'invite', by: null, users: [user('c'), user('d')] }))).toBe('limit_reached');
    for (let count = 0; count < 4; count += 1) {
      expect(code(conversation.do({ t: 'join', user: user('c') }))).toBe('ok');
      conversation.do({ t: 'leave', user: user('c') });
    }
    expect(code(conversation.do({ t: 'join', user: user('c') }))).toBe('limit_reached');
  });

  it('the last owner stepping down; but one who leaves is followed by the longest-standing of highest role', () => {
    const conversation = new AConversation().created(['b', 'a']);
    conversation.do({ t: 'join', user: user('c') });
    expect(code(conversation.do({ t: 'role', by: user('b'), user: user('b'), role: 'member' }))).toBe('forbidden');
    conversation.do({ t: 'leave', user: user('a') });
    conversation.do({ t: 'join', user: user('a') });
    conversation.do({ t: 'leave', user: user('b') });
    expect(conversation.state.present(user('c'))?.role).toBe('owner');
  });

  it('an outsider who leaves; and who left before is told no position past their time (I11)', () => {
    const conversation = new AConversation().created(['a', 'b']);
    expect(code(conversation.do({ t: 'leave', user: user('stranger') }))).toBe('not_member');
    expect(conversation.do({ t: 'leave', user: user('b') }).reply).toMatchObject({ ok: true, value: { seq: 2 } });
    conversation.do(conversation.sendOf('a', 1));
    expect(conversation.state.head.value.seq).toBe(3);
    expect(conversation.do({ t: 'leave', user: user('b') }).reply).toMatchObject({ ok: true, value: { seq: 2 } });
  });

  it('a second creation of the id by another, while the same creator gets the first answer again', () => {
    const conversation = group('join');
    const again = conversation.do(createGroup);
    expect(again.reply).toMatchObject({ ok: true, value: { fresh: false } });
    expect(code(conversation.do({ ...createGroup, creator: user('z') }))).toBe('conflict');
  });

  it('coming and going in a direct conversation, which either of the two may create', () => {
    const direct = new AConversation('a!b').created(['b', 'a'], { kind: 'direct' });
    expect(code(direct.do({ ...createGroup, kind: 'direct', creator: user('a') }))).toBe('ok');
    expect(code(direct.do({ t: 'leave', user: user('a') }))).toBe('forbidden');
    expect(code(direct.do({ t: 'invite', by: null, users: [user('c')] }))).toBe('forbidden');
    expect(code(new AConversation('x').do({ ...createGroup, kind: 'direct' }))).toBe('bad_request');
  });

  it('a key of a window that is over, or that was never issued (I4)', () => {
    const conversation = group('join');
    const keyed = (key: string, window: number) =>
      conversation.do({ t: 'publishKeyed', from: user('a'), key, window, type: 'text', body: 'x' });
    expect(code(keyed('k', 2))).toBe('bad_request');
    const first = keyed('k', 1).reply;
    for (let index = 0; index < 2; index += 1) keyed(`m${String(index)}`, 1);
    expect(keyed('k', 1).reply).toMatchObject({ ok: true, value: { duplicate: true } });
    for (let index = 0; index < 2; index += 1) keyed(`o${String(index)}`, 2);
    expect(code(keyed('k', 1))).toBe('expired');
    expect(first.ok).toBe(true);
  });
});
