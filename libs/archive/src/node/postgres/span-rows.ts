import { generation, sequenceId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import type { LinkedSpan } from '../chain/judge.ts';

/** The span in a row of an answer; PostgreSQL's bigint comes as text. */
export const spanOf = (row: Readonly<Record<string, unknown>>): GenerationSpan => ({
  gen: generation(Number(row['gen'])),
  first: sequenceId(Number(row['first'])),
  last: sequenceId(Number(row['last'])),
});

/** The same, where the link of its last chunk was asked for, too. */
export function linkedSpanOf(row: Readonly<Record<string, unknown>>): LinkedSpan {
  const { link } = row;
  return { ...spanOf(row), link: link instanceof Uint8Array ? link : null };
}
