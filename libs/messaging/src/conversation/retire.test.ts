import { generation, sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { generationOf, keptFrom } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { retiredOf, type ReadEntry } from '../archive/retention-plan.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { headFor } from './queries.ts';
import type { Retired } from './retire.ts';

const USERS = ['a', 'b', 'c'];

/** What is stored of its entries. */
const entriesOf = (room: AConversation): readonly ReadEntry[] =>
  room.stored.entries.map((data, index) => ({
    ...{ gen: room.state.gen, seq: sequenceId(index + 1) },
    ...decodeEntry(data),
  }));

/** The entries from the first that is kept up to `to`, as retention reads them. */
function retiredTo(room: AConversation, to: number): Retired {
  const first = keptFrom(room.state.head.value);
  const entries = entriesOf(room).filter(({ seq }) => seq >= first && seq <= to);
  const retired = retiredOf(entries, room.beside.fields);
  if (retired === null) throw new Error('there is nothing to retire');
  return retired;
}

const retire = (room: AConversation, to: number) => room.do({ t: 'retire', retired: retiredTo(room, to) });

/** Moves a read position, counted in what is stored. */
function read(room: AConversation, user: string, upTo: number): void {
  const entries = entriesOf(room);
  const entry = entries[upTo - 1];
  const own = entries.filter(({ seq, countable, from }) => seq <= upTo && countable && from === user).length;
  const seq = sequenceId(upTo);
  room.do({ t: 'markRead', user: user as UserId, seq, msgNo: entry?.msgNo ?? 0, sentAtRead: own });
}

function recall(room: AConversation, user: string, seq: number): void {
  const facts = room.factsOf(seq, user);
  if (facts !== null) room.do(room.changeOf(user, { op: 'recall' }, facts));
}

/** What is unread by what the conversation says, and by what is there. */
function unread(room: AConversation, user: string): { readonly told: number; readonly there: number } {
  const head = headFor(room.state, { user: user as UserId });
  if (head === null) throw new Error(`${user} is no member`);
  const { reading, msgNo, sent, gone } = head;
  const goneCount = (gone?.before ?? 0) + (gone?.seqs.length ?? 0);
  const recalled = (seq: SequenceId): boolean => (room.factsOf(seq, null)?.revision?.recalled ?? null) !== null;
  const there = entriesOf(room).filter(
    ({ seq, countable, from }) =>
      countable &&
      from !== user &&
      seq > reading.readSeq &&
      generationOf(room.state.head.value, seq) !== null &&
      !recalled(seq),
  );
  return { told: msgNo - reading.readMsgNo - (sent - reading.sentAtRead) - goneCount, there: there.length };
}

describe('entries that are older than is kept', () => {
  it('leave the Timeline with one commit, which moves where it begins and nothing else (I3, I8)', () => {
    const room = new AConversation().created(USERS);
    for (let count = 0; count < 6; count += 1) room.do(room.sendOf('a'));
    const { head } = room.state;
    const before = head.value;
    room.handle({ t: 'retire', retired: retiredTo(room, 4) });
    const write = room.actor.pendingWrite();
    expect(write?.trimBefore).toEqual({ gen: 1, seq: 5 });
    expect(write?.entries).toEqual([]);
    expect(write?.head).toEqual({ ...before, first: 5 });
    room.store();
    expect(keptFrom(room.reloaded().head.value)).toBe(5);
    expect(room.reloaded().retiredMsgNo.value).toBe(3);
    const next = room.do(room.sendOf('a')).reply;
    expect(next).toMatchObject({ ok: true, value: { seq: 8, msgNo: 7 } });
  });

  it('leave what is unread exactly what is there, and tell the devices of those who had not read them, and nobody else', () => {
    const room = new AConversation().created(USERS);
    for (const user of ['a', 'b', 'a', 'c', 'a', 'b']) room.do(room.sendOf(user));
    read(room, 'a', 6);
    const { effects } = retire(room, 5);
    expect(
      effects.map((effect) => (effect.e === 'read' ? `${effect.user} ${String(effect.readSeq)}` : effect.e)),
    ).toEqual(['b 5', 'c 5']);
    for (const user of USERS) {
      const { told, there } = unread(room, user);
      expect(told).toBe(there);
    }
    expect(unread(room, 'c').told).toBe(2);
    // Once more changes nothing.
    const again = room.handle({ t: 'retire', retired: { ...retiredTo(room, 6), from: sequenceId(2) } });
    expect(again.effects).toEqual([]);
    expect(room.actor.pendingWrite()).toBeNull();
  });

  it('move who has left to the last entry that they may see, and what they were told counts up to there', () => {
    const room = new AConversation().created(USERS);
    for (const user of ['a', 'c']) room.do(room.sendOf(user));
    room.do({ t: 'leave', user: 'c' as UserId });
    for (const user of ['a', 'b']) room.do(room.sendOf(user));
    const { effects } = retire(room, 5);
    expect(effects).toContainEqual(expect.objectContaining({ user: 'c', readSeq: 4, readMsgNo: 2, sentAtRead: 1 }));
    expect(room.state.members.get('c' as UserId)).toMatchObject({ readSeq: 4, readMsgNo: 2, deliveredSeq: 4 });
  });

  it('that are not as it is said stay: of another generation, or behind the end', () => {
    const room = new AConversation().created(USERS);
    room.do(room.sendOf('a'));
    const retired = retiredTo(room, 2);
    for (const wrong of [
      { ...retired, to: { gen: generation(2), seq: sequenceId(2) } },
      { ...retired, to: { gen: generation(1), seq: sequenceId(9) } },
      { ...retired, to: { gen: generation(1), seq: sequenceId(0) } },
    ]) {
      expect(room.do({ t: 'retire', retired: wrong }).reply).toMatchObject({ ok: true });
      expect(keptFrom(room.state.head.value)).toBe(1);
    }
  });

  it('of many members who have not read them take several commits, and leave with the last one (I9)', () => {
    const others = Array.from({ length: 1_100 }, (_, index) => `u${String(index)}`);
    const room = new AConversation('g', { readAbove: 10, writeBelow: 5 }).created(['a', ...others]);
    room.do(room.sendOf('a'));
    const retired = retiredTo(room, room.state.head.value.seq);
    const moved = [];
    for (let round = 0; round < 3; round += 1) {
      expect(keptFrom(room.state.head.value)).toBe(1);
      moved.push(room.do({ t: 'retire', retired }).effects.length);
    }
    // The one who wrote has not read it either.
    expect(moved).toEqual([500, 500, 101]);
    expect(keptFrom(room.state.head.value)).toBe(retired.to.seq + 1);
    expect(unread(room, 'u7')).toEqual({ told: 0, there: 0 });
  });

  it('take what was changed of them along, and nothing else that is stored beside the conversation', () => {
    const room = new AConversation().created(USERS);
    for (let count = 0; count < 4; count += 1) room.do(room.sendOf('a'));
    for (const seq of [2, 4]) {
      const facts = room.factsOf(seq, 'b');
      if (facts === null) throw new Error('no such message');
      room.do(room.changeOf('b', { op: 'react', emoji: '👍', isOn: true }, facts));
      room.do({ t: 'deleteFor', user: 'c' as UserId, facts });
    }
    expect([...room.beside.fields.keys()].filter((field) => field.startsWith('2'))).toEqual(['2', '2!b', '2:c']);
    retire(room, 3);
    expect([...room.beside.fields.keys()].sort()).toEqual(['4', '4!b', '4:c', 'x']);
  });

  it('leave every unread count right, whatever was sent, read and recalled before and since', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), user: fc.constantFrom(...USERS) }) },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('read' as const), user: fc.constantFrom(...USERS), at: fc.nat(40) }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ do: fc.constant('recall' as const), user: fc.constantFrom(...USERS), at: fc.nat(40) }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant('retire' as const), user: fc.constant(''), at: fc.nat(40) }),
      },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        // Few are listed as recalled, so that most are counted into the members.
        const room = new AConversation('g', { recalledListed: 2 }).created(USERS);
        for (const one of steps) {
          const { seq: end } = room.state.head.value;
          const first = keptFrom(room.state.head.value);
          if (one.do === 'send') room.do(room.sendOf(one.user));
          else {
            const seq = first + (one.at % Math.max(1, end - first + 1));
            if (seq > end) continue;
            if (one.do === 'retire') retire(room, seq);
            else if (one.do === 'recall') recall(room, one.user, seq);
            // Who reads on below what is listed has it counted by the node that asks: see mark-read.ts.
            else if (seq + 1 >= room.state.recalled.value.from || seq === end) read(room, one.user, seq);
          }
          for (const user of USERS) {
            const { told, there } = unread(room, user);
            expect(told).toBe(there);
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});
