import fc, { type Arbitrary } from 'fast-check';
import { errorRetry, type ErrorCode } from '../errors.ts';
import type { ListScheduled, Schedule, ScheduledList, Unschedule } from '../frames.ts';
import {
  body,
  c,
  conversation,
  count,
  gen,
  id,
  limit,
  someUsers,
  storedSeq,
  text,
  token,
  withPartly,
} from './arbitrary-parts.ts';

const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
const type = fc.constantFrom('text', 'image', 'file', 'custom');
const yes = fc.constant<true>(true);
const toWhom = { mentions: someUsers, mentionAll: yes, replyTo: storedSeq };

export const schedule: Arbitrary<Schedule> = withPartly(
  fc.record({ t: c('schedule'), id, key, conversation, dueAt: count, type, body }),
  toWhom,
);
export const unschedule: Arbitrary<Unschedule> = fc.record({ t: c('unschedule'), id, key });
export const listScheduled: Arbitrary<ListScheduled> = withPartly(fc.record({ t: c('scheduled'), id }), {
  after: token,
  limit: limit(100),
});

const error = fc.record({ code: fc.constantFrom(...(Object.keys(errorRetry) as ErrorCode[])), message: text(30) });
const state = fc.constantFrom('open', 'sending', 'sent', 'failed');

export const scheduled: Arbitrary<ScheduledList> = fc.record({
  t: c('scheduled'),
  id,
  messages: fc.array(
    withPartly(fc.record({ key, conversation, dueAt: count, state, type }), {
      ...toWhom,
      ...{ body, gen, seq: storedSeq, error },
    }),
    { maxLength: 3 },
  ),
  next: fc.option(token),
});
