import { sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import fc from 'fast-check';
import type { Mentions } from '@millrace/protocol';
import type { ConversationCommand } from '../conversation/commands.ts';

export const users = ['a', 'b', 'c', 'd'] as const;
const user = fc.constantFrom(...users).map((name) => name as UserId);
const someUsers = fc.uniqueArray(user, { minLength: 1, maxLength: 3 });
const device = fc.constantFrom('1', '2').map((name) => name as DeviceId);
const seq = fc.nat(60).map(sequenceId);

/** What is sent next: the right counter, most of the time, which only the conversation knows. */
export type Step =
  | { readonly kind: 'command'; readonly command: ConversationCommand }
  | {
      readonly kind: 'send';
      readonly user: UserId;
      readonly device: DeviceId;
      readonly ahead: number;
      readonly skips: boolean;
      readonly mentions: Mentions;
    }
  | {
      readonly kind: 'change';
      readonly user: UserId;
      readonly device: DeviceId;
      readonly op: 'edit' | 'react' | 'reply' | 'recall' | 'delete' | 'recallFor';
      readonly seq: number;
      readonly ahead: number;
    };

const command = (given: fc.Arbitrary<ConversationCommand>): fc.Arbitrary<Step> =>
  given.map((each) => ({ kind: 'command', command: each }));

/** Steps in the life of a group of the four users: all that may be asked of it, by anyone. */
export const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('send' as const),
      user,
      device,
      // 1 is the next one, less is a retry, more is out of order unless it skips.
      ahead: fc.constantFrom(1, 1, 1, 1, 0, -1, -3, 2, 3),
      skips: fc.boolean(),
      mentions: fc.oneof(
        { weight: 3, arbitrary: fc.constant<Mentions>({}) },
        { weight: 1, arbitrary: fc.constant<Mentions>({ mentions: ['a', 'b'] as UserId[] }) },
        { weight: 1, arbitrary: fc.constant<Mentions>({ mentions: ['c'] as UserId[] }) },
        { weight: 1, arbitrary: fc.constant<Mentions>({ mentionAll: true }) },
      ),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('change' as const),
      user,
      device,
      op: fc.constantFrom('edit', 'edit', 'react', 'react', 'reply', 'reply', 'recall', 'delete', 'recallFor'),
      seq: fc.integer({ min: 1, max: 30 }),
      ahead: fc.constantFrom(1, 1, 1, 0, 2),
    }),
  },
  { weight: 2, arbitrary: command(fc.record({ t: fc.constant('join' as const), user })) },
  { weight: 2, arbitrary: command(fc.record({ t: fc.constant('leave' as const), user })) },
  {
    weight: 2,
    arbitrary: command(
      fc.record({
        t: fc.constantFrom('invite' as const, 'kick' as const),
        by: fc.option(user, { nil: null }),
        users: someUsers,
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: command(
      fc.record({
        t: fc.constant('role' as const),
        by: fc.option(user, { nil: null }),
        user,
        role: fc.constantFrom('owner' as const, 'admin' as const, 'member' as const),
      }),
    ),
  },
  {
    weight: 2,
    arbitrary: command(
      fc.record({
        t: fc.constant('publishKeyed' as const),
        from: user,
        key: fc.constantFrom('k1', 'k2', 'k3', 'k4', 'k5', 'k6'),
        window: fc.integer({ min: 1, max: 4 }),
        type: fc.constant('text' as const),
        body: fc.constant('keyed'),
      }),
    ),
  },
  {
    weight: 1,
    arbitrary: command(
      fc.record({
        t: fc.constant('markRead' as const),
        user,
        seq,
        msgNo: fc.nat(20),
        sentAtRead: fc.nat(20),
      }),
    ),
  },
  { weight: 1, arbitrary: command(fc.record({ t: fc.constant('delivered' as const), user, seq })) },
);
