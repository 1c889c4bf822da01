import type { UserId } from '@millrace/kernel';
import { noGone, WireEntry } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { planDiffusion } from '../diffuse/plan.ts';
import type { Appended } from '../effects.ts';
import { AConversation, type Handled } from '../testing/a-conversation.ts';

const crowd = Array.from({ length: 5_000 }, (_, index) => `u${String(index)}`);

const appended = ({ effects }: Handled): readonly Appended[] => effects.filter((effect) => effect.e === 'appended');
const receivers = (handled: Handled): readonly UserId[] => planDiffusion(handled.effects).flatMap(({ users }) => users);

/** Fields that the next commit writes, and entries. */
function written(talk: AConversation): readonly string[] {
  const write = talk.actor.pendingWrite();
  return [...(write?.set ?? []).map(([field]) => field), ...(write?.unset ?? []), String(write?.entries.length)].sort();
}

describe('an entry that was appended', () => {
  it('is told with what its bytes say of it', () => {
    const talk = new AConversation('g').created(['a', 'b']);
    const entries = [talk.do(talk.sendOf('a')), talk.do(talk.sendOf('b')), talk.do({ t: 'leave', user: 'b' as UserId })]
      .flatMap(appended)
      .flatMap((effect) => effect.entries);
    expect(entries).toHaveLength(3);
    for (const { gen, seq, data, brief } of entries) expect(brief).toEqual(new WireEntry(gen, seq, data).brief);
  });
});

describe('a busy conversation', () => {
  const busy = { readAbove: 100, writeBelow: 100, readAboveLoad: 100, writeBelowLoad: 30, loadWindowMs: 10_000 };
  const modes = (handled: Handled): readonly string[] =>
    appended(handled).map(({ mode, behind }) => `${mode} ${behind}`);

  /** Sends until it switches. @returns the messages that it took. */
  function sendsUntilSwitch(talk: AConversation, everyMs: number): number {
    for (let count = 1; count < 1_000; count += 1) {
      talk.nowMs += everyMs - 1;
      const handled = talk.do(talk.sendOf('a'));
      if (appended(handled).length > 1) {
        expect(modes(handled)).toEqual(
          talk.state.segments.value.at(-1)?.to === null ? ['write write', 'write read'] : ['read read', 'write write'],
        );
        return count;
      }
    }
    return Infinity;
  }

  it('goes over to read mode at what inboxes cannot take, stays a while, and comes back by its load', () => {
    const talk = new AConversation('g', busy).created(['a', 'b', 'c', 'd']);
    // 40 deliveries a second: between the bounds, and it stays as it is.
    expect(sendsUntilSwitch(talk, 100)).toBe(Infinity);
    // 400 a second.
    expect(sendsUntilSwitch(talk, 10)).toBeLessThan(300);
    expect(talk.state.readReason.value).toBe('load');
    expect(sendsUntilSwitch(talk, 100)).toBe(Infinity);
    // 4 a second.
    expect(sendsUntilSwitch(talk, 1_000)).toBeLessThan(30);
    expect(talk.state.segments.value.at(-1)?.to).not.toBe(null);
  });

  it('that comes into memory again is not taken for a quiet one', () => {
    const talk = new AConversation('g', busy).created(['a', 'b', 'c', 'd']);
    sendsUntilSwitch(talk, 10);
    talk.become(talk.reloaded());
    expect(appended(talk.do(talk.sendOf('a')))).toHaveLength(1);
    talk.nowMs += 60_000;
    talk.become(talk.reloaded());
    expect(appended(talk.do(talk.sendOf('b')))).toHaveLength(1);
  });

  it('that has grown meanwhile stays, for its size', () => {
    const talk = new AConversation('g', { ...busy, readAbove: 4, writeBelow: 3 }).created(['a', 'b', 'c', 'd']);
    sendsUntilSwitch(talk, 10);
    talk.do({ t: 'join', user: 'e' as UserId });
    expect(talk.state.readReason.value).toBe('size');
    expect(sendsUntilSwitch(talk, 10_000)).toBe(Infinity);
  });
});

describe('a conversation of 5,000 members', () => {
  const talk = (): AConversation => new AConversation('g').created(crowd);

  it('costs a message the same whatever its size: one entry, three fields, and nobody’s inbox', () => {
    const large = talk();
    large.do(large.sendOf('u7'));
    const handled = large.handle(large.sendOf('u7'));
    expect(handled.reply.ok).toBe(true);
    expect(written(large)).toEqual(['1', 'a', 'd:u7/1', 'n']);
    expect(receivers(handled)).toEqual([]);
    expect(appended(handled)).toMatchObject([{ mode: 'read', behind: 'read', recipients: [], undiffused: null }]);
  });

  it('notes a device once, when it first writes', () => {
    const large = talk();
    large.handle(large.sendOf('u7'));
    expect(written(large)).toEqual(['1', 'a', 'd:u7/1', 'n', 'v:u7']);
    large.store();
    large.handle(large.sendOf('u7', 1, '2'));
    expect(written(large)).toEqual(['1', 'a', 'd:u7/2', 'n', 'v:u7']);
  });

  it('tells of a coming or going those alone who come or go', () => {
    const large = talk();
    expect(receivers(large.do({ t: 'join', user: 'new' as UserId }))).toEqual(['new']);
    expect(receivers(large.do({ t: 'leave', user: 'u9' as UserId }))).toEqual(['u9']);
    const users = ['u1', 'u2'] as UserId[];
    const kicked = large.do({ t: 'kick', by: 'u0' as UserId, users });
    expect(receivers(kicked)).toEqual(users);
    expect(appended(kicked)[0]?.undiffused?.of.get('u1' as UserId)).toEqual({
      ...{ after: 2, sent: 0, mentions: [] },
      gone: noGone,
    });
  });

  it('tells everybody of the switch, both ways, and where their inbox is to stand', () => {
    const small = new AConversation('g', { readAbove: 3, writeBelow: 3 }).created(['a', 'b', 'c']);
    const up = small.do({ t: 'join', user: 'd' as UserId });
    expect(appended(up).map(({ mode, behind, recipients }) => [mode, behind, recipients.length])).toEqual([
      ['write', 'write', 4],
      ['write', 'read', 4],
    ]);
    small.do(small.sendOf('a'));
    const joined = small.do({ t: 'join', user: 'e' as UserId });
    expect(appended(joined)).toMatchObject([{ mode: 'read', behind: 'read', recipients: ['e'] }]);
    for (const user of ['b', 'c'] as UserId[]) small.do({ t: 'leave', user });
    const down = appended(small.do({ t: 'leave', user: 'd' as UserId }));
    expect(down.map(({ mode, behind, recipients }) => [mode, behind, recipients])).toEqual([
      ['read', 'read', ['d']],
      ['write', 'write', ['a', 'e']],
    ]);
    // From the up-switch, entry 3, for one; from their own join, entry 5, for the other.
    expect([...(down[1]?.undiffused?.of ?? [])]).toEqual([
      ['a', { after: 3, sent: 1, mentions: [], gone: noGone }],
      ['e', { after: 5, sent: 0, mentions: [], gone: noGone }],
    ]);
    expect(down[1]?.undiffused?.spans).toEqual([{ gen: 1, first: 3, last: 8 }]);
  });

  it('and whoever comes or goes by it is told the position of their own entry, not of the switch behind it (I11)', () => {
    const talk = new AConversation('g', { readAbove: 3, writeBelow: 3 }).created(['a', 'b', 'c']);
    const by = 'a' as UserId;
    const joined = talk.do({ t: 'invite', by, users: ['d' as UserId] });
    expect(joined.reply).toMatchObject({ ok: true, value: { seq: 2 } });
    expect(talk.state.head.value.seq).toBe(3);
    talk.do({ t: 'leave', user: 'd' as UserId });
    const left = talk.do({ t: 'leave', user: 'c' as UserId });
    expect(left.reply).toMatchObject({ ok: true, value: { seq: 5 } });
    expect(talk.state.head.value.seq).toBe(6);
    // Asked once more, it is the same answer.
    expect(talk.do({ t: 'leave', user: 'c' as UserId }).reply).toEqual(left.reply);
  });
});
