import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import type { ConversationHead, Live, Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { APhone, at, control, message, push, summary, synced, town } from '../testing/a-phone.ts';
import { summaryOf } from './conversation-state.ts';

const live = (prev: number, ...messages: readonly Message[]): { readonly on: 'live'; readonly live: Live } => ({
  on: 'live',
  live: {
    t: 'live',
    conversation: town,
    gen: messages[0]?.gen ?? generation(1),
    prev: sequenceId(prev),
    seq: sequenceId(prev + messages.length),
    messages,
  },
});

const heads = (
  seq: number,
  isOpen: boolean,
  conversation: ConversationId = town,
  mentionAll: readonly number[] = [],
) => {
  const seqs = mentionAll.map((each) => sequenceId(each));
  const head: ConversationHead = {
    ...{ conversation, ...at(seq), msgNo: seq },
    ...(seqs.length === 0 ? {} : { mentionAll: seqs }),
  };
  return { on: 'heads' as const, heads: [head], isOpen: () => isOpen };
};

const unread = (phone: APhone): number => {
  const state = phone.device.state.conversations.get(town);
  if (state === undefined) throw new Error('town is known');
  return summaryOf(state).unread;
};

describe('what comes live of a conversation', () => {
  it('is delivered once and in order, whatever is repeated or overlaps', () => {
    const phone = new APhone();
    phone.step(live(3, message(4), message(5)));
    phone.step(live(3, message(4), message(5)));
    phone.step(live(4, message(5), message(6)));
    expect([phone.delivered, phone.syncs]).toEqual([[1, 2, 3, 4, 5, 6], []]);
  });

  it('waits behind a gap for what is paged, and is never delivered over it', () => {
    const phone = new APhone();
    phone.step(live(5, message(6), message(7)));
    expect(phone.delivered).toEqual([1, 2, 3]);
    phone.step({ on: 'page', conversation: town, messages: [message(4), message(5)], completeTo: sequenceId(5) });
    expect(phone.delivered).toEqual([1, 2, 3, 4, 5, 6, 7]);
    phone.step(live(7, message(8)));
    expect(phone.delivered.at(-1)).toBe(8);
  });

  it('is joined by what a sync brings that was under way meanwhile', () => {
    const phone = new APhone();
    phone.step({ on: 'resync' });
    phone.step(live(3, message(4)));
    phone.step(live(5, message(6)));
    phone.step({ on: 'synced', synced: synced(3, [message(4), message(5), message(6)], 'read') });
    phone.step(live(6, message(7)));
    expect(phone.delivered).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it('is pulled in another generation, and left alone of conversations that are not known to be pulled', () => {
    const phone = new APhone();
    phone.step(live(3, message(4, { gen: generation(2) })));
    expect([phone.delivered, phone.syncs.length]).toEqual([[1, 2, 3], 1]);
    phone.step({ on: 'synced', synced: synced(3, [], 'read') });
    phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'diffusion', mode: 'write' })) });
    phone.step(live(4, message(5)));
    expect(phone.delivered).toEqual([1, 2, 3, 4]);
  });
});

describe('word of where a conversation stands', () => {
  it('shows what is unread, and pulls it only when it is open', () => {
    const phone = new APhone();
    const before = unread(phone);
    phone.step(heads(10, false));
    expect([unread(phone), phone.syncs.length]).toEqual([before + 7, 0]);
    phone.step(heads(8, true));
    expect([unread(phone), phone.syncs.length]).toEqual([before + 7, 1]);
    const missing = [4, 5, 6, 7, 8, 9, 10].map((seq) => message(seq));
    phone.step({ on: 'synced', synced: synced(3, missing, 'read') });
    phone.step(heads(10, true));
    expect([phone.delivered.at(-1), phone.syncs.length]).toEqual([10, 1]);
    phone.step(heads(9, true, 'elsewhere' as ConversationId));
    expect(phone.syncs).toHaveLength(1);
  });

  it('finds the last message, lost on its way with nothing behind it, when it is all that comes', () => {
    const phone = new APhone();
    phone.step(live(3, message(4)));
    // `live` of entry 5 does not come.
    phone.step(heads(5, true));
    expect(phone.syncs).toHaveLength(1);
    phone.step({ on: 'synced', synced: synced(3, [message(5)], 'read') });
    phone.step(heads(5, true));
    expect([phone.delivered, phone.syncs.length]).toEqual([[1, 2, 3, 4, 5], 1]);
  });

  it('of one that is not known to be pulled has it looked for in the list, and pulled', () => {
    const phone = new APhone();
    phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'kicked', users: ['ann'] })) });
    phone.step(heads(4, true));
    expect([phone.described, phone.syncs.length]).toEqual([[], 0]);
    // They were let in again, and the push that says so is still on its way.
    phone.step(heads(9, true));
    expect([phone.described, phone.syncs.length]).toEqual([[town], 0]);
    phone.step({ on: 'described', summaries: [summary(9, 'read')] });
    expect(phone.syncs).toHaveLength(1);
    phone.step(heads(9, true, 'elsewhere' as ConversationId));
    expect(phone.described).toEqual([town]);
  });

  it('says at once which messages mention all, each once, and only those that are not read', () => {
    const phone = new APhone();
    const mentioned = (): readonly number[] => phone.device.state.conversations.get(town)?.mentions ?? [];
    phone.step(heads(10, false, town, [2, 6, 9]));
    expect([mentioned(), phone.hints, phone.syncs]).toEqual([[2, 6, 9], [2, 6, 9], []]);
    // Told again, as heads are; and then the messages themselves come.
    phone.step(heads(11, false, town, [6, 9]));
    phone.step({ on: 'resync' });
    const missing = [4, 5, 6, 7, 8, 9, 10, 11].map((seq) => message(seq, seq === 6 ? { mentionAll: true } : {}));
    phone.step({ on: 'synced', synced: synced(3, missing, 'read') });
    expect(phone.hints).toEqual([2, 6, 9]);
    const done = { conversation: town, readSeq: sequenceId(9), readMsgNo: 9, own: 0, msgNo: 11, unread: 2 };
    phone.step({ on: 'readDone', done });
    phone.step(heads(12, false, town, [6, 9, 12]));
    expect([mentioned(), phone.hints]).toEqual([[12], [2, 6, 9, 12]]);
  });

  it('of a generation that ended tells nothing of who is mentioned', () => {
    const phone = new APhone();
    phone.step(live(3, message(4, { gen: generation(2) })));
    phone.step({ on: 'synced', synced: synced(3, [message(4, { gen: generation(2) })], 'read') });
    phone.step(heads(9, false, town, [8]));
    expect([phone.device.state.conversations.get(town)?.mentions, phone.hints]).toEqual([[], []]);
  });

  it('amid a sync has another one behind it, for that may end before', () => {
    const phone = new APhone();
    phone.step({ on: 'resync' });
    phone.step(heads(5, true));
    phone.step({ on: 'synced', synced: synced(3, [message(4)], 'read') });
    expect(phone.syncs).toHaveLength(2);
  });
});
