import { invariant } from '@millrace/kernel';
import type { StoredRow } from '../stored-rows.ts';

/** The chunk in a row of an answer, under the names that the table has for it. */
export function storedRow({ first, bytes }: Readonly<Record<string, unknown>>): StoredRow {
  invariant(bytes instanceof Uint8Array, 'column bytes holds bytes');
  return { first: Number(first), bytes };
}
