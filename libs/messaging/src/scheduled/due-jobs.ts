import type { Result, UserId } from '@millrace/kernel';

/** That the time of one scheduled message comes. It says nothing of what the message says. */
export interface DueJob {
  /** Drawn anew each time that the message is scheduled: an older job of the same key finds that it is not meant. */
  readonly job: string;
  readonly user: UserId;
  readonly key: string;
  /** Milliseconds since 1970. */
  readonly dueAt: number;
}

/**
 * Jobs that wait for their time, and are worked then, on whichever node works jobs. What is to be done follows from what is
 * stored of the user: a job that comes twice, or is not meant any more, changes nothing, and one that was lost is added again.
 */
export interface DueJobs {
  /** A job that is there already stays as it is. @returns why they may not all be there. */
  add(jobs: readonly DueJob[]): Promise<Result<null, string>>;
  /** As far as it can: what stays finds nothing to do. */
  remove(jobs: readonly string[]): void;
}
