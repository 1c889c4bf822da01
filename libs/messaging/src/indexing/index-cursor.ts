import { generation, type Generation } from '@millrace/kernel';

/** Where a changefeed stands: everything up to this commit is acknowledged. */
export interface FeedStanding {
  /** Of the partition. */
  readonly gen: Generation;
  readonly commitNo: number;
  /** No changefeed entry of a later commit was trimmed. */
  readonly trimmedTo: number;
}

/**
 * What an index keeps of a partition as its cursor.
 *
 * - `followed`: everything up to this commit of this generation is in.
 * - `comparing`: conversations are being compared with what the index has of them; once all are, everything up to this
 *   commit is in.
 * - `anew`: likewise, and what the index has of them is of another store: each is forgotten first.
 */
export interface IndexCursor {
  readonly phase: 'followed' | 'comparing' | 'anew';
  readonly gen: Generation;
  readonly commitNo: number;
}

const CURSOR = /^(\d{1,16})-(\d{1,16})(?:@(\d{1,16}))?(?: (comparing|anew))?$/;

/**
 * @param making - of the version of the index, see {@link makingOf}: two versions that stand at the same commit have different
 *   cursors, and who has brought the first half of a batch into one finds that the other has taken its place.
 */
export const encodeIndexCursor = ({ phase, gen, commitNo }: IndexCursor, making: number): string =>
  `${String(gen)}-${String(commitNo)}${making === 0 ? '' : `@${String(making)}`}${phase === 'followed' ? '' : ` ${phase}`}`;

/** How often the index had been made anew for this partition when the version with this cursor was begun; 0 for none. */
export const makingOf = (text: string | null): number => Number(CURSOR.exec(text ?? '')?.[3] ?? 0);

/** Null for none, and for one that another program wrote: then it counts for nothing. */
export function decodeIndexCursor(text: string | null): IndexCursor | null {
  const [, gen, commitNo, , phase] = CURSOR.exec(text ?? '') ?? [];
  if (gen === undefined || commitNo === undefined) return null;
  return {
    phase: phase === 'comparing' || phase === 'anew' ? phase : 'followed',
    gen: generation(Number(gen)),
    commitNo: Number(commitNo),
  };
}

/**
 * How an index gets on: by the changefeed behind a commit, or by comparing each conversation with what it has of it.
 * `isAnew`: what it has is of another store than this one.
 */
export type WayOn =
  { readonly kind: 'follow'; readonly after: number } | { readonly kind: 'compare'; readonly isAnew: boolean };

/**
 * Where an index goes on whose cursor is this. A generation that began since may have lost what is indexed; and what was
 * trimmed behind the cursor, nobody can follow any more.
 */
export function wayOn(cursor: IndexCursor | null, standing: FeedStanding): WayOn {
  if (cursor === null) return { kind: 'compare', isAnew: false };
  const { gen, trimmedTo } = standing;
  if (isOfAnother(cursor, standing) || cursor.phase === 'anew') return { kind: 'compare', isAnew: true };
  const isWhole = cursor.phase === 'followed' && cursor.gen === gen && cursor.commitNo >= trimmedTo;
  return isWhole ? { kind: 'follow', after: cursor.commitNo } : { kind: 'compare', isAnew: false };
}

const isOfAnother = (cursor: IndexCursor, { gen, commitNo }: FeedStanding): boolean =>
  cursor.gen > gen || (cursor.gen === gen && cursor.commitNo > commitNo);

/** Whether an index with this cursor may hold what its partition has lost, or has never had. */
export const mayHoldLost = (cursor: IndexCursor, standing: FeedStanding): boolean =>
  cursor.gen < standing.gen || isOfAnother(cursor, standing);
