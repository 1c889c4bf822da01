import { directConversationId, type ConversationId, type UserId } from '@millrace/kernel';
import { partitionOf } from '@millrace/partition';
import { conversationKey, userKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { birthKey } from './birth-actor.ts';
import { partitionOfActor } from './partition-of-actor.ts';

const atHome = { partitionCount: 64, storeFormat: 2 } as const;
const apart = { partitionCount: 64, storeFormat: 1 } as const;
const name = fc.stringMatching(/^[A-Za-z0-9._~@:%+=-]{1,64}$/);

describe('the partition of an actor', () => {
  it('of a conversation of two is that of one of the two, when pairs are at home', () => {
    fc.assert(
      fc.property(name as fc.Arbitrary<UserId>, name as fc.Arbitrary<UserId>, (one, other) => {
        const conversation = conversationKey(directConversationId(one, other));
        const homes = [one, other].map((user) => partitionOfActor(userKey(user), atHome));
        expect(homes).toContain(partitionOfActor(conversation, atHome));
        expect(partitionOfActor(conversation, apart)).toBe(partitionOf(conversation, 64));
      }),
    );
  });

  it('is for all others that of their name', () => {
    fc.assert(
      fc.property(name, (id) => {
        for (const key of [conversationKey(id as ConversationId), userKey(id as UserId)]) {
          expect(partitionOfActor(key, atHome)).toBe(partitionOf(key, 64));
          expect(partitionOfActor(key, apart)).toBe(partitionOf(key, 64));
        }
      }),
    );
    expect(partitionOfActor(birthKey, atHome)).toBe(0);
    expect(partitionOfActor('p:17' as never, atHome)).toBe(17);
  });

  it('spreads the many conversations of one user: half of them are with the others', () => {
    const hub = 'support' as UserId;
    const home = partitionOfActor(userKey(hub), atHome);
    let withHub = 0;
    for (let index = 0; index < 10_000; index += 1) {
      const conversation = conversationKey(directConversationId(hub, `customer-${String(index)}` as UserId));
      if (partitionOfActor(conversation, atHome) === home) withHub += 1;
    }
    expect(withHub).toBeGreaterThan(4_800);
    expect(withHub).toBeLessThan(5_400);
  });
});
