import type { ConversationId, UserId } from '@millrace/kernel';

/** Something that is not erased, or not everywhere, and what to do about it. */
export interface LeftOver {
  /** Null: of no conversation. */
  readonly conversation: ConversationId | null;
  readonly why: string;
}

/** How far the erasure of all that is a user's has come. */
export interface ErasureReport {
  readonly user: UserId;
  /** `interrupted`: its node ended; ask for the erasure again, and it goes on. */
  readonly state: 'running' | 'done' | 'interrupted';
  /** Wall time. */
  readonly startedAt: number;
  readonly endedAt: number | null;
  /** Conversations that were looked at, and those in which the user ever was. */
  readonly looked: number;
  readonly conversations: number;
  /** Entries of the archive that were written over. */
  readonly entries: number;
  readonly reactions: number;
  /** Messages of theirs that the search index had, when the erasure began; null where there is none that answers. */
  readonly found: number | null;
  /** Messages that were to be sent later. Absent of an erasure by a former version. */
  readonly scheduled?: number;
  readonly sessions: number;
  /** The first 100 of them. */
  readonly left: readonly LeftOver[];
}

export const LEFT_MAX = 100;

export const newReport = (user: UserId, startedAt: number): ErasureReport => ({
  ...{ user, state: 'running', startedAt, endedAt: null, looked: 0, conversations: 0, entries: 0, reactions: 0 },
  ...{ found: null, scheduled: 0, sessions: 0, left: [] },
});

/** With one more thing that is left. */
export const withLeft = (report: ErasureReport, ...left: readonly LeftOver[]): ErasureReport => ({
  ...report,
  left: [...report.left, ...left].slice(0, LEFT_MAX),
});
