import { sequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, type Role } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AConversation, type Handled } from '../testing/a-conversation.ts';
import { step, users, type Step } from '../testing/conversation-commands.ts';
import { tellConversation } from '../testing/stored-record.ts';
import type { ConversationCommand } from './commands.ts';

const user = (name: string): UserId => name as UserId;
const outcome = ({ reply }: Handled): string => (reply.ok ? 'ok' : reply.error.code);

/** What each control entry says, by whom, since the given seq. */
function controls(conversation: AConversation, after = 1): readonly (readonly [string | null, unknown])[] {
  return conversation.stored.entries
    .map(decodeEntry)
    .slice(after)
    .flatMap(({ type, from, body }) =>
      type === 'control' ? [[from, JSON.parse(String(body)) as unknown] as const] : [],
    );
}

/** An owner, two admins and two members. */
function court(kind: 'group' | 'channel' = 'group'): AConversation {
  const conversation = new AConversation().created(['owner', 'admin', 'admin2', 'member', 'member2'], { kind });
  for (const name of ['admin', 'admin2']) {
    conversation.do({ t: 'role', by: user('owner'), user: user(name), role: 'admin' });
  }
  return conversation;
}

const acts = ['mute', 'unmute', 'ban'] as const;
const act = (t: (typeof acts)[number], by: string | null, of: string): ConversationCommand => {
  const command = { by: by === null ? null : user(by), users: [user(of)] };
  return t === 'mute' ? { t, ...command, until: null } : { t, ...command };
};

describe('who may keep order', () => {
  it.each<[by: string | null, of: string, expected: string]>([
    ['owner', 'admin', 'ok'],
    ['owner', 'member', 'ok'],
    ['owner', 'owner', 'forbidden'],
    ['admin', 'owner', 'forbidden'],
    ['admin', 'admin2', 'forbidden'],
    ['admin', 'admin', 'forbidden'],
    ['admin', 'member', 'ok'],
    ['admin', 'stranger', 'ok'],
    ['member', 'member2', 'forbidden'],
    ['member', 'stranger', 'forbidden'],
    ['stranger', 'member', 'not_member'],
    [null, 'owner', 'ok'],
    [null, 'member', 'ok'],
  ])('%s over %s: %s', (by, of, expected) => {
    for (const t of acts) expect([t, outcome(court().do(act(t, by, of)))]).toEqual([t, expected]);
  });

  it.each<[by: string | null, expected: string]>([
    ['owner', 'ok'],
    ['admin', 'ok'],
    ['member', 'forbidden'],
    ['stranger', 'not_member'],
    [null, 'ok'],
  ])('%s over the settings and the bans: %s', (by, expected) => {
    const asker = by === null ? null : user(by);
    const commands: ConversationCommand[] = [
      { t: 'settings', by: asker, change: { muted: true } },
      { t: 'unban', by: asker, users: [user('x')] },
      { t: 'bans', by: asker, after: null, limit: 10 },
    ];
    for (const command of commands) expect([command.t, outcome(court().do(command))]).toEqual([command.t, expected]);
  });

  it('nobody in a direct conversation, or in one that is not there', () => {
    const direct = new AConversation('a!b').created(['a', 'b'], { kind: 'direct' });
    const none = new AConversation('none');
    for (const t of acts) {
      expect(outcome(direct.do(act(t, 'a', 'b')))).toBe('forbidden');
      expect(outcome(none.do(act(t, 'a', 'b')))).toBe('not_found');
    }
    expect(outcome(direct.do({ t: 'settings', by: user('a'), change: { title: 'x' } }))).toBe('forbidden');
  });
});

describe('a mute', () => {
  it('holds until its time, for ever without one, and is told with how long to wait', () => {
    const conversation = court();
    const until = conversation.nowMs + 1_000;
    conversation.do({ t: 'mute', by: user('admin'), users: [user('member'), user('stranger')], until });
    expect(controls(conversation, 3)).toEqual([['admin', { control: 'muted', users: ['member'], until }]]);
    const refused = conversation.do(conversation.sendOf('member'));
    expect(refused.reply).toMatchObject({
      ok: false,
      error: { code: 'muted', retry: 'never', retryAfterMs: until - conversation.nowMs },
    });
    conversation.nowMs = until;
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
    conversation.do({ t: 'mute', by: user('admin'), users: [user('member')], until: null });
    conversation.nowMs += 1e12;
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('muted');
    conversation.do({ t: 'unmute', by: user('admin'), users: [user('member')] });
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
  });

  it('leaves a retry of what was sent before its first answer (I4)', () => {
    const conversation = court();
    const send = conversation.sendOf('member');
    conversation.do(send);
    conversation.do({ t: 'mute', by: user('owner'), users: [user('member')], until: null });
    expect(conversation.do(send).reply).toMatchObject({ ok: true, value: { duplicate: true } });
  });

  it('is not shaken off by leaving and coming back, but ends with becoming the owner', () => {
    const conversation = court();
    conversation.do({ t: 'mute', by: user('owner'), users: [user('member')], until: null });
    conversation.do({ t: 'leave', user: user('member') });
    conversation.do({ t: 'join', user: user('member') });
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('muted');
    conversation.do({ t: 'role', by: user('owner'), user: user('member'), role: 'admin' });
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('muted');
    conversation.do({ t: 'role', by: user('owner'), user: user('member'), role: 'owner' });
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
  });

  it('that is over before it begins is refused, and the same one again changes nothing', () => {
    const conversation = court();
    const past = { t: 'mute', by: user('owner'), users: [user('member')], until: conversation.nowMs } as const;
    expect(outcome(conversation.do(past))).toBe('bad_request');
    conversation.do({ ...past, until: null });
    const { seq } = conversation.state.head.value;
    expect(conversation.do({ ...past, until: null }).reply).toMatchObject({ ok: true, value: { seq } });
    expect(outcome(conversation.do({ t: 'unmute', by: user('owner'), users: [user('member2')] }))).toBe('ok');
    expect(conversation.state.head.value.seq).toBe(seq);
  });

  it('is shown with the members, and to the one whom it concerns', () => {
    const conversation = court();
    const until = 1e13;
    conversation.do({ t: 'mute', by: null, users: [user('member')], until });
    conversation.do({ t: 'mute', by: null, users: [user('member2')], until: null });
    const { reply } = conversation.do({ t: 'members', by: null, after: user('admin2'), limit: 10 });
    expect(reply).toMatchObject({
      value: { members: [{ mutedUntil: until }, { mutedUntil: null }, { user: 'owner' }] },
    });
    const info = conversation.do({ t: 'infoFor', user: user('member2') });
    expect(info.reply).toMatchObject({ ok: true, value: { role: 'member', mutedUntil: null, memberCount: 5 } });
    expect(outcome(conversation.do({ t: 'infoFor', user: user('stranger') }))).toBe('not_member');
  });
});

describe('the settings', () => {
  it('become one entry with what differs, and none when nothing does', () => {
    const conversation = court();
    const change = { title: 'a group', joinPolicy: 'invite', muted: true } as const;
    conversation.do({ t: 'settings', by: user('admin'), change });
    expect(controls(conversation, 3)).toEqual([['admin', { control: 'settings', joinPolicy: 'invite', muted: true }]]);
    conversation.do({ t: 'settings', by: user('owner'), change });
    expect(controls(conversation, 3)).toHaveLength(1);
    expect(outcome(conversation.do({ t: 'join', user: user('x') }))).toBe('forbidden');
  });

  it('tell the new title to everybody with the entry that carries it', () => {
    const { effects } = court().do({ t: 'settings', by: user('owner'), change: { title: 'new' } });
    expect(effects).toMatchObject([{ e: 'appended', facts: { title: 'new' } }]);
  });

  it('mute all but the owner and admins', () => {
    const conversation = court();
    conversation.do({ t: 'settings', by: user('owner'), change: { muted: true } });
    const sent = (name: string) => outcome(conversation.do(conversation.sendOf(name)));
    expect([sent('owner'), sent('admin'), sent('member')]).toEqual(['ok', 'ok', 'muted']);
    conversation.do({ t: 'settings', by: user('owner'), change: { muted: false } });
    expect(sent('member')).toBe('ok');
  });

  it('give members who come later the history that the policy says then (I7)', () => {
    const conversation = court();
    conversation.do({ t: 'join', user: user('early') });
    conversation.do({ t: 'settings', by: user('owner'), change: { historyPolicy: 'all' } });
    conversation.do({ t: 'join', user: user('late') });
    const from = (name: string) => conversation.state.present(user(name))?.intervals.at(-1)?.from;
    expect([from('early'), from('late')]).toEqual([4, 1]);
  });
});

describe('slow mode', () => {
  function slow(slowModeMs = 10_000): AConversation {
    const conversation = court();
    conversation.do({ t: 'settings', by: user('owner'), change: { slowModeMs } });
    return conversation;
  }

  it('lets a member write once in a time, and says how long to wait; others write as they like', () => {
    const conversation = slow();
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
    const sentAt = conversation.nowMs;
    conversation.nowMs += 3_000;
    const { reply } = conversation.do(conversation.sendOf('member'));
    const retryAfterMs = sentAt + 10_000 - conversation.nowMs;
    expect(reply).toMatchObject({ ok: false, error: { code: 'slow_mode', retry: 'later', retryAfterMs } });
    expect(outcome(conversation.do(conversation.sendOf('member2')))).toBe('ok');
    for (const name of ['owner', 'owner', 'admin', 'admin']) {
      expect(outcome(conversation.do(conversation.sendOf(name)))).toBe('ok');
    }
    conversation.nowMs = sentAt + 10_000;
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
  });

  it('counts what a backend sends as the member, and not what was refused or repeated', () => {
    const conversation = slow();
    const keyed = { t: 'publishKeyed', from: user('member'), window: 1, type: 'text', body: 'x' } as const;
    expect(outcome(conversation.do({ ...keyed, key: '1' }))).toBe('ok');
    expect(outcome(conversation.do({ ...keyed, key: '1' }))).toBe('ok');
    expect(outcome(conversation.do({ ...keyed, key: '2' }))).toBe('slow_mode');
    conversation.nowMs += 9_000;
    expect(outcome(conversation.do(conversation.sendOf('member', 2))), 'not the next one').toBe('out_of_order');
    conversation.nowMs += 1_000;
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
  });

  it('forgets a message whose commit was refused', () => {
    const conversation = slow();
    conversation.handle(conversation.sendOf('member'));
    conversation.actor.restore();
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
  });

  it('keeps nobody waiting for longer than it says, whatever the clock does (I10), and ends when it is set to 0', () => {
    const conversation = slow(1_000);
    conversation.nowMs = 1e6;
    conversation.do(conversation.sendOf('member'));
    conversation.nowMs -= 500_000;
    expect(conversation.do(conversation.sendOf('member')).reply).toMatchObject({ error: { retryAfterMs: 1_000 } });
    conversation.do({ t: 'settings', by: null, change: { slowModeMs: 0 } });
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('ok');
    expect(conversation.state.lastSentMs.size).toBe(0);
  });
});

describe('a ban', () => {
  it('removes who is a member by a kick, keeps out who is not, and leaves the others told (I7)', () => {
    const conversation = court();
    const { effects } = conversation.do({ t: 'ban', by: user('admin'), users: [user('member'), user('stranger')] });
    expect(controls(conversation, 3)).toEqual([
      ['admin', { control: 'kicked', users: ['member'] }],
      ['admin', { control: 'banned', users: ['member', 'stranger'] }],
    ]);
    const recipients = effects.map((effect) => (effect.e === 'appended' ? effect.recipients : []));
    expect(recipients.map((all) => all.includes(user('member')))).toEqual([true, false]);
    expect(outcome(conversation.do(conversation.sendOf('member')))).toBe('not_member');
    for (const name of ['member', 'stranger']) {
      expect(outcome(conversation.do({ t: 'join', user: user(name) }))).toBe('banned');
      const invite = { t: 'invite', by: user('owner'), users: [user('new'), user(name)] } as const;
      expect(outcome(conversation.do(invite))).toBe('banned');
      expect(outcome(conversation.do({ ...invite, by: null }))).toBe('banned');
    }
    expect(conversation.state.present(user('new'))).toBe(null);
  });

  it('ends with an unban, and the second of either changes nothing', () => {
    const conversation = court();
    const both = { by: user('owner'), users: [user('member')] };
    for (const t of ['ban', 'ban', 'unban', 'unban'] as const) conversation.do({ t, ...both });
    expect(controls(conversation, 3).map(([, body]) => (body as { control: string }).control)).toEqual([
      'kicked',
      'banned',
      'unbanned',
    ]);
    expect(outcome(conversation.do({ t: 'join', user: user('member') }))).toBe('ok');
  });

  it('of the only owner makes another one the owner', () => {
    const conversation = court();
    conversation.do({ t: 'ban', by: null, users: [user('owner')] });
    expect(conversation.state.present(user('admin'))?.role).toBe('owner');
  });

  it('is listed by user id, and there are so many at a time (I9)', () => {
    const conversation = new AConversation('g', { bansMax: 5 }).created(['owner']);
    const ban = (...names: string[]) => conversation.do({ t: 'ban', by: user('owner'), users: names.map(user) });
    ban('e', 'b', 'd');
    const list = (after: string | null) =>
      conversation.do({ t: 'bans', by: user('owner'), after: after === null ? null : user(after), limit: 2 }).reply;
    expect(list(null)).toMatchObject({ ok: true, value: { count: 3, users: ['b', 'd'], next: 'd' } });
    ban('c');
    conversation.do({ t: 'unban', by: user('owner'), users: [user('e')] });
    expect(list('b')).toMatchObject({ ok: true, value: { count: 3, users: ['c', 'd'] } });
    expect(outcome(ban('x', 'y', 'z'))).toBe('limit_reached');
    expect(outcome(ban('x', 'y'))).toBe('ok');
  });
});

describe('a block', () => {
  const [a, b] = [user('a'), user('b')];
  const direct = () => new AConversation('a!b');
  const create = (creator: UserId, other: UserId): ConversationCommand => ({
    ...{ t: 'create', creator, kind: 'direct', title: '', members: [other] },
    ...{ joinPolicy: 'invite', historyPolicy: 'all' },
  });

  it('refuses what the blocked one sends, not what the other one does, until it is lifted', () => {
    const conversation = direct().created(['a', 'b'], { kind: 'direct' });
    const { effects } = conversation.do({ t: 'block', by: a, user: b, isOn: true });
    expect([effects, conversation.state.head.value.seq]).toEqual([[], 1]);
    expect(outcome(conversation.do(conversation.sendOf('b')))).toBe('blocked');
    expect(outcome(conversation.do(conversation.sendOf('a')))).toBe('ok');
    expect(conversation.do({ t: 'typing', user: b }).effects).toEqual([]);
    expect(conversation.do({ t: 'typing', user: a }).effects).toHaveLength(1);
    conversation.become(conversation.reloaded());
    expect(outcome(conversation.do(conversation.sendOf('b')))).toBe('blocked');
    const blocked = (name: UserId) => conversation.do({ t: 'infoFor', user: name }).reply;
    expect(blocked(a)).toMatchObject({ value: { blocked: true } });
    expect(blocked(b)).toMatchObject({ value: { blocked: false } });
    conversation.do({ t: 'block', by: a, user: b, isOn: false });
    expect(outcome(conversation.do(conversation.sendOf('b')))).toBe('ok');
  });

  it('stands before there is a conversation: the blocked one cannot make it, the other one can', () => {
    const conversation = direct();
    conversation.do({ t: 'block', by: a, user: b, isOn: true });
    expect(conversation.stored.entries).toEqual([]);
    conversation.become(conversation.reloaded());
    expect(outcome(conversation.do(create(b, a)))).toBe('blocked');
    expect(outcome(conversation.do(create(a, b)))).toBe('ok');
    expect(outcome(conversation.do(conversation.sendOf('b')))).toBe('blocked');
  });

  it('of each of two by the other stops both', () => {
    const conversation = direct().created(['a', 'b'], { kind: 'direct' });
    conversation.do({ t: 'block', by: a, user: b, isOn: true });
    conversation.do({ t: 'block', by: b, user: a, isOn: true });
    expect([
      outcome(conversation.do(conversation.sendOf('a'))),
      outcome(conversation.do(conversation.sendOf('b'))),
    ]).toEqual(['blocked', 'blocked']);
  });

  it('is not for groups', () => {
    expect(outcome(court().do({ t: 'block', by: user('member'), user: user('member2'), isOn: true }))).toBe(
      'bad_request',
    );
  });
});

const someone = fc.constantFrom(...users).map(user);
const by = fc.option(someone, { nil: null });
const some = fc.uniqueArray(someone, { minLength: 1, maxLength: 3 });
const moderation: fc.Arbitrary<ConversationCommand> = fc.oneof(
  fc.record({ t: fc.constant('mute' as const), by, users: some, until: fc.constantFrom(null, 1_010, 1_030, 5_000) }),
  fc.record({ t: fc.constantFrom('unmute' as const, 'ban' as const, 'unban' as const), by, users: some }),
  fc.record({
    t: fc.constant('settings' as const),
    by,
    change: fc.record(
      {
        title: fc.constantFrom('x', 'y'),
        muted: fc.boolean(),
        joinPolicy: fc.constantFrom('open' as const, 'invite' as const),
      },
      { requiredKeys: [] },
    ),
  }),
);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: step },
  { weight: 1, arbitrary: moderation.map((command) => ({ kind: 'command' as const, command })) },
);

describe('order among all else', () => {
  it('leaves no trace of a refused commit, and is the same when it is loaded again (I2)', () => {
    fc.assert(
      fc.property(
        fc.array(anyStep, { maxLength: 30, size: 'max' }),
        fc.array(anyStep, { maxLength: 10 }),
        (before, batch) => {
          const conversation = new AConversation('g', { membersMax: 4, bansMax: 2 }).created(['a', 'b']);
          for (const each of before) conversation.do(conversation.commandOf(each));
          const told = tellConversation(conversation.state);
          expect(tellConversation(conversation.reloaded())).toEqual(told);
          for (const each of batch) conversation.handle(conversation.commandOf(each));
          conversation.actor.restore();
          expect(tellConversation(conversation.state)).toEqual(told);
        },
      ),
    );
  });

  it('never has a member who is banned, lets nobody write who is muted, and always has an owner who may', () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 40, size: 'max' }), (all) => {
        const conversation = new AConversation('g', { membersMax: 4 }).created(['a', 'b']);
        for (const each of all) {
          const command = conversation.commandOf(each);
          const { state } = conversation;
          const sender = command.t === 'publish' ? state.present(command.by.user) : null;
          const isSilent = sender !== null && sender.mutedUntilMs > conversation.nowMs + 1;
          const handled = conversation.do(command);
          if (isSilent && handled.reply.ok) expect(handled.reply.value).toMatchObject({ duplicate: true });
          for (const name of state.recipients) expect([name, state.bans.has(name)]).toEqual([name, false]);
          const roles = state.recipients.map((name) => state.present(name)?.role);
          expect(roles.includes('owner' satisfies Role)).toBe(roles.length > 0);
        }
        expect(conversation.stored.entries).toHaveLength(conversation.state.head.value.seq);
        expect(conversation.state.members.get(user('a'))?.intervals[0]?.joined).toBe(sequenceId(1));
      }),
    );
  });
});
