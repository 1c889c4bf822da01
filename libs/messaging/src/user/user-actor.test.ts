import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mergeDeliveries } from '../diffuse/plan.ts';
import { AUser, DAY_MS, me, messageOf } from '../testing/a-user.ts';
import { tellUser } from '../testing/stored-record.ts';
import type { Delivery, ListCursor } from './commands.ts';
import { listConversations, summaries } from './conversation-list.ts';

const conversations = ['x', 'y', 'z'] as const;

interface Planned {
  readonly conversation: string;
  readonly seq: number;
  readonly from: string;
  readonly countable: boolean;
  readonly msgNo: number;
  readonly delivery: Delivery;
}

/** What happens in three conversations, in the order in which it is committed there. */
const happenings: fc.Arbitrary<readonly Planned[]> = fc
  .array(fc.tuple(fc.constantFrom(...conversations), fc.constantFrom('me', 'you'), fc.boolean()), { maxLength: 40 })
  .map((list) => {
    const at = new Map<string, { seq: number; msgNo: number }>();
    return list.map(([conversation, from, countable]) => {
      const before = at.get(conversation) ?? { seq: 0, msgNo: 0 };
      const isCountable = countable && before.seq > 0;
      const next = { seq: before.seq + 1, msgNo: before.msgNo + (isCountable ? 1 : 0) };
      at.set(conversation, next);
      const delivery = messageOf(conversation, next.seq, next.msgNo, from, isCountable);
      return { conversation, from, countable: isCountable, ...next, delivery };
    });
  });

/** Cut into batches, with earlier deliveries repeated in between and conversations out of order among each other. */
const batches = fc.tuple(happenings, fc.array(fc.nat(7), { minLength: 1, maxLength: 20 }), fc.infiniteStream(fc.nat()));

function* deliveriesOf([all, sizes, chance]: readonly [readonly Planned[], readonly number[], Iterator<number>]) {
  let done = 0;
  for (let turn = 0; done < all.length; turn += 1) {
    const size = 1 + (sizes[turn % sizes.length] ?? 0);
    const back = Math.min(done, Number(chance.next().value) % 6);
    const slice = all.slice(done - back, done + size);
    // Another order of the conversations among each other; within each the order stays.
    const shift = Number(chance.next().value) % conversations.length;
    const order = [...conversations.slice(shift), ...conversations.slice(0, shift)];
    const items = order.flatMap((name) => slice.filter(({ conversation }) => conversation === name));
    done += size;
    yield mergeDeliveries(items.map(({ delivery }) => delivery));
  }
}

describe('an inbox', () => {
  it('takes each entry once and in order, whatever is repeated, merged or mixed (I6, U1)', () => {
    fc.assert(
      fc.property(batches, (given) => {
        const user = new AUser();
        for (const items of deliveriesOf(given)) {
          user.deliver(items);
          user.store();
        }
        const seen = new Map<number, number[]>();
        for (const entry of user.inbox) {
          if (entry.kind !== 'messages') continue;
          const seqs = seen.get(entry.slot) ?? [];
          for (let seq: number = entry.from; seq <= entry.to; seq += 1) seqs.push(seq);
          seen.set(entry.slot, seqs);
        }
        for (const [slot, seqs] of seen) {
          const expected = given[0].filter(({ conversation }) => conversation === user.state.conversationAt(slot));
          expect(seqs).toEqual(expected.map(({ seq }) => seq));
        }
        expect([...seen.values()].flat()).toHaveLength(given[0].length);
      }),
    );
  });

  it('numbers its entries densely, and pushes say which (I3, U2, U3)', () => {
    fc.assert(
      fc.property(batches, (given) => {
        const user = new AUser();
        let next = 1;
        for (const items of deliveriesOf(given)) {
          for (const effect of user.deliver(items)) {
            if (effect.e !== 'inbox') continue;
            expect(effect.push).toMatchObject({ gen: 1, from: next });
            expect(effect.push.to - effect.push.from + 1).toBe(effect.push.items.length);
            next = effect.push.to + 1;
          }
          user.store();
        }
        expect(user.stored.entries).toHaveLength(next - 1);
        expect(user.state.head.value.seq).toBe(next - 1);
      }),
    );
  });

  it('counts as unread what others sent after the read position (a brute-force recount)', () => {
    const reads = fc.array(fc.tuple(fc.nat(39), fc.constantFrom(...conversations)), { maxLength: 6 });
    fc.assert(
      fc.property(happenings, reads, (all, positions) => {
        const user = new AUser();
        const readSeq = new Map<string, number>();
        const unreadOf = (name: string, happened: readonly Planned[]): number =>
          happened.filter(
            ({ conversation, seq, countable, from }) =>
              conversation === name && countable && from !== 'me' && seq > (readSeq.get(name) ?? 1),
          ).length;
        all.forEach(({ delivery }, index) => {
          const happened = all.slice(0, index + 1);
          user.deliver([delivery]);
          for (const [at, name] of positions) {
            const read = happened.filter(({ conversation }) => conversation === name).at(-1);
            if (at !== index || read === undefined) continue;
            readSeq.set(name, Math.max(readSeq.get(name) ?? 1, read.seq));
            const sentAtRead = happened.filter(
              ({ conversation, from, countable }) => conversation === name && from === 'me' && countable,
            ).length;
            const conversation = name as ConversationId;
            const gen = generation(1);
            user.deliver([
              {
                d: 'read',
                conversation,
                gen,
                readSeq: sequenceId(read.seq),
                readMsgNo: read.msgNo,
                sentAtRead,
                sent: null,
              },
            ]);
          }
          user.store();
          for (const { conversation, unread } of listConversations(user.state, null, 10).conversations) {
            expect(unread).toBe(unreadOf(conversation, happened));
          }
        });
      }),
    );
  });

  it('is the same when it is loaded from its record, and after a refused commit (I2)', () => {
    fc.assert(
      fc.property(batches, (given) => {
        const user = new AUser({ inboxEntriesMax: 8 });
        for (const items of deliveriesOf(given)) {
          user.nowMs += DAY_MS / 3;
          const told = tellUser(user.state);
          user.deliver(items);
          user.actor.restore();
          expect(tellUser(user.state)).toEqual(told);
          user.deliver(items);
          user.store();
          expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
        }
      }),
    );
  });

  it('keeps at least its bound of entries and not much more, and trims what it says (I9)', () => {
    const user = new AUser({ inboxEntriesMax: 20 });
    for (let seq = 1; seq <= 200; seq += 1) {
      user.deliver([messageOf('x', seq, seq - 1, 'you', seq > 1)]);
      const write = user.actor.pendingWrite();
      const { oldest } = user.state.inbox.value;
      const kept = seq - oldest + 1;
      expect(kept).toBeLessThanOrEqual(22);
      expect(kept).toBeGreaterThanOrEqual(Math.min(seq, 20));
      if (write?.trimBefore !== null) expect(write?.trimBefore).toEqual({ gen: 1, seq: oldest });
      user.store();
    }
    expect(user.state.inbox.value.oldest).toBeGreaterThan(170);
  });

  it('forgets what is older than its age, a day at a time (I9)', () => {
    const user = new AUser({ inboxAgeMsMax: 2 * DAY_MS });
    for (let seq = 1; seq <= 40; seq += 1) {
      user.deliver([messageOf('x', seq, seq - 1, 'you', seq > 1)]);
      user.store();
      // Four entries a day; what is younger than two days is kept, and of the day before that all or nothing.
      const { oldest, days } = user.state.inbox.value;
      expect(oldest).toBeGreaterThanOrEqual(seq - 15);
      expect(oldest).toBeLessThanOrEqual(Math.max(1, seq - 7));
      expect(days.length).toBeLessThanOrEqual(5);
      user.nowMs += DAY_MS / 4;
    }
  });

  it('breaks where a delivery is missing, and is whole behind it (U4)', () => {
    const user = new AUser();
    user.deliver([1, 2].map((seq) => messageOf('x', seq, seq - 1, 'you', seq > 1)));
    user.store();
    const effects = user.deliver([messageOf('x', 4, 3, 'you', true)]);
    expect(effects.map(({ e }) => e)).toEqual(['broken', 'inbox']);
    // One who had everything up to the break is told that it is too far behind.
    expect(user.state.inbox.value.oldest).toBe(4);
    expect(user.state.head.value.seq).toBe(4);
    user.store();
    expect(user.inbox.map(({ kind }) => kind)).toEqual(['messages', 'messages', 'break', 'messages']);
    expect(user.deliver([messageOf('x', 5, 4, 'you', true)]).map(({ e }) => e)).toEqual(['inbox']);
    expect(user.state.inbox.value.oldest).toBe(4);
  });

  it('does not break where its user was out, nor at a repeat, nor where a new generation goes on (U4)', () => {
    const user = new AUser();
    const [one, two, left] = [1, 2, 3].map((seq) => messageOf('x', seq, seq - 1, 'you', seq > 1));
    const back = messageOf('x', 9, 7, 'you', true);
    if (one === undefined || two === undefined || left?.d !== 'messages' || back.d !== 'messages') throw new Error('!');
    user.deliver([one, two]);
    user.deliver([one, two, { ...left, change: 'left' }]);
    user.deliver([{ ...back, change: 'joined' }]);
    const data = back.entries[0]?.data ?? new Uint8Array();
    user.deliver([{ ...back, gen: generation(2), entries: [new WireEntry(generation(2), sequenceId(10), data)] }]);
    user.store();
    expect(user.inbox.map(({ kind }) => kind)).not.toContain('break');
  });

  it('that is broken on demand holds nothing any more, and goes on with the next seq (U2, U4)', () => {
    const user = new AUser();
    user.deliver([messageOf('x', 1, 0, 'you', false)]);
    user.store();
    const { effects } = user.actor.handle({ t: 'break' }, user.nowMs);
    expect(effects).toEqual([{ e: 'broken', user: me }]);
    expect(user.actor.pendingWrite()?.trimBefore).toEqual({ gen: 1, seq: 3 });
    user.store();
    const [push] = user.deliver([messageOf('x', 2, 1, 'you', true)]);
    expect(push).toMatchObject({ e: 'inbox', push: { from: 3, to: 3 } });
    user.store();
    expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
  });

  it('takes entries of a newer generation though their seqs are lower (I6)', () => {
    const user = new AUser();
    const item = messageOf('x', 9, 8, 'you', true);
    user.deliver([messageOf('x', 1, 0, 'you', false), item]);
    user.store();
    if (item.d !== 'messages') throw new Error('a message');
    const data = item.entries[0]?.data ?? new Uint8Array();
    const newer = { ...item, gen: generation(2), entries: [new WireEntry(generation(2), sequenceId(4), data)] };
    // The inbox holds what was lost: devices read the conversation anew.
    expect(user.deliver([newer]).map(({ e }) => e)).toEqual(['broken', 'inbox']);
    expect(user.deliver([newer])).toHaveLength(0);
    expect(user.deliver([item])).toHaveLength(0);
    user.store();
    expect(user.inbox.at(-1)).toMatchObject({ gen: 2, from: 4, to: 4 });
  });
});

describe('the count of a user’s own messages', () => {
  const reading = { readSeq: sequenceId(2), readMsgNo: 1, sentAtRead: 1 };
  const ofNewer = (seq: number, msgNo: number, from: string): Delivery => {
    const item = messageOf('x', seq, msgNo, from, true);
    if (item.d !== 'messages') throw new Error('a message');
    const data = item.entries[0]?.data ?? new Uint8Array();
    return { ...item, gen: generation(2), entries: [new WireEntry(generation(2), sequenceId(seq), data)] };
  };
  const x = 'x' as ConversationId;
  const started = (): AUser => {
    const user = new AUser();
    user.deliver([messageOf('x', 1, 0, 'you', false), messageOf('x', 2, 1, 'me', true)]);
    user.deliver([messageOf('x', 3, 2, 'me', true), messageOf('x', 4, 3, 'me', true)]);
    user.store();
    return user;
  };

  it('is asked of the conversation where the inbox holds what was lost, and then is whole again', () => {
    const user = started();
    // 3 and 4 were lost: another 3 has come in their place, and a 4.
    user.deliver([ofNewer(3, 2, 'you'), ofNewer(4, 3, 'me')]);
    user.store();
    expect(listConversations(user.state, null, 10).uncounted).toEqual([{ conversation: x, from: 2 }]);
    expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
    user.deliver([{ d: 'recount', conversation: x, from: sequenceId(2), sent: 1, reading }]);
    user.store();
    const { conversations: listed, uncounted } = listConversations(user.state, null, 10);
    expect(uncounted).toEqual([]);
    expect(listed[0]).toMatchObject({ readSeq: 2, msgNo: 3, own: 1, unread: 1 });
  });

  it('is asked where a delivery is missing, also of the first one ever', () => {
    const user = started();
    user.deliver([messageOf('x', 7, 6, 'me', true), messageOf('y', 5, 4, 'you', true)]);
    expect(listConversations(user.state, null, 10).uncounted).toEqual([
      { conversation: x, from: 6 },
      { conversation: 'y', from: 4 },
    ]);
  });

  it('is not changed by an answer to an older question, nor by a second one', () => {
    const user = started();
    user.deliver([ofNewer(3, 2, 'me')]);
    user.deliver([{ d: 'recount', conversation: x, from: sequenceId(5), sent: 40, reading }]);
    expect(listConversations(user.state, null, 10).uncounted).toHaveLength(1);
    for (let round = 0; round < 2; round += 1) {
      user.deliver([{ d: 'recount', conversation: x, from: sequenceId(2), sent: 1, reading }]);
      expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({ own: 1, unread: 0 });
    }
  });

  it('does not take a read position back that was moved while the question was out', () => {
    const user = started();
    user.deliver([ofNewer(3, 2, 'you'), ofNewer(4, 3, 'you')]);
    const read = {
      d: 'read',
      conversation: x,
      gen: generation(2),
      readSeq: sequenceId(3),
      readMsgNo: 2,
      sentAtRead: 1,
      sent: null,
    } as const;
    // Nobody is told a number of their own that is not known: the devices ask.
    expect(user.deliver([read]).map(({ e }) => e)).toEqual(['broken']);
    user.deliver([{ d: 'recount', conversation: x, from: sequenceId(2), sent: 1, reading }]);
    expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({ readSeq: 3, own: 0, unread: 1 });
  });

  it('forgets a read position that was lost', () => {
    const user = started();
    user.deliver([
      {
        d: 'read',
        conversation: x,
        gen: generation(1),
        readSeq: sequenceId(4),
        readMsgNo: 3,
        sentAtRead: 3,
        sent: null,
      },
    ]);
    user.deliver([ofNewer(3, 2, 'you')]);
    user.deliver([{ d: 'recount', conversation: x, from: sequenceId(2), sent: 1, reading }]);
    expect(listConversations(user.state, null, 10).conversations[0]).toMatchObject({ readSeq: 2, own: 0, unread: 1 });
  });
});

describe('a user who is not stored yet', () => {
  it('still stands at nothing after a question that was answered in a batch with others’ writes (I2)', () => {
    const user = new AUser();
    user.actor.handle({ t: 'inbox' }, user.nowMs);
    user.store();
    user.deliver([messageOf('x', 1, 0, 'you', false)]);
    user.store();
    expect(user.inbox).toHaveLength(1);
  });

  it('stands where it was stored in the older generation until something is written in the newer (I2)', () => {
    const user = new AUser();
    user.deliver([messageOf('x', 1, 0, 'you', false)]);
    user.store();
    const later = user.reloaded(generation(2));
    later.settle();
    expect(later.storedAt).toMatchObject({ gen: 1, seq: 1 });
  });
});

describe('the place of a conversation in an inbox', () => {
  it('is nothing before a delivery, and then how far the inbox is in it', () => {
    const user = new AUser();
    const ask = () => user.actor.handle({ t: 'place', conversation: 'x' as ConversationId }, user.nowMs);
    expect(ask()).toEqual({
      reply: { ok: true, value: { head: user.state.head.value, oldest: 1, days: [], listed: null } },
      effects: [],
    });
    const item = messageOf('x', 7, 1, 'a', true) as Extract<Delivery, { d: 'messages' }>;
    user.deliver([messageOf('y', 1, 1, 'a', true), { ...item, change: 'joined' }]);
    user.store();
    expect(ask().reply).toMatchObject({
      value: {
        head: { seq: 2 },
        oldest: 1,
        days: [[20 * DAY_MS, 1]],
        listed: { slot: 2, applied: { gen: 1, seq: 7 } },
      },
    });
    expect(user.actor.pendingWrite()).toBe(null);
  });
});

describe('the conversation list', () => {
  it('in pages of any size is the whole list once, the latest active first', () => {
    fc.assert(
      fc.property(happenings, fc.integer({ min: 1, max: 4 }), (all, limit) => {
        const user = new AUser();
        for (const { delivery } of all) user.deliver([delivery]);
        const whole = listConversations(user.state, null, 100);
        expect(whole.next).toBeNull();
        const paged: string[] = [];
        let after: ListCursor | null = null;
        do {
          const page: ReturnType<typeof listConversations> = listConversations(user.state, after, limit);
          paged.push(...page.conversations.map(({ conversation }) => conversation));
          after = page.next;
        } while (after !== null);
        expect(paged).toEqual(whole.conversations.map(({ conversation }) => conversation));
        expect([...paged].sort()).toEqual([...new Set(all.map(({ conversation }) => conversation))].sort());
        const times = whole.conversations.map(({ lastAt }) => lastAt);
        expect(times).toEqual([...times].sort((left, right) => right - left));
      }),
    );
  });

  it('names the other one of a direct conversation, and tells who is out', () => {
    const user = new AUser();
    const direct = messageOf('me!you', 1, 0, 'you', false);
    user.deliver([direct]);
    const left = messageOf('x', 1, 0, 'you', false);
    user.deliver([left]);
    const end = messageOf('x', 2, 0, 'you', false);
    if (end.d !== 'messages') throw new Error('a message');
    user.deliver([{ ...end, change: 'left' }]);
    const { summaries: found } = summaries(user.state, [1, 2, 3]);
    expect(found.get(1)).toMatchObject({ peer: 'you', member: true });
    expect(found.get(2)).toMatchObject({ peer: null, member: false, seq: 2 });
    expect(found.has(3)).toBe(false);
  });
});
