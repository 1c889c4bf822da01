import type { Commit } from '@millrace/partition';
import { comparePositions, type ActorKey, type Position } from '@millrace/timeline';
import type { ModelOperation } from './model-state.ts';

interface Owned {
  readonly epoch: number;
  readonly uuid: string;
}

interface Unacknowledged {
  readonly commitNo: number;
  readonly commitId: string;
  readonly entries: readonly string[];
}

interface Audited {
  claim: Owned | null;
  commitNo: number;
  readonly heads: Map<ActorKey, Position>;
  /** Commits that are stored, and of which nobody knows that: in order. */
  unacknowledged: readonly Unacknowledged[];
}

/** What one operation changed, to be undone when the store loses it. */
type Undo = () => void;

const nowhere = { gen: 0, seq: 0 };
const show = ({ gen, seq }: { readonly gen: number; readonly seq: number }): string => `${String(gen)}-${String(seq)}`;

/** What an entry is called in a history. */
export const entryName = (actor: ActorKey, at: { readonly gen: number; readonly seq: number }): string =>
  `${actor} ${show(at)}`;

/**
 * Follows what the store took, one operation after the other, and holds it against I2: a commit from the last claim
 * alone, numbered behind the one before it, on Timelines that stand where it expects them. It shares no code with the
 * store, so a guard that is missing there is seen here with the first commit that it should have stopped.
 *
 * It knows, too, how far each partition is acknowledged: to what commit its owner, or one after it, had an answer.
 */
export class StoreAudit {
  readonly #violated: (what: string) => void;
  readonly #partitions = new Map<number, Audited>();
  readonly #unacknowledged = new Set<string>();
  /** Of what the store may lose, in the order in which it was executed. */
  readonly #undos = new Map<ModelOperation, Undo>();

  constructor(violated: (what: string) => void) {
    this.#violated = violated;
  }

  #partition(partition: number): Audited {
    const known = this.#partitions.get(partition);
    if (known !== undefined) return known;
    const audited: Audited = { claim: null, commitNo: 0, heads: new Map(), unacknowledged: [] };
    this.#partitions.set(partition, audited);
    return audited;
  }

  /** The store has executed this, and it changed something. */
  executed(operation: ModelOperation): void {
    if (operation.kind === 'claim') this.#undos.set(operation, this.#claimed(operation));
    else if (operation.kind === 'commit') this.#undos.set(operation, this.#committed(operation.commit));
  }

  #claimed({ partition, uuid, aboveEpoch }: Extract<ModelOperation, { kind: 'claim' }>): Undo {
    const audited = this.#partition(partition);
    const before = audited.claim;
    audited.claim = { epoch: Math.max(before?.epoch ?? 0, aboveEpoch) + 1, uuid };
    return () => {
      audited.claim = before;
    };
  }

  #committed({ partition, token, commitNo, commitId, writes }: Commit): Undo {
    const audited = this.#partition(partition);
    const { claim } = audited;
    const where = `partition ${String(partition)} took commit ${String(commitNo)}`;
    if (claim?.uuid !== token.uuid) {
      const held = claim === null ? 'and nobody had claimed it' : `the last claim being that of ${String(claim.epoch)}`;
      this.#violated(`(I2) ${where} from an owner of epoch ${String(token.epoch)}, ${held}`);
    }
    if (commitNo !== audited.commitNo + 1) {
      this.#violated(`(I2) ${where} behind commit ${String(audited.commitNo)}`);
    }
    const heads = writes.map(({ actor }) => [actor, audited.heads.get(actor)] as const);
    const { commitNo: numberBefore, unacknowledged } = audited;
    const entries: string[] = [];
    for (const { actor, expected, head, entries: added } of writes) {
      const stood = audited.heads.get(actor) ?? (nowhere as Position);
      if (comparePositions(stood, expected) !== 0) {
        this.#violated(`(I2) ${where} with ${actor} at ${show(expected)}, which stood at ${show(stood)}`);
      }
      audited.heads.set(actor, { gen: head.gen, seq: head.seq });
      for (let back = 0; back < added.length; back += 1) {
        entries.push(entryName(actor, { gen: head.gen, seq: head.seq - back }));
      }
    }
    audited.commitNo = commitNo;
    audited.unacknowledged = [...unacknowledged, { commitNo, commitId, entries }];
    for (const entry of entries) this.#unacknowledged.add(entry);
    return () => {
      audited.commitNo = numberBefore;
      for (const [actor, head] of heads) {
        if (head === undefined) audited.heads.delete(actor);
        else audited.heads.set(actor, head);
      }
      audited.unacknowledged = audited.unacknowledged.filter((each) => each.commitNo < commitNo);
      for (const entry of entries) this.#unacknowledged.delete(entry);
    };
  }

  /** A process learned that this commit is stored, and so is all before it. */
  acknowledged({ partition, commitNo, commitId }: Commit): void {
    const audited = this.#partition(partition);
    // One that the store has lost since vouches for nothing.
    const at = audited.unacknowledged.findIndex((each) => each.commitNo === commitNo && each.commitId === commitId);
    for (const { entries } of audited.unacknowledged.slice(0, at + 1)) {
      for (const entry of entries) this.#unacknowledged.delete(entry);
    }
    audited.unacknowledged = audited.unacknowledged.slice(at + 1);
  }

  /** Whether an entry is stored, and nobody was told so: nobody may learn of it. */
  isUnacknowledged(entry: string): boolean {
    return this.#unacknowledged.has(entry);
  }

  /** The store has lost these, each together with all that came after it in its partition. */
  lost(operations: readonly ModelOperation[]): void {
    for (const operation of operations.toReversed()) {
      this.#undos.get(operation)?.();
      this.#undos.delete(operation);
    }
  }

  /** The store can lose nothing of what it has any more. */
  keep(): void {
    this.#undos.clear();
  }
}
