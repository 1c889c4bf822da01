export {
  backoffMs,
  type Backoff,
  JobQueue,
  type Job,
  type JobConnection,
  type JobCounts,
  type JobData,
  type JobQueueParts,
} from './job-queue.ts';
export { JobWorker, type JobOutcome, type JobToDo, type JobWorkerParts, type JobWorkerStats } from './job-worker.ts';
