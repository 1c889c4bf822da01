import { TrackedValue } from '@millrace/actor';
import { fromUtf8, generation, ok, sequenceId, type Generation, type Result } from '@millrace/kernel';
import {
  arePairsAtHome,
  STORE_FORMAT,
  type ActorRecord,
  type ActorWrite,
  type Handled,
  type PartitionActor,
  type StoreFormat,
} from '@millrace/partition';
import type { FrameError } from '@millrace/protocol';
import { emptyHead, inGeneration, type ActorKey, type Position, type TimelineHead } from '@millrace/timeline';

/** Lives in partition 0, whatever their number. */
export const birthKey = 'k:cluster' as ActorKey;

export type BirthCommand =
  /**
   * Fixes how the store keeps what it keeps when that is not yet. Answers the number of partitions, or {@link Born} if
   * asked. A node that runs an earlier version knows of the second format at most, and says whether by `pairsAtHome`.
   */
  | {
      readonly t: 'birth';
      readonly partitionCount: number;
      readonly tellsAll?: true;
      readonly storeFormat?: StoreFormat;
      readonly pairsAtHome?: boolean;
    }
  /** Fixes where conversations are archived when nothing is yet. Answers the identity of the archive that is fixed. */
  | { readonly t: 'archive'; readonly identity: string };

/** What is fixed. A node that runs an earlier version answers with the number alone. */
export interface Born {
  readonly partitions: number;
  /** The identity of the archive; null while nothing was archived. */
  readonly archive: string | null;
  /** Absent from a node that runs an earlier version, which says at most whether it is the second, by `pairsAtHome`. */
  readonly storeFormat?: number;
  readonly pairsAtHome?: boolean;
}

type BirthReply = Result<number | string | Born, FrameError>;

/** What is answered to a node of a version that cannot read this store: a number that nobody has, so that it stays out. */
const NO_PARTITIONS = 0;

/** From this format on the record says that to former versions itself, also where none but they are. */
const FIRST_CLOSED: StoreFormat = 3;

/** Of what a node says that may run another version. */
export const formatOf = ({ storeFormat, pairsAtHome }: Pick<Born, 'storeFormat' | 'pairsAtHome'>): number =>
  storeFormat ?? (pairsAtHome === true ? 2 : 1);

/** What a record of the store's birth says; null without one. */
export function decodeBorn({ fields }: ActorRecord): Born | null {
  const text = (name: string): string | null => {
    const value = fields.get(name);
    return value === undefined ? null : fromUtf8(value);
  };
  const partitions = text('q') ?? text('p');
  if (partitions === null) return null;
  return { partitions: Number(partitions), archive: text('a'), storeFormat: Number(text('d') ?? 0) + 1 };
}

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

/** What is stored would be looked for in the wrong place, or not be understood by all nodes. */
export class StoreFormatMismatch extends Error {
  override readonly name = 'StoreFormatMismatch';

  constructor(stored: number, configured: StoreFormat) {
    super(
      `this store was born in format ${String(stored)}, ` +
        (stored > STORE_FORMAT
          ? 'which this version of Millrace does not know: use one that does, or an empty store'
          : `and ${String(configured)} is configured: the format is fixed for good, so configure ${String(stored)}, or ` +
            'use an empty store'),
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
 * these fields: `p`, the number of partitions; `d`, the store's format less one, absent for the first one; and `a`, the
 * identity of the archive. From the third format on the number of partitions is `q`, and `p` is 0: a version that knows of
 * no such format reads `p`, has another number, and stays out.
 */
export class BirthActor implements PartitionActor<BirthCommand, BirthReply, never> {
  readonly weight = 1;
  readonly #head: TimelineHead;
  readonly #partitions: TrackedValue<number | null>;
  readonly #storeFormat: TrackedValue<number>;
  readonly #archive: TrackedValue<string | null>;
  #storedAt: Position;

  constructor(record: ActorRecord, gen: Generation) {
    const born = decodeBorn(record);
    this.#head = inGeneration(record.head ?? emptyHead(gen), gen);
    this.#storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
    this.#partitions = new TrackedValue(born?.partitions ?? null);
    this.#storeFormat = new TrackedValue(formatOf(born ?? {}));
    const archive = record.fields.get('a');
    this.#archive = new TrackedValue(archive === undefined ? null : fromUtf8(archive));
  }

  handle(command: BirthCommand): Handled<BirthReply, never> {
    if (command.t === 'archive') {
      const archive = (this.#archive.value ??= command.identity);
      return { reply: ok(archive), effects: [] };
    }
    const known = command.pairsAtHome === undefined ? 1 : 2;
    if (this.#partitions.value === null) this.#storeFormat.value = formatOf(command);
    const partitions = (this.#partitions.value ??= command.partitionCount);
    const storeFormat = this.#storeFormat.value;
    // One that says which says for itself what does not fit.
    const told = command.storeFormat === undefined && storeFormat > known ? NO_PARTITIONS : partitions;
    if (!command.tellsAll) return { reply: ok(told), effects: [] };
    const pairsAtHome = arePairsAtHome(storeFormat);
    return { reply: ok({ partitions: told, archive: this.#archive.value, storeFormat, pairsAtHome }), effects: [] };
  }

  get #isDirty(): boolean {
    return this.#partitions.dirty || this.#storeFormat.dirty || this.#archive.dirty;
  }

  pendingWrite(): ActorWrite | null {
    if (!this.#isDirty) return null;
    const set: [string, string][] = [];
    if (this.#partitions.dirty) {
      const isClosed = this.#storeFormat.value >= FIRST_CLOSED;
      set.push(['p', String(isClosed ? NO_PARTITIONS : this.#partitions.value)]);
      if (isClosed) set.push(['q', String(this.#partitions.value)]);
    }
    if (this.#storeFormat.dirty) set.push(['d', String(this.#storeFormat.value - 1)]);
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
    this.#storeFormat.settle();
    this.#archive.settle();
    this.#storedAt = this.#head;
  }

  restore(): void {
    this.#partitions.restore();
    this.#storeFormat.restore();
    this.#archive.restore();
  }
}
