import type { Clock, PartitionId, UserId } from '@millrace/kernel';
import { StoreUnavailable, type ActorKey, type RecordReader, type StoredUsers } from '@millrace/timeline';
import { decodeWaiting, SCHEDULED_FIELD } from '../user/user-record.ts';
import type { DueJob, DueJobs } from './due-jobs.ts';

export interface DueSweepParts {
  readonly users: StoredUsers;
  readonly records: RecordReader;
  readonly jobs: Pick<DueJobs, 'add'>;
  readonly clock: Clock;
  partitionOf(this: void, key: ActorKey): PartitionId;
}

/** What is due later than this has time until the next one. Twice the time between two of them. */
const AHEAD_MS = 2 * 3_600_000;

/**
 * Goes through all users and sees to it that each message whose time comes soon has its job: the queue may have lost its end
 * where the users have not, or given a job up. It reads a field of each user, and brings nobody into memory.
 *
 * @returns how many were added, or were there; rejects with {@link StoreUnavailable} when it could not go through all.
 */
export async function sweepDue({ users, records, jobs, clock, partitionOf }: DueSweepParts): Promise<number> {
  let found = 0;
  for await (const actors of users.users()) {
    const untilMs = clock.nowMs() + AHEAD_MS;
    const due = await Promise.all(
      actors.map(async (actor): Promise<readonly DueJob[]> => {
        const value = (await records.fields(partitionOf(actor), actor, [SCHEDULED_FIELD])).get(SCHEDULED_FIELD);
        if (value === undefined) return [];
        const user = actor.slice(2) as UserId;
        const soon = decodeWaiting(value).filter(([, , dueAt]) => dueAt <= untilMs);
        return soon.map(([key, job, dueAt]) => ({ job, user, key, dueAt }));
      }),
    );
    const all = due.flat();
    if (all.length === 0) continue;
    const added = await jobs.add(all);
    if (!added.ok) throw new StoreUnavailable(added.error);
    found += all.length;
  }
  return found;
}
