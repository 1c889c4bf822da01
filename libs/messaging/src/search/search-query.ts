import { err, ok, type Result } from '@millrace/kernel';
import { frameError, type FrameError, type Search } from '@millrace/protocol';
import { passesFilters, TextQuery, type Place, type SearchFilters } from '@millrace/search';
import type { Searchable } from './searchable.ts';

export type Asked = Omit<Search, 't' | 'id'>;

export const LIMIT_DEFAULT = 20;

const NO_PLACES: readonly Place[] = [];

/** What somebody asks, ready to be held against messages. */
export interface AskedQuery {
  readonly asked: Asked;
  readonly filters: SearchFilters;
  /** Null when it is not asked for words. */
  readonly text: TextQuery | null;
}

/** Takes a question apart; what a person may have typed wrong is an error. */
export function queryOf(asked: Asked): Result<AskedQuery, FrameError> {
  const { senders, types, since, until, mentioning, fields } = asked;
  const text = asked.text === undefined ? ok(null) : TextQuery.of(asked.text, asked.prefix);
  if (!text.ok) return err(frameError('bad_request', `${text.error.message} ${text.error.whatToDo}`));
  const filters: SearchFilters = {
    ...(senders === undefined ? {} : { senders }),
    ...(types === undefined ? {} : { types }),
    ...(since === undefined ? {} : { since }),
    ...(until === undefined ? {} : { until }),
    ...(mentioning === undefined ? {} : { mentioning }),
    ...(fields === undefined ? {} : { fields }),
  };
  return ok({ asked, filters, text: text.value });
}

/** Where the words stand in a message that is asked for; null when it is not. */
export function matchOf({ filters, text }: AskedQuery, message: Searchable): readonly Place[] | null {
  if (!passesFilters(message, filters)) return null;
  return text === null ? NO_PLACES : text.placesIn(message.text);
}
