import type { ArchiveStore } from '@millrace/archive';
import type { ArchiverStats, RetentionStats } from '@millrace/messaging';
import type { Registry } from 'prom-client';
import { gaugeInto } from '../gauge-into.ts';

/** Of the archive, as this node sees it. */
export function archiveMetrics(registry: Registry, stats: () => ArchiverStats, archive: ArchiveStore): void {
  const gauge = gaugeInto(registry);
  gauge(
    'millrace_archive_waiting',
    'Conversations that wait to be archived, and are in no job yet.',
    () => stats().waiting,
  );
  gauge('millrace_archived_entries', 'Entries archived by this process.', () => stats().entriesArchived);
  gauge('millrace_archive_failures', 'Attempts to archive that failed, of this process.', () => stats().rollsFailed);
  gauge(
    'millrace_archive_stuck',
    'Times that a conversation could not be archived, for the archive holds something else, or something of it cannot be read.',
    () => stats().conversationsStuck,
  );
  gauge(
    'millrace_archive_failing_seconds',
    'For how long nothing could be archived though something waits; 0 when it can.',
    () => stats().failingMs / 1_000,
  );
  gauge('millrace_archive_reachable', '1 when the archive answers and takes something.', async () => {
    const health = await archive.health();
    return health.ok && health.value.writable ? 1 : 0;
  });
}

/** Of what is not kept any more. */
export function retentionMetrics(registry: Registry, stats: () => RetentionStats): void {
  const gauge = gaugeInto(registry);
  gauge(
    'millrace_retired_entries',
    'Entries that this process let go of, for they were older than is kept.',
    () => stats().entriesRetired,
  );
  gauge(
    'millrace_retired_archived',
    'Conversations of which something that is not kept any more is still in the archive.',
    () => stats().dropping,
  );
}
