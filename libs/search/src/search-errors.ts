import type { PartitionId } from '@millrace/kernel';

/** The index could not be asked, or did not answer in time. What was asked may have happened. */
export interface SearchUnavailable {
  readonly code: 'unavailable';
  readonly retry: 'backoff';
  readonly message: string;
  readonly whatToDo: string;
}

/** The partition's cursor is another one than the batch goes on from. Nothing was changed. */
export interface CursorMoved {
  readonly code: 'cursor_moved';
  readonly retry: 'resume';
  /** Where to go on. */
  readonly cursor: string | null;
  readonly message: string;
  readonly whatToDo: string;
}

/** No version is being built. */
export interface NoRebuild {
  readonly code: 'no_rebuild';
  readonly retry: 'never';
  readonly message: string;
  readonly whatToDo: string;
}

/** A person asked for something that cannot be searched for. */
export interface BadQuery {
  readonly code: 'bad_query';
  readonly retry: 'never';
  readonly message: string;
  readonly whatToDo: string;
}

/** The cursor is of another query, or no cursor at all. */
export interface BadCursor {
  readonly code: 'bad_cursor';
  readonly retry: 'never';
  readonly message: string;
  readonly whatToDo: string;
}

/** What keeps an index from being opened. */
export interface SearchOpenError {
  readonly code:
    | 'in_use' // another process has it open, and only one may
    | 'not_an_index' // something else is there
    | 'too_new' // written by a newer program
    | 'too_old' // the engine lacks what is needed
    | 'bad_address'
    | 'denied' // the key, or the rights that it gives
    | 'unavailable';
  readonly message: string;
  readonly whatToDo: string;
}

export function unavailable(message: string, whatToDo: string): SearchUnavailable {
  return { code: 'unavailable', retry: 'backoff', message, whatToDo };
}

export function cursorMoved(partition: PartitionId, after: string | null, cursor: string | null): CursorMoved {
  const shown = (value: string | null): string => value ?? 'the beginning';
  return {
    code: 'cursor_moved',
    retry: 'resume',
    cursor,
    message: `The index has come to ${shown(cursor)} in partition ${String(partition)}, not to ${shown(after)}.`,
    whatToDo: 'Go on from there. If it keeps moving, two programs follow the same changefeed: stop one.',
  };
}

export const noRebuild = (): NoRebuild => ({
  code: 'no_rebuild',
  retry: 'never',
  message: 'No version of the index is being built.',
  whatToDo: 'Begin a rebuild first.',
});

export function badQuery(message: string, whatToDo: string): BadQuery {
  return { code: 'bad_query', retry: 'never', message, whatToDo };
}

export const badCursor = (): BadCursor => ({
  code: 'bad_cursor',
  retry: 'never',
  message: 'The cursor belongs to another query.',
  whatToDo: 'Hand back `next` of the page before with the same query, or search again without a cursor.',
});

export const describeSearchError = (error: { readonly message: string; readonly whatToDo: string }): string =>
  `${error.message}\n${error.whatToDo}`;
