import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Mailbox } from './mailbox.ts';

describe('Mailbox', () => {
  it('gives back in order what it took, and never holds more than its capacity (I9)', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.boolean(), { maxLength: 200 }), (capacity, offers) => {
        const mailbox = new Mailbox<number>(capacity);
        const model: number[] = [];
        offers.forEach((isOffer, item) => {
          if (isOffer) {
            const taken = mailbox.offer(item);
            expect(taken).toBe(model.length < capacity);
            if (taken) model.push(item);
          } else {
            expect(mailbox.take()).toBe(model.shift());
          }
          expect(mailbox.length).toBe(model.length);
        });
      }),
    );
  });

  it('keeps order through thousands that come and go without its running dry', () => {
    const mailbox = new Mailbox<number>(3_000);
    let offered = 0;
    let taken = 0;
    while (offered < 2_500) mailbox.offer(offered++);
    while (taken < 20_000) {
      expect(mailbox.take()).toBe(taken++);
      expect(mailbox.offer(offered++)).toBe(true);
    }
    expect(mailbox.length).toBe(2_500);
  });
});
