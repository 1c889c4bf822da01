import { generation, sequenceId } from '@millrace/kernel';
import type { ConversationSummary, HintReason, Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ann, APhone, at, control, message, push, summary, synced, town } from '../testing/a-phone.ts';
import { summaryOf } from './conversation-state.ts';

const forAnn = (seq: number, more: Partial<Message> = {}): Message => message(seq, { mentions: [ann], ...more });

const stateOf = (phone: APhone) => {
  const state = phone.device.state.conversations.get(town);
  if (state === undefined) throw new Error('town is known');
  return state;
};

const mentionsOf = (phone: APhone): readonly number[] => stateOf(phone).mentions;

/** The phone goes on in write mode: what comes is pushed. */
function written(): APhone {
  const phone = new APhone();
  phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'diffusion', mode: 'write' })) });
  return phone;
}

const hint = (prev: number, seq: number, why: HintReason, gen = 1) => ({
  on: 'push' as const,
  push: {
    ...push(prev, prev + 1),
    items: [{ conversation: town, hint: { gen: generation(gen), seq: sequenceId(seq), why } }],
  },
});

const read = (readSeq: number) => ({
  on: 'readDone' as const,
  done: { conversation: town, readSeq: sequenceId(readSeq), readMsgNo: readSeq, own: 0, msgNo: 20, unread: 0 },
});

const told = (seq: number, mentions: readonly number[], more: Partial<ConversationSummary> = {}) => ({
  ...summary(seq, 'write'),
  mentions: mentions.map((each) => sequenceId(each)),
  ...more,
});

describe('the messages that mention this user and are not read', () => {
  it('are those that name them, or are for all, but for their own; and come once, however often they are told', () => {
    const phone = written();
    const messages = [
      forAnn(5),
      message(6),
      message(7, { mentionAll: true }),
      forAnn(8, { from: ann }),
      message(9, { mentionAll: true, from: ann }),
      message(10, { mentions: ['cleo' as typeof ann] }),
    ];
    phone.step({ on: 'push', push: push(4, 10, ...messages) });
    phone.step({ on: 'push', push: push(4, 10, ...messages) });
    expect(mentionsOf(phone)).toEqual([5, 7]);
    expect(summaryOf(stateOf(phone)).mentions).toEqual([5, 7]);
    expect(phone.hints).toEqual([]);
  });

  it('leave the list when they are read, here or on another device, and never come back into it', () => {
    const phone = written();
    phone.step({ on: 'push', push: push(4, 7, forAnn(5), forAnn(6), forAnn(7)) });
    phone.step(read(5));
    expect(mentionsOf(phone)).toEqual([6, 7]);
    const other = { readSeq: sequenceId(7), readMsgNo: 7, own: 0 };
    phone.step({ on: 'push', push: { ...push(7, 8), items: [{ conversation: town, read: other }] } });
    expect(mentionsOf(phone)).toEqual([]);
    expect(summaryOf(stateOf(phone))).not.toHaveProperty('mentions');
    phone.step(hint(8, 6, 'mention'));
    expect(mentionsOf(phone)).toEqual([]);
  });

  it('are known by a hint before their message is here, of one that mentions, and of no other', () => {
    const phone = new APhone();
    phone.step(hint(3, 6, 'mention'));
    phone.step(hint(4, 7, 'control'));
    expect([mentionsOf(phone), phone.hints]).toEqual([[6], [6, 7]]);
    phone.step({ on: 'resync' });
    const missing = [message(4), message(5), forAnn(6), message(7)];
    const brought = synced(5, missing, 'read');
    const conversations = [{ summary: told(7, [6], { diffusion: 'read' }), messages: missing }];
    phone.step({ on: 'synced', synced: { ...brought, conversations } });
    expect([mentionsOf(phone), phone.delivered]).toEqual([[6], [1, 2, 3, 4, 5, 6, 7]]);
  });

  it('are what a summary says, and what came behind it; not what one of an older generation says', () => {
    const phone = written();
    phone.step({ on: 'push', push: push(4, 8, forAnn(5), message(6), forAnn(7), forAnn(8)) });
    // The list is of before 7, and knows that 2 mentions her, which this device had forgotten.
    phone.step({ on: 'described', summaries: [told(6, [2, 5])] });
    expect(mentionsOf(phone)).toEqual([2, 5, 7, 8]);
    phone.step({ on: 'described', summaries: [told(9, [3], { gen: generation(0) })] });
    expect(mentionsOf(phone)).toEqual([2, 5, 7, 8]);
    phone.step({ on: 'described', summaries: [told(8, [], { readSeq: sequenceId(8), readMsgNo: 8, unread: 0 })] });
    expect(mentionsOf(phone)).toEqual([]);
  });

  it('end with what was lost, and with a join: what was said before it is not for this user to know', () => {
    const phone = written();
    phone.step({ on: 'push', push: push(4, 8, forAnn(5), forAnn(6), forAnn(7), forAnn(8)) });
    phone.step({ on: 'push', push: push(8, 9, forAnn(7, { gen: generation(2) })) });
    expect(mentionsOf(phone)).toEqual([5, 6, 7]);
    const left = control(8, { control: 'kicked', users: ['ann'] });
    const back = control(12, { control: 'joined', users: ['ann'] });
    const second = { gen: generation(2) };
    phone.step({ on: 'push', push: push(9, 11, { ...left, ...second }, { ...back, ...second }) });
    expect(mentionsOf(phone)).toEqual([]);
  });

  it('are the latest hundred of more', () => {
    const phone = new APhone();
    const messages = Array.from({ length: 130 }, (_, index) => forAnn(4 + index));
    const position = { conversation: town, gen: generation(1), prev: sequenceId(3), seq: sequenceId(133) };
    phone.step({ on: 'live', live: { t: 'live', ...position, messages } });
    expect([mentionsOf(phone).length, mentionsOf(phone)[0], mentionsOf(phone).at(-1)]).toEqual([100, 34, 133]);
    // It is in the list no more: a head that tells of it again is no news.
    const head = { conversation: town, ...at(133), msgNo: 133, mentionAll: [sequenceId(6)] };
    phone.step({ on: 'heads', heads: [head], isOpen: () => false });
    expect(phone.hints).toEqual([]);
  });
});
