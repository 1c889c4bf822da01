import type { ConversationCheck } from './conversation-check.ts';

const ROWS_MAX = 40;
const HEADINGS = ['conversation', 'entries', 'acknowledged', 'lost', 'duplicated', 'gaps'] as const;

const isFaulty = ({ lost, duplicated, gaps }: ConversationCheck): boolean =>
  lost.size + duplicated.size + gaps.size > 0;

function rowOf(check: ConversationCheck): string[] {
  const { name, last, expected, lost, duplicated, gaps } = check;
  return [name, ...[last, expected.size, lost.size, duplicated.size, gaps.size].map(String)];
}

/** A row for each conversation; of too many, those that are faulty first, and how many are left out. */
export function verifyTable(checks: readonly ConversationCheck[]): string[] {
  const ordered = [...checks].sort((left, right) => Number(isFaulty(right)) - Number(isFaulty(left)));
  const shown = ordered.slice(0, ROWS_MAX);
  const rows = [[...HEADINGS], ...shown.map(rowOf)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  '),
  );
  const left = ordered.length - shown.length;
  return left > 0 ? [...lines, `… and ${String(left)} more`] : lines;
}
