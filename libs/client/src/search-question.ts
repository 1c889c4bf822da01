import type { QuestionOf } from './connection/requests.ts';
import type { SearchOptions } from './api.ts';

const listOf = <T>(value: T | readonly T[]): readonly T[] =>
  Array.isArray(value) ? (value as readonly T[]) : [value as T];
const msOf = (time: number | Date): number => (typeof time === 'number' ? time : time.getTime());

/** The question of the protocol that these options ask. */
export function searchQuestion({ sender, type, from, to, mentions, ...same }: SearchOptions): QuestionOf<'search'> {
  return {
    t: 'search',
    ...same,
    ...(sender === undefined ? {} : { senders: listOf(sender) }),
    ...(type === undefined ? {} : { types: listOf(type) }),
    ...(from === undefined ? {} : { since: msOf(from) }),
    ...(to === undefined ? {} : { until: msOf(to) }),
    ...(mentions === undefined ? {} : { mentioning: mentions }),
  };
}
