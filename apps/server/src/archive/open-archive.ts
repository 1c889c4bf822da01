import { describeArchiveError, type ArchiveOpenError, type ArchiveStore } from '@millrace/archive';
import { PostgresArchive } from '@millrace/archive/postgres';
import { SqliteArchive } from '@millrace/archive/sqlite';
import { err, ok, type Clock, type Result, type Timers } from '@millrace/kernel';
import type { ServerLog } from '../logging.ts';
import type { ArchiveChoice } from './archive-choice.ts';

/** An archive that does not answer yet is waited for so long. */
const WAIT_MS_MAX = 60_000;
const RETRY_MS = 500;

/** Beside the server's own program, as they are built together. */
const workerProgram = new URL('./archive-worker.mjs', import.meta.url);

export interface OpenedArchive {
  readonly store: ArchiveStore;
  readonly identity: string;
  /** For people: without a password. */
  readonly shown: string;
}

export interface OpenArchiveParts {
  readonly clock: Clock;
  readonly timers: Timers;
  /** Asked after each attempt: the server was told to end meanwhile. */
  readonly isCancelled: () => boolean;
  readonly log: ServerLog;
}

function open(choice: ArchiveChoice): Promise<Result<ArchiveStore, ArchiveOpenError>> | null {
  if (choice.kind === 'none') return null;
  return choice.kind === 'sqlite'
    ? SqliteArchive.open({ path: choice.path, program: workerProgram })
    : PostgresArchive.open({ url: choice.url });
}

/** Opens the archive that is configured, waiting for one that does not answer; null when there is to be none. */
export async function openArchive(
  choice: ArchiveChoice,
  { clock, timers, isCancelled, log }: OpenArchiveParts,
): Promise<Result<OpenedArchive | null, string>> {
  const deadlineMs = clock.monotonicMs() + WAIT_MS_MAX;
  let announced = '';
  for (;;) {
    const opened = await open(choice);
    if (opened === null) return ok(null);
    if (opened.ok) return isCancelled() ? cancelled(opened.value) : identified(opened.value);
    const { code, message } = opened.error;
    if (isCancelled()) return cancelled(null);
    if (code !== 'unavailable' || clock.monotonicMs() > deadlineMs) {
      return err(`MILLRACE_ARCHIVE: ${describeArchiveError(opened.error)}`);
    }
    if (message !== announced) log.warn('waiting for the archive', { error: message });
    announced = message;
    await new Promise<void>((resolve) => {
      timers.after(RETRY_MS, resolve);
    });
  }
}

async function cancelled(store: ArchiveStore | null): Promise<Result<never, string>> {
  await store?.close();
  return err('it was stopped while it waited for the archive');
}

async function identified(store: ArchiveStore): Promise<Result<OpenedArchive, string>> {
  const [identity, health] = [await store.identity(), await store.health()];
  if (identity.ok && health.ok) return ok({ store, identity: identity.value, shown: health.value.store });
  await store.close();
  const failed = identity.ok ? health : identity;
  return err(`MILLRACE_ARCHIVE: ${failed.ok ? 'it gave no answer' : describeArchiveError(failed.error)}`);
}
