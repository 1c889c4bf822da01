import fc, { type Arbitrary } from 'fast-check';
import type { Found, Message, Search, SearchField } from '../frames.ts';
import {
  c,
  conversation,
  count,
  id,
  limit,
  positive,
  seq,
  someUsers,
  storedSeq,
  text,
  token,
  user,
  withPartly,
} from './arbitrary-parts.ts';

const fieldName = fc.stringMatching(/^[A-Za-z0-9_]{1,32}$/);
const fieldNumber = fc.integer({ min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER });
const searchField: Arbitrary<SearchField> = fc.oneof(
  fc.record({ name: fieldName, is: fc.oneof(text(30), fieldNumber, fc.boolean()) }),
  fc.record({ name: fieldName, min: fieldNumber }),
  fc.record({ name: fieldName, max: fieldNumber }),
  fc.record({ name: fieldName, min: fieldNumber, max: fieldNumber }),
);

export const search: Arbitrary<Search> = withPartly(fc.record({ t: c('search'), id }), {
  text: fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
  prefix: fc.boolean(),
  conversations: fc.array(conversation, { minLength: 1, maxLength: 5 }),
  senders: someUsers,
  types: fc.uniqueArray(fc.constantFrom('text', 'image', 'file', 'custom'), { minLength: 1, maxLength: 4 }),
  since: count,
  until: count,
  mentioning: user,
  fields: fc.array(searchField, { minLength: 1, maxLength: 8 }),
  sort: fc.constantFrom('time', 'relevance'),
  limit: limit(100),
  count: fc.boolean(),
  cursor: fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }),
});

/** Rising, as places in a text are. */
const places = fc.array(fc.record({ gap: fc.nat(50), length: fc.nat(9) }), { maxLength: 3 }).map((parts) => {
  let before = 0;
  return parts.map(({ gap, length }) => {
    const start = before + gap;
    before = start + length;
    return { start, end: before };
  });
});

export const foundWith = (message: Arbitrary<Message>): Arbitrary<Found> =>
  withPartly(
    fc.record({
      t: c('found'),
      id,
      hits: fc.array(fc.record({ conversation, message, places }), { maxLength: 3 }),
      next: fc.option(token),
      complete: fc.boolean(),
      unsearched: fc.array(fc.record({ conversation, indexedThrough: seq, searchedFrom: storedSeq }), {
        maxLength: 2,
      }),
    }),
    {
      counts: fc.record({
        total: count,
        exact: fc.boolean(),
        conversations: fc.array(fc.record({ conversation, count: positive }), { maxLength: 3 }),
      }),
    },
  );
