import { err, isLobbyId, ok, type Random, type Result, type UserId } from '@millrace/kernel';
import { frameError, protocolLimits, type FrameError } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { ScheduleService } from '../chat-service.ts';
import type { DueJobs } from './due-jobs.ts';
import { sendDue, type PublishKeyed } from './send-due.ts';

export interface ScheduleParts {
  readonly calls: ActorCalls;
  /** Null where there is no queue: nothing can be scheduled. */
  readonly jobs: DueJobs | null;
  readonly random: Random;
  readonly publishKeyed: PublishKeyed;
}

const noJobs = (why: string): FrameError => frameError('unavailable', `the message was not scheduled: ${why}`);

/** Nothing was stored for sure: its job has nothing to do. */
const isRefused = ({ code }: FrameError): boolean => code !== 'unavailable' && code !== 'internal';

/**
 * Messages that are to be sent later.
 *
 * (S1) The job is there before the message is stored, and that before anybody is told so (I1): no message waits without a
 *      job, and a job without a message finds nothing to do.
 * (S2) Who may write is judged when it is sent (I11).
 */
export function scheduleOver({ calls, jobs, random, publishKeyed }: ScheduleParts): ScheduleService {
  return {
    async schedule(user, message) {
      const { key, conversation, dueAt } = message;
      if (isLobbyId(conversation)) {
        return err(frameError('bad_request', 'nothing is scheduled for a lobby, whose messages are not stored'));
      }
      if (jobs === null) return err(noJobs('this server has no queue for jobs'));
      const info = await calls.conversation(conversation, { t: 'infoFor', user });
      if (!info.ok) return info;
      const job = random.id();
      const added = await jobs.add([{ job, user, key, dueAt }]);
      if (!added.ok) return err(noJobs(added.error));
      const stored = await calls.user(user, { t: 'schedule', message, job });
      if (!stored.ok) {
        if (isRefused(stored.error)) jobs.remove([job]);
        return stored;
      }
      const { replaced, isTaken } = stored.value;
      if (!isTaken) jobs.remove([job]);
      if (replaced !== null) jobs.remove([replaced]);
      return ok({ messages: [stored.value.message], next: null });
    },
    async unschedule(user, { key }) {
      const outcome = await calls.user(user, { t: 'unschedule', key });
      if (!outcome.ok) return outcome;
      if (outcome.value.job !== null) jobs?.remove([outcome.value.job]);
      return ok(null);
    },
    scheduled: (user, { after, limit }) =>
      calls.user(user, { t: 'scheduled', after: after ?? null, limit: limit ?? protocolLimits.pageScheduledDefault }),
    sendDue: (job, isLast) => sendDue(calls, publishKeyed, job, isLast),
  };
}

/** Takes all of a user's back, for good. @returns how many waited. */
export async function forgetScheduled(
  calls: Pick<ActorCalls, 'user'>,
  jobs: Pick<DueJobs, 'remove'> | null,
  user: UserId,
): Promise<Result<number, FrameError>> {
  const forgotten = await calls.user(user, { t: 'unscheduleAll' });
  if (!forgotten.ok) return forgotten;
  jobs?.remove(forgotten.value.jobs);
  return ok(forgotten.value.jobs.length);
}
