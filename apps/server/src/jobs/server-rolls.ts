import { JobQueue, JobWorker, type Backoff, type JobData } from '@millrace/jobs';
import { parseConversationId, type Clock, type ConversationId, type Random, type Timers } from '@millrace/kernel';
import type { Archiver, RollJobs } from '@millrace/messaging';
import type { RedisStores } from '@millrace/redis-store';
import type { Registry } from 'prom-client';
import type { ServerLog } from '../logging.ts';
import { jobMetrics, rollJobs } from './job-metrics.ts';

export interface ServerRollsParts {
  readonly stores: Pick<RedisStores, 'openJobConnection' | 'jobsPrefix'>;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: ServerLog;
  readonly onTrouble: (message: string) => void;
}

const QUEUE = 'rolls';
/** An archive that is back is filled again soon. */
const BACKOFF: Backoff = { msMin: 250, msMax: 30_000 };
/** About four minutes with what is waited in between. */
const ATTEMPTS_MAX = 15;
/** Of one process: reading, packing and writing overlap. */
const AT_ONCE = 2;

/** No conversation id holds a space. */
const named = (rolls: JobData[string] | undefined): readonly ConversationId[] =>
  String(rolls ?? '')
    .split(' ')
    .map((id) => parseConversationId(id))
    .flatMap((parsed) => (parsed.ok ? [parsed.value] : []));

/** Rolls of conversations into the archive, in a queue of their own: they are many, and wait for the archive. */
export class ServerRolls implements RollJobs {
  readonly #parts: ServerRollsParts;
  readonly #queue: JobQueue;
  #worker: JobWorker | null = null;

  constructor(parts: ServerRollsParts) {
    const { stores, registry, clock, timers, onTrouble } = parts;
    this.#parts = parts;
    this.#queue = new JobQueue({
      ...{ name: QUEUE, prefix: stores.jobsPrefix, clock, timers, attemptsMax: ATTEMPTS_MAX, onTrouble },
      connection: stores.openJobConnection('rolls'),
    });
    jobMetrics(
      registry,
      rollJobs,
      () => this.#queue.counts(),
      () => this.#worker?.stats ?? null,
    );
  }

  addRoll(conversations: readonly ConversationId[]): ReturnType<RollJobs['addRoll']> {
    return this.#queue.add([
      { id: `r-${this.#parts.random.id()}`, dueAt: 0, data: { rolls: conversations.join(' ') } },
    ]);
  }

  async rollsWaiting(): Promise<number | null> {
    const counts = await this.#queue.counts();
    return counts === null ? null : counts.delayed + counts.waiting + counts.active;
  }

  work(archiver: Pick<Archiver, 'rollHere' | 'add'>): void {
    const { stores, timers, log, onTrouble } = this.#parts;
    this.#worker = new JobWorker({
      ...{ name: QUEUE, prefix: stores.jobsPrefix, timers, atOnce: AT_ONCE, backoff: BACKOFF, onTrouble },
      connection: stores.openJobConnection('roll-worker'),
      work: async ({ data }) => {
        const again = await archiver.rollHere(named(data['rolls']));
        return again === null ? null : { again };
      },
      onGivenUp: ({ data }, why) => {
        const conversations = named(data['rolls']);
        log.warn('a roll was given up as a job, and is tried here from now on', { conversations, error: why });
        for (const conversation of conversations) archiver.add(conversation);
      },
    });
  }

  async rest(): Promise<void> {
    await this.#worker?.close();
  }

  close(): Promise<void> {
    return this.#queue.close();
  }
}
