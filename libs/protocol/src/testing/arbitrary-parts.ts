import fc, { type Arbitrary } from 'fast-check';
import {
  generation,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { requestIdMax } from '../limits.ts';

// What the fields of frames hold.

export const id = fc.integer({ min: 1, max: requestIdMax });
export const count = fc.oneof(fc.integer({ min: 0, max: 200 }), fc.maxSafeNat());
export const positive = fc.oneof(
  fc.integer({ min: 1, max: 200 }),
  fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
);
export const seq: Arbitrary<SequenceId> = count.map(sequenceId);
export const storedSeq: Arbitrary<SequenceId> = positive.map(sequenceId);
export const gen: Arbitrary<Generation> = count.map(generation);
export const name = fc.stringMatching(/^[A-Za-z0-9._~@:%+=-]{1,64}$/);
export const user = name as Arbitrary<UserId>;
export const device = name as Arbitrary<DeviceId>;
export const conversation = fc.oneof(
  name,
  fc.tuple(name, name).map(([one, other]) => `${one}!${other}`),
) as Arbitrary<ConversationId>;
export const text = (maxLength: number): Arbitrary<string> => fc.string({ unit: 'binary', maxLength });
export const body = fc.oneof(
  text(100),
  fc.constantFrom('', '\uFEFFa text may begin with U+FEFF', '你好，世界', '👩‍👩‍👧‍👦', '\u0000\u2028"\\'),
  fc.uint8Array({ maxLength: 100 }),
);
export const position = fc.record({ gen, seq });
export const token = text(60);

/** Fields that are there or absent, never undefined. */
export const partly = <T extends object>(fields: { [Name in keyof T]: Arbitrary<T[Name]> }): Arbitrary<Partial<T>> =>
  fc.record(fields, { requiredKeys: [] }) as Arbitrary<Partial<T>>;

export const withPartly = <Base extends object, More extends object>(
  base: Arbitrary<Base>,
  more: { [Name in keyof More]: Arbitrary<More[Name]> },
): Arbitrary<Base & Partial<More>> => fc.tuple(base, partly(more)).map(([left, right]) => ({ ...left, ...right }));

export const limit = (max: number): Arbitrary<number> => fc.integer({ min: 1, max });
export const someUsers = fc.array(user, { minLength: 1, maxLength: 10 });
export const c = <const T extends string>(t: T): Arbitrary<T> => fc.constant(t);
