import { sha256Of } from '../sha256.ts';
import type { Line } from './file-lines.ts';

/** Before the first entry of a conversation. */
export const NO_ENTRIES = '0'.repeat(64);

/**
 * The chain of an export: each entry of a conversation is bound to the one before it, as its line stands in the file. Of the
 * file alone: it holds what was said, so that nothing is to be hidden, and is the same for the same entries wherever they are.
 *
 * @param before - the link up to the entry before, {@link NO_ENTRIES} for none; 64 hexadecimal digits.
 * @param text - the line, without its end.
 */
export const linkBehind = (before: string, text: string): string => sha256Of(`${before}\n${text}`);

export const isEntry = (line: Line): boolean => 'seq' in line && !('key' in line);

/** The link behind some lines of a conversation. */
export const linkBehindAll = (before: string, lines: readonly Line[]): string =>
  lines.reduce((link, line) => (isEntry(line) ? linkBehind(link, JSON.stringify(line)) : link), before);

/** What is wrong at the end of a conversation of a file; null for nothing, or where the file says nothing. */
export function endProblem(end: Line, link: string): string | null {
  const { chain, end: conversation } = end;
  if (chain === undefined || chain === link) return null;
  return (
    `the entries of ${String(conversation)} in this file are not those that were exported: restore it, or, if you have ` +
    'changed them on purpose, take "chain" out of this line'
  );
}
