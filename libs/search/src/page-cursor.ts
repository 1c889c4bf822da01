import { fromUtf8, hash32, utf8, err, ok, type Result } from '@millrace/kernel';
import { badCursor, type BadCursor } from './search-errors.ts';
import type { SearchQuery } from './search-index.ts';

/** What a query asks for, without where it asks and how much at once: a cursor is good for this alone. */
function fingerprintOf(query: SearchQuery): string {
  const { text, prefix, senders, types, since, until, mentioning, fields, sort } = query;
  const asked = [text, prefix, senders, types, since, until, mentioning, fields, sort].map((part) => part ?? null);
  return hash32(JSON.stringify(asked)).toString(36);
}

const base64url = (text: string): string =>
  btoa(String.fromCharCode(...utf8(text)))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replace(/=+$/, '');

/** @param behind - what the adapter needs to go on: strings and numbers. */
export const encodeCursor = (query: SearchQuery, behind: readonly (string | number)[]): string =>
  base64url(JSON.stringify([fingerprintOf(query), ...behind]));

/**
 * What {@link encodeCursor} was given; null for a first page. It only says where to go on, never what may be seen.
 *
 * @param kinds - what each part must be.
 */
export function decodeCursor(
  query: SearchQuery,
  kinds: readonly ('string' | 'number')[],
): Result<readonly (string | number)[] | null, BadCursor> {
  if (query.cursor === undefined) return ok(null);
  try {
    const bytes = atob(query.cursor.replaceAll('-', '+').replaceAll('_', '/'));
    const parts: unknown = JSON.parse(fromUtf8(Uint8Array.from(bytes, (character) => character.charCodeAt(0))));
    if (!Array.isArray(parts) || parts.length !== kinds.length + 1) return err(badCursor());
    const [fingerprint, ...behind] = parts as unknown[];
    const isSound = behind.every(
      (part, index) => typeof part === kinds[index] && (typeof part !== 'number' || Number.isSafeInteger(part)),
    );
    return fingerprint === fingerprintOf(query) && isSound ? ok(behind as (string | number)[]) : err(badCursor());
  } catch {
    return err(badCursor());
  }
}
