import { fromUtf8, sequenceId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AConversation } from '../testing/a-conversation.ts';
import { decodeMember, decodeMeta, encodeMember, encodeMeta } from './conversation-record.ts';

const owner = 'owner' as UserId;
const settingsIn = (conversation: AConversation): object =>
  JSON.parse(fromUtf8(conversation.stored.fields.get('s') ?? new Uint8Array())) as object;
const unsaid = { muted: false, slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' };

describe('the settings in a record', () => {
  it('are not said as long as they are as in most conversations, for each byte is kept for as long as it is', () => {
    const conversation = new AConversation().created(['owner', 'member']);
    for (const name of Object.keys(unsaid)) expect(settingsIn(conversation)).not.toHaveProperty(name);
    expect(conversation.reloaded().meta.value).toMatchObject(unsaid);
    expect(conversation.reloaded().meta.value).toEqual(conversation.state.meta.value);
  });

  it('are said when they are not, and no more when they are so again', () => {
    const conversation = new AConversation().created(['owner', 'member']);
    const others = { slowModeMs: 5_000, mentionAllBy: 'members', pinBy: 'members' } as const;
    conversation.do({ t: 'settings', by: owner, change: others });
    expect(settingsIn(conversation)).toMatchObject(others);
    expect(conversation.reloaded().meta.value).toMatchObject(others);
    const back = { slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' } as const;
    conversation.do({ t: 'settings', by: owner, change: back });
    for (const name of Object.keys(unsaid)) expect(settingsIn(conversation)).not.toHaveProperty(name);
    expect(conversation.reloaded().meta.value).toMatchObject(unsaid);
  });
});

describe('a record, terse or not,', () => {
  const seq = fc.nat({ max: 1_000 }).map(sequenceId);
  const member = fc.record({
    role: fc.constantFrom('owner', 'admin', 'member'),
    readSeq: fc.constant(sequenceId(3)),
    readMsgNo: fc.nat(),
    sentAtRead: fc.nat(),
    deliveredSeq: fc.constant(sequenceId(5)),
    intervals: fc.array(fc.record({ joined: seq, from: seq, to: fc.option(seq.filter((to) => to > 0)) }), {
      maxLength: 3,
    }),
    mutedUntilMs: fc.constantFrom(0, 1_000),
    goneBefore: fc.constantFrom(0, 7),
  });
  const meta = fc.record({
    kind: fc.constantFrom('direct', 'group'),
    title: fc.constantFrom('', 'tea'),
    joinPolicy: fc.constantFrom('invite', 'open'),
    historyPolicy: fc.constantFrom('all', 'join'),
    createdBy: fc.constant('ann' as UserId),
    createdAt: fc.nat(),
    muted: fc.boolean(),
    slowModeMs: fc.constantFrom(0, 5_000),
    mentionAllBy: fc.constantFrom('admins', 'members'),
    pinBy: fc.constantFrom('admins', 'members'),
  });

  it('gives back each member as it was', () => {
    fc.assert(
      fc.property(member, fc.boolean(), (one, isTerse) => {
        expect(decodeMember(encodeMember(one, isTerse))).toEqual(one);
      }),
    );
  });

  it('gives back the settings as they were', () => {
    fc.assert(
      fc.property(meta, fc.boolean(), (one, isTerse) => {
        expect(decodeMeta(encodeMeta(one, isTerse))).toEqual(one);
      }),
    );
  });

  it('that is terse says little of a conversation of two', () => {
    const joined = sequenceId(1);
    const usual = { role: 'member', readMsgNo: 0, sentAtRead: 0, mutedUntilMs: 0, goneBefore: 0 } as const;
    const positions = { readSeq: joined, deliveredSeq: joined, intervals: [{ joined, from: joined, to: null }] };
    expect(encodeMember({ ...usual, ...positions }, true)).toBe('[0,1,0,0,1,1]');
    // What a version reads that knows of no terse records.
    expect(encodeMember({ ...usual, ...positions }, false)).toBe('["member",1,0,0,1,[1,1,0]]');
    const settings = { kind: 'direct', title: '', joinPolicy: 'invite', historyPolicy: 'all' } as const;
    const made = { createdBy: 'ann' as UserId, createdAt: 5 };
    const all = { ...settings, ...made, ...unsaid } as Parameters<typeof encodeMeta>[0];
    expect(encodeMeta(all, true)).toBe('{"v":2,"createdBy":"ann","createdAt":5}');
    expect(JSON.parse(encodeMeta(all, false))).toEqual({ v: 1, ...settings, ...made });
  });

  it('is none that this program knows if a role in it is newer', () => {
    expect(() => decodeMember('[3,1,0,0,1,1]')).toThrow(/the role 3 of a member is newer/);
  });
});
