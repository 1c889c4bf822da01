import {
  err,
  fromUtf8,
  hash32,
  MalformedBytes,
  ok,
  utf8,
  type ConversationId,
  type Result,
  type SequenceId,
} from '@millrace/kernel';
import { frameError, fromBase64, toBase64, type FrameError } from '@millrace/protocol';
import type { TimePlace } from '@millrace/search';
import type { Asked } from './search-query.ts';

/**
 * Where a page goes on. It names nothing but messages that the asker was shown.
 *
 * By time: behind the last hit that came from the index, and behind everything that was told by `at`; `tail` is the last
 * message of that moment that did not come from the index, if the page ended with one. By relevance: behind so many.
 */
export type PageCursor =
  | {
      readonly sort: 'time';
      readonly index: TimePlace | null;
      readonly at: number;
      readonly tail: { readonly conversation: ConversationId; readonly seq: SequenceId } | null;
    }
  | { readonly sort: 'relevance'; readonly shown: number };

/** What is asked, without how much of it at once: a cursor is good for this alone. */
function fingerprintOf({ limit: _limit, cursor: _cursor, count: _count, ...asked }: Asked): string {
  const names = Object.keys(asked).sort() as (keyof typeof asked)[];
  return hash32(JSON.stringify(names.map((name) => [name, asked[name]]))).toString(36);
}

const none = [null, null, null] as const;

export function encodePageCursor(asked: Asked, cursor: PageCursor): string {
  const parts =
    cursor.sort === 'relevance'
      ? [cursor.shown]
      : [
          cursor.at,
          ...(cursor.index === null ? none : [cursor.index.at, cursor.index.conversation, cursor.index.seq]),
          ...(cursor.tail === null ? none.slice(1) : [cursor.tail.conversation, cursor.tail.seq]),
        ];
  return toBase64(utf8(JSON.stringify([fingerprintOf(asked), ...parts])));
}

const refusal = frameError(
  'bad_request',
  'cursor must be `next` of the page before, for the same question: search again without one',
);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function placeOf(
  parts: readonly unknown[],
): { readonly conversation: ConversationId; readonly seq: SequenceId } | null | 'bad' {
  const [conversation, seq] = parts;
  if (conversation === null && seq === null) return null;
  if (typeof conversation !== 'string' || !isCount(seq)) return 'bad';
  return { conversation: conversation as ConversationId, seq: seq as SequenceId };
}

function timeCursorOf(parts: readonly unknown[]): PageCursor | null {
  const [at, indexAt] = parts;
  const index = placeOf(parts.slice(2, 4));
  const tail = placeOf(parts.slice(4));
  if (parts.length !== 6 || !isCount(at) || index === 'bad' || tail === 'bad') return null;
  if (index === null) return { sort: 'time', index, at, tail };
  return isCount(indexAt) ? { sort: 'time', index: { at: indexAt, ...index }, at, tail } : null;
}

/** Null for a first page. */
export function decodePageCursor(asked: Asked): Result<PageCursor | null, FrameError> {
  if (asked.cursor === undefined) return ok(null);
  const bytes = fromBase64(asked.cursor);
  if (!bytes.ok) return err(refusal);
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes.value));
    if (!Array.isArray(value) || value[0] !== fingerprintOf(asked)) return err(refusal);
    const parts: readonly unknown[] = value.slice(1);
    const [shown] = parts;
    if (asked.sort !== 'relevance') {
      const cursor = timeCursorOf(parts);
      return cursor === null ? err(refusal) : ok(cursor);
    }
    return parts.length === 1 && isCount(shown) ? ok({ sort: 'relevance', shown }) : err(refusal);
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof MalformedBytes || error instanceof TypeError)
      return err(refusal);
    throw error;
  }
}
