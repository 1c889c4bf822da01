import { TrackedValue } from '@millrace/actor';
import { fromUtf8, generation, ok, sequenceId, type Generation, type Result } from '@millrace/kernel';
import type { ActorRecord, ActorWrite, Handled, PartitionActor } from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { emptyHead, inGeneration, type ActorKey, type Position, type TimelineHead } from '@millrace/timeline';

/** Lives in partition 0, whatever their number. */
export const birthKey = 'k:cluster' as ActorKey;

export type BirthCommand =
  /**
   * Fixes how actors are spread when that is not yet. Answers the number of partitions, or {@link Born} if asked. A node
   * that runs an earlier version says nothing of pairs, and knows only of those that are apart.
   */
  | {
      readonly t: 'birth';
      readonly partitionCount: number;
      readonly tellsAll?: true;
      readonly pairsAtHome?: boolean;
    }
  /** Fixes where conversations are archived when nothing is yet. Answers the identity of the archive that is fixed. */
  | { readonly t: 'archive'; readonly identity: string };

/** What is fixed. A node that runs an earlier version answers with the number alone. */
export interface Born {
  readonly partitions: number;
  /** The identity of the archive; null while nothing was archived. */
  readonly archive: string | null;
  /** See `Layout`; absent from a node that runs an earlier version: it is not so. */
  readonly pairsAtHome?: boolean;
}

type BirthReply = Result<number | string | Born, FrameError>;

const NO_PARTITIONS = 0;

/** Another number of partitions would look for every conversation in the wrong place. */
export class PartitionCountMismatch extends Error {
  override readonly name = 'PartitionCountMismatch';

  constructor(stored: number, configured: number) {
    super(
      `this store was born with ${String(stored)} partitions, and ${String(configured)} are configured: ` +
        `the number is fixed for good, so configure ${String(stored)}, or use an empty store`,
    );
  }
}

/** Conversations of two would be looked for in the wrong place. */
export class PairsMismatch extends Error {
  override readonly name = 'PairsMismatch';

  constructor(stored: boolean) {
    super(
      `this store was born with conversations of two ${stored ? 'at the home of one of them' : 'apart from their users'}, ` +
        `which is fixed for good: configure ${stored ? 'true' : 'false'}, or use an empty store`,
    );
  }
}

/** Without the archive that has the older entries, their conversations could not be read. */
export class ArchiveMismatch extends Error {
  override readonly name = 'ArchiveMismatch';

  constructor(stored: string, configured: string | null) {
    super(
      `older messages of this store are in the archive ${stored}, and ` +
        (configured === null ? 'no archive is configured' : `the one that is configured is ${configured}`) +
        ': configure that archive, or restore it from its backup',
    );
  }
}

/**
 * Remembers what was fixed when the cluster was born, and when something was archived for the first time. Its record has
 * three fields, `p`: the number of partitions, `d`, if conversations of two live at the home of one of them: `1`, and `a`:
 * the identity of the archive.
 */
export class BirthActor implements PartitionActor<BirthCommand, BirthReply, never> {
  readonly weight = 1;
  readonly #head: TimelineHead;
  readonly #partitions: TrackedValue<number | null>;
  readonly #pairsAtHome: TrackedValue<boolean>;
  readonly #archive: TrackedValue<string | null>;
  #storedAt: Position;

  constructor(record: ActorRecord, gen: Generation) {
    const partitions = record.fields.get('p');
    const archive = record.fields.get('a');
    this.#head = inGeneration(record.head ?? emptyHead(gen), gen);
    this.#storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
    this.#partitions = new TrackedValue(partitions === undefined ? null : Number(fromUtf8(partitions)));
    this.#pairsAtHome = new TrackedValue(record.fields.has('d'));
    this.#archive = new TrackedValue(archive === undefined ? null : fromUtf8(archive));
  }

  handle(command: BirthCommand): Handled<BirthReply, never> {
    if (command.t === 'archive') {
      const archive = (this.#archive.value ??= command.identity);
      return { reply: ok(archive), effects: [] };
    }
    if (this.#partitions.value === null) this.#pairsAtHome.value = command.pairsAtHome ?? false;
    const partitions = (this.#partitions.value ??= command.partitionCount);
    const pairsAtHome = this.#pairsAtHome.value;
    // Who does not know of it would look in the wrong place: it is told a number that nobody has, and stays out.
    const told = pairsAtHome && command.pairsAtHome === undefined ? NO_PARTITIONS : partitions;
    if (!command.tellsAll) return { reply: ok(told), effects: [] };
    return { reply: ok({ partitions: told, archive: this.#archive.value, pairsAtHome }), effects: [] };
  }

  get #isDirty(): boolean {
    return this.#partitions.dirty || this.#pairsAtHome.dirty || this.#archive.dirty;
  }

  pendingWrite(): ActorWrite | null {
    if (!this.#isDirty) return null;
    const set: [string, string][] = [];
    if (this.#partitions.dirty) set.push(['p', String(this.#partitions.value)]);
    if (this.#pairsAtHome.dirty) set.push(['d', '1']);
    if (this.#archive.dirty && this.#archive.value !== null) set.push(['a', this.#archive.value]);
    return {
      actor: birthKey,
      expected: { gen: this.#storedAt.gen, seq: this.#storedAt.seq },
      head: this.#head,
      entries: [],
      set,
      unset: [],
      trimBefore: null,
    };
  }

  settle(): void {
    // An actor that only answered still stands where it was stored.
    if (!this.#isDirty) return;
    this.#partitions.settle();
    this.#pairsAtHome.settle();
    this.#archive.settle();
    this.#storedAt = this.#head;
  }

  restore(): void {
    this.#partitions.restore();
    this.#pairsAtHome.restore();
    this.#archive.restore();
  }
}
