import { describe, expect, it } from 'vitest';
import type { Message, Summary } from './frames.ts';
import { Store } from './store.ts';

const message = (seq: number, from: string, fields: Partial<Message> = {}): Message => ({
  ...{ gen: 1, seq, msgNo: seq - 1, at: 1, sentAt: 1, type: 'text', n: 1, deviceTag: 1, countable: true, from },
  body: 'hello',
  ...fields,
});
const summary = (seq: number, own: number): Summary => ({
  ...{
    conversation: 'tea',
    kind: 'group',
    title: '',
    peer: null,
    member: true,
    diffusion: 'write' as const,
    gen: 1,
    seq,
    lastAt: 1,
  },
  ...{ msgNo: seq - 1, readSeq: 1, readMsgNo: 0, own, unread: seq - 1 - own },
});

/** A device of ann that holds nothing yet. */
function device(): {
  readonly store: Store;
  readonly take: (message: Message) => void;
  readonly numbers: () => unknown;
} {
  const store = new Store();
  return {
    store,
    take: (taken) => {
      if (store.add('tea', taken)) store.count('tea', taken, 'ann');
    },
    numbers: () => {
      const { msgNo, readSeq, readMsgNo, own, unread } = store.conversation('tea').summary ?? summary(0, 0);
      return { msgNo, readSeq, readMsgNo, own, unread };
    },
  };
}

describe('unread, as docs/protocol.md has a device count it', () => {
  it('an ack that is ahead of a summary still counts, one that the summary holds counts once', () => {
    const { store, take, numbers } = device();
    take(message(3, 'ann'));
    take(message(4, 'ann'));
    store.summarise(summary(3, 1), 'ann');
    expect(numbers()).toEqual({ msgNo: 3, readSeq: 1, readMsgNo: 0, own: 2, unread: 1 });
    take(message(3, 'ann'));
    take(message(4, 'ann'));
    expect(numbers()).toEqual({ msgNo: 3, readSeq: 1, readMsgNo: 0, own: 2, unread: 1 });
  });

  it('a read position that does not know of a message sent just then does not make it unread', () => {
    const { store, take, numbers } = device();
    store.summarise(summary(1, 0), 'ann');
    take(message(2, 'bob'));
    take(message(3, 'ann'));
    store.countRead('tea', { readSeq: 2, readMsgNo: 1, own: 0 }, 'ann');
    expect(numbers()).toEqual({ msgNo: 2, readSeq: 2, readMsgNo: 1, own: 1, unread: 0 });
  });

  it('a device that does not hold what is behind the read position takes the number of the server', () => {
    const { store, numbers } = device();
    store.summarise(summary(9, 2), 'ann');
    store.countRead('tea', { readSeq: 5, readMsgNo: 4, own: 1 }, 'ann');
    expect(numbers()).toEqual({ msgNo: 8, readSeq: 5, readMsgNo: 4, own: 1, unread: 3 });
  });

  it('reading begins with the entry by which the user became a member', () => {
    const { take, numbers } = device();
    const control = { type: 'control', countable: false, n: 0 };
    take(message(7, 'bob', { ...control, msgNo: 6, body: '{"control":"joined","users":["ann"]}' }));
    expect(numbers()).toEqual({ msgNo: 6, readSeq: 7, readMsgNo: 6, own: 0, unread: 0 });
    take(message(8, 'bob', { ...control, msgNo: 6, body: '{"control":"joined","users":["cat"]}' }));
    take(message(9, 'bob', { msgNo: 7 }));
    expect(numbers()).toEqual({ msgNo: 7, readSeq: 7, readMsgNo: 6, own: 0, unread: 1 });
  });

  it('an entry of a higher generation drops what the lower ones held from its seq on', () => {
    const { store, take } = device();
    for (const seq of [1, 2, 3, 4]) take(message(seq, 'bob'));
    take(message(3, 'bob', { gen: 2 }));
    expect(store.messages('tea').map(({ gen, seq }) => `${gen}-${seq}`)).toEqual(['1-1', '1-2', '2-3']);
  });
});
