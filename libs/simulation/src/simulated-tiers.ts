import { TieredTimelines, type ArchiveChunk } from '@millrace/archive';
import { Archiver, defaultArchiverLimits, neverHeld, type ChatNodeParts } from '@millrace/messaging';
import { conversationKey, StoreUnavailable } from '@millrace/timeline';
import { ModelArchive } from './model-archive.ts';
import type { SimulatedProcess, Stores } from './simulated-process.ts';
import { NEVER } from './world-options.ts';
import type { World } from './world.ts';

/** The stores of a node with an archive behind them, and what fills that; the stores alone where there is none. */
export function tiersOf(
  world: World,
  process: SimulatedProcess,
  stores: Stores,
  log: ChatNodeParts['log'],
): Pick<ChatNodeParts, 'stores' | 'archiver'> {
  const { hotEntries } = world.options;
  if (hotEntries >= NEVER) return { stores };
  const archive = process.reachArchive(
    new ModelArchive({
      disk: world.archive.disk,
      timers: world.time.timers,
      fate: () => world.archive.fate(),
      appending: (chunk) => {
        onlyAcknowledged(world, chunk);
      },
    }),
  );
  const timelines = new TieredTimelines({
    hot: stores.timelines,
    archive,
    async headOf(partition, actor) {
      const record = await stores.partitions.loadFields(partition, actor, []);
      if (!record.ok) throw new StoreUnavailable(record.error.message);
      return record.value.head;
    },
    refused: () => undefined,
    // Small, so that pages come and go.
    limits: { pageEntries: 4, cacheBytesMax: 2_000 },
  });
  const archiver = new Archiver({
    ...{ archive, identity: world.archive.disk.identity, isHeld: neverHeld, timelines, log },
    jobs: world.rolls.reach(process),
    clock: world.time.clock,
    timers: process.timers,
    limits: {
      ...defaultArchiverLimits,
      ...{ hotEntries, chunkEntries: 3, chunksMax: 2, conversationsPerRoll: 2 },
      ...{ handover: { jobsMax: 8, againMs: 100, restMs: 200 }, rollsPerJob: 2 },
      retry: { msMin: 50, msMax: 1_000 },
      alarmMs: Infinity,
    },
  });
  world.rolls.works({ process, archiver });
  return { stores: { ...stores, timelines }, archiver };
}

/** An archive holds only what an owner knows to be stored (I8, I1). */
function onlyAcknowledged({ history }: World, { conversation, gen, first, entries }: ArchiveChunk): void {
  entries.forEach((_entry, index) => {
    const at = { gen, seq: (first + index) as typeof first };
    if (history.isUnacknowledged(conversationKey(conversation), at)) {
      history.violated(`(I8) ${conversation} ${String(gen)}-${String(at.seq)} is archived, and not acknowledged`);
    }
  });
}
