import { sequenceId, type UserId } from '@millrace/kernel';
import type { Message, Push, PushItem } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ann, APhone, at, control, message, push, synced, town } from '../testing/a-phone.ts';
import { summaryOf } from './conversation-state.ts';

/** Entries 1 to 3 are there already. */
const FIRST = 4;
const ben = 'ben' as UserId;

interface Change {
  readonly op: 'edit' | 'react' | 'recall';
  /** Of the messages. */
  readonly of: number;
}

const changes: fc.Arbitrary<readonly Change[]> = fc.array(
  fc.record({
    op: fc.constantFrom('edit' as const, 'edit' as const, 'react' as const, 'recall' as const),
    of: fc.nat(2),
  }),
  { maxLength: 8 },
);

/** Three messages, and the entries of the changes behind them; what is recalled is not changed any more. */
class AHistory {
  readonly messages = [0, 1, 2].map((index) => message(FIRST + index, { mentions: [ann] }));
  readonly entries: Message[] = [];
  readonly #made: (Change & { readonly rev: number })[] = [];

  constructor(changes: readonly Change[]) {
    for (const change of changes) {
      if (this.#made.some(({ op, of }) => op === 'recall' && of === change.of)) continue;
      const rev = FIRST + this.messages.length + this.entries.length;
      const seq = FIRST + change.of;
      const edited = { control: 'edited', seq, body: `as of ${String(rev)}` };
      const body = {
        edit: edited,
        react: { control: 'reacted', seq, emoji: String(rev), on: true },
        recall: { control: 'recalled', seq, author: ben },
      }[change.op];
      this.entries.push({ ...control(rev, body), msgNo: FIRST + 2, from: ben });
      this.#made.push({ ...change, rev });
    }
  }

  /** A message as a server shows it once the entries up to `rev` are there. */
  shown(of: number, upTo: number): Message {
    const made = this.#made.filter((each) => each.of === of && each.rev <= upTo);
    const last = made.at(-1);
    const [original = message(0)] = this.messages.slice(of);
    if (last === undefined) return original;
    const rev = sequenceId(last.rev);
    const { mentions: _mentions, ...rest } = original;
    if (last.op === 'recall') return { ...rest, body: '', rev, recalled: { by: ben, at: last.rev } };
    const edit = made.findLast(({ op }) => op === 'edit')?.rev;
    const edited = edit === undefined ? {} : { body: `as of ${String(edit)}`, editedAt: edit };
    const reacted = made.filter(({ op }) => op === 'react');
    const reactions = reacted.map((each) => ({ emoji: String(each.rev), count: 1, users: [ben] }));
    return { ...original, ...edited, rev, ...(reactions.length === 0 ? {} : { reactions }) };
  }

  /** An entry as a server shows it then: what another one has overtaken is left out. */
  entryShown(index: number, upTo: number): Message {
    const [entry = message(0)] = this.entries.slice(index);
    const made = this.#made[index];
    const isOvertaken = this.#made.some(
      ({ op, of, rev }) => op !== 'react' && of === made?.of && rev > entry.seq && rev <= upTo,
    );
    if (made?.op !== 'edit' || !isOvertaken) return entry;
    return { ...entry, body: JSON.stringify({ control: 'edited', seq: FIRST + made.of }) };
  }

  get recalled(): readonly number[] {
    return this.#made
      .filter(({ op }) => op === 'recall')
      .map(({ of }) => FIRST + of)
      .sort((a, b) => a - b);
  }
}

const tailOf = (phone: APhone): readonly Message[] => phone.device.state.conversations.get(town)?.tail ?? [];
const syncedAt = (inbox: number) =>
  ({ on: 'synced', synced: { ...synced(inbox, [], 'read'), conversations: [] } }) as const;
const pushOf = (prev: number, item: PushItem): Push => ({ ...push(prev, prev + 1), items: [item] });

describe('messages that are changed', () => {
  it('come to the same on a device, whenever it hears of them and of what changed them', () => {
    fc.assert(
      fc.property(changes, fc.array(fc.nat(12), { minLength: 3, maxLength: 3 }), fc.nat(12), (made, seen, read) => {
        const history = new AHistory(made);
        const end = FIRST + 2 + history.entries.length;
        const messages = history.messages.map((_, of) => history.shown(of, FIRST + (seen[of] ?? 0)));
        const entries = history.entries.map((_, index) => history.entryShown(index, FIRST + read));
        const phone = new APhone();
        // Some at once, the rest one by one.
        const all = [...messages, ...entries];
        phone.step({
          on: 'live',
          live: { t: 'live', conversation: town, ...at(FIRST + 2), prev: sequenceId(3), messages },
        });
        for (const entry of entries) {
          const prev = sequenceId(entry.seq - 1);
          phone.step({
            on: 'live',
            live: { t: 'live', conversation: town, ...at(entry.seq), prev, messages: [entry] },
          });
        }
        const expected = history.messages.map((_, of) => history.shown(of, end));
        const got = tailOf(phone).filter(({ seq }) => seq >= FIRST && seq < FIRST + 3);
        expect(got).toEqual(expected);
        expect(tailOf(phone)).toHaveLength(3 + all.length);
        const state = phone.device.state.conversations.get(town);
        if (state === undefined) throw new Error('town is known');
        const { gone = 0, goneSeqs = [], unread, msgNo, readMsgNo, own, mentions = [] } = summaryOf(state);
        expect([gone, goneSeqs]).toEqual([history.recalled.length, history.recalled]);
        expect(unread).toBe(msgNo - readMsgNo - own - gone);
        expect(mentions).toEqual([FIRST, FIRST + 1, FIRST + 2].filter((seq) => !history.recalled.includes(seq)));
      }),
    );
  });

  it('and then are another one that this user was not told of are read again (I7)', () => {
    const phone = new APhone();
    const doubted = (): readonly number[] => phone.device.state.conversations.get(town)?.doubted ?? [];
    const edited = { ...control(4, { control: 'edited', seq: 2 }), msgNo: 3, from: ben };
    const told = phone.device.step({ on: 'push', push: pushOf(3, { conversation: town, messages: [edited] }) });
    expect(told.filter((effect) => effect.do === 'reread')).toEqual([{ do: 'reread', conversation: town }]);
    expect([doubted(), tailOf(phone).find(({ seq }) => seq === 2)?.body]).toEqual([[2], '2']);
    // What it says once the device is live again, as long as nobody has answered.
    phone.step({ on: 'lost' });
    const again = phone.device.step({ on: 'connected', inbox: at(4) });
    const live = again.some(({ do: what }) => what === 'live') ? again : phone.device.step(syncedAt(4));
    expect(live.filter((effect) => effect.do === 'reread')).toHaveLength(1);
    const { mentions: _mentions, ...rest } = message(2);
    const recalled = { ...rest, body: '', rev: sequenceId(5), recalled: { by: ben, at: 5 } };
    const effects = phone.device.step({ on: 'reread', conversation: town, seq: sequenceId(2), message: recalled });
    expect(effects).toContainEqual({ do: 'revised', conversation: town, seq: 2, message: recalled });
    expect([doubted(), tailOf(phone).find(({ seq }) => seq === 2)?.body]).toEqual([[], '']);
  });

  it('and then by an entry that comes are not read again', () => {
    const phone = new APhone();
    const entries = [
      { ...control(4, { control: 'edited', seq: 2 }), msgNo: 3, from: ben },
      { ...control(5, { control: 'edited', seq: 2, body: 'two' }), msgNo: 3, from: ben },
    ];
    phone.step({ on: 'push', push: pushOf(3, { conversation: town, messages: entries }) });
    const state = phone.device.state.conversations.get(town);
    expect([state?.doubted, tailOf(phone).find(({ seq }) => seq === 2)?.body]).toEqual([[], 'two']);
    const stale = { on: 'reread', conversation: town, seq: sequenceId(2), message: message(2) } as const;
    expect(phone.device.step(stale)).toEqual([]);
  });

  it('whose author is erased have nothing of theirs any more, on a device that holds them, too', () => {
    const phone = new APhone();
    const reactions = [{ emoji: '👍', count: 2, users: [ben, ann] }];
    const edited = { ...control(6, { control: 'edited', seq: 4, body: 'secret' }), from: ben };
    const messages = [
      message(4, { from: ben, mentions: [ann] }),
      message(5, { from: ann, reactions }),
      edited,
      { ...control(7, { control: 'reacted', seq: 5, emoji: '👍', on: true }), from: ben },
      message(8, { from: ben }),
      control(9, { control: 'erased', author: ben, upTo: 7 }),
    ];
    phone.step({
      on: 'live',
      live: { t: 'live', conversation: town, ...at(9), prev: sequenceId(3), messages },
    });
    const [first, second, third, fourth, fifth] = tailOf(phone).filter(({ seq }) => seq > 3);
    expect(first).toMatchObject({ seq: 4, body: '', erased: true, n: 0, deviceTag: 0 });
    expect(first?.mentions).toBeUndefined();
    expect(second?.reactions).toEqual([{ emoji: '👍', count: 2, users: [ann] }]);
    expect(JSON.parse(String(third?.body))).toEqual({ control: 'edited', seq: 4 });
    expect(fourth).toMatchObject({ type: 'void', body: '', erased: true });
    expect(fifth?.erased).toBeUndefined();
  });

  it('that the user has deleted are hidden, do not count, and are told to the application once', () => {
    const phone = new APhone();
    phone.step({ on: 'push', push: pushOf(3, { conversation: town, deleted: { seq: sequenceId(2), counted: true } }) });
    expect(tailOf(phone).find(({ seq }) => seq === 2)).toMatchObject({ body: '', deleted: true });
    const state = phone.device.state.conversations.get(town);
    if (state === undefined) throw new Error('town is known');
    expect(summaryOf(state)).toMatchObject({ gone: 1, goneSeqs: [2] });
    // By sync, as if it were new: it is the same, and comes once more to nobody.
    phone.device.state.inbox = at(3);
    const again = phone.device.step({ on: 'resync' });
    expect(again.some((effect) => effect.do === 'sync')).toBe(true);
    const [delta] = synced(4, [], 'read').conversations;
    if (delta === undefined) throw new Error('there is one');
    const summary = { ...delta.summary, ...at(3), msgNo: 3, gone: 1, goneSeqs: [sequenceId(2)], unread: 2 };
    const effects = phone.device.step({
      on: 'synced',
      synced: { ...synced(4, [], 'read'), conversations: [{ summary, messages: [], deleted: [sequenceId(2)] }] },
    });
    expect(effects.filter((effect) => effect.do === 'revised')).toEqual([]);
    expect(summaryOf(state)).toMatchObject({ gone: 1, goneSeqs: [2], unread: 1 });
  });
});
