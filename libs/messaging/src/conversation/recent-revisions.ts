import { TrackedMap, type Tracked } from '@millrace/actor';
import { sequenceId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import {
  encodeRevision,
  reactionsField,
  revisionField,
  type Revision,
  type RevisionFacts,
  type TargetFacts,
} from '../revise/revision.ts';

/** Entries whose revisions are kept, beside those that are not stored yet (I9). */
const KEPT_MAX = 64;
/** And users' reactions to them: with more of them all is let go. */
const EMOJIS_KEPT_MAX = 512;

/**
 * What was changed last of a conversation's entries. Not stored: of what it does not hold the store is asked before.
 *
 * (V1) Every revision above {@link floor} is in it. So what was read of an entry is true when it was acknowledged at or
 *      behind the floor, and nothing else is held.
 */
export class RecentRevisions implements Tracked {
  #recent = new TrackedMap<SequenceId, Revision>();
  /** By the field that it is stored in, how a user has reacted to a message whose revision is held. */
  #emojis = new TrackedMap<string, readonly string[]>();
  #floor: SequenceId;
  /** Other fields that are to be stored, of which nothing is held here. */
  #others: (readonly [field: string, value: string])[] = [];
  /** Fields that are to be taken away: their messages are not kept any more. */
  #gone: readonly string[] = [];

  /** @param head - of the conversation as it was loaded: the revisions up to there are stored, and not held. */
  constructor(head: SequenceId) {
    this.#floor = head;
  }

  get floor(): SequenceId {
    return this.#floor;
  }

  get size(): number {
    return this.#recent.size + this.#emojis.size;
  }

  /** The revision of the entry, null for none; `stale` when the facts are older than what is held. */
  of({ seq, revision, gen, asOf }: RevisionFacts, now: Generation): Revision | null | 'stale' {
    const held = this.#recent.get(seq);
    if (held !== undefined) return held;
    return gen === now && asOf >= this.#floor ? revision : 'stale';
  }

  /** How the user has reacted to the entry; `stale` likewise. */
  emojisOf({ seq, emojis, gen, asOf }: TargetFacts, user: UserId, now: Generation): readonly string[] | 'stale' {
    const held = this.#emojis.get(reactionsField(seq, user));
    if (held !== undefined) return held;
    return gen === now && asOf >= this.#floor ? emojis : 'stale';
  }

  set(seq: SequenceId, revision: Revision): void {
    this.#recent.set(seq, revision);
  }

  setEmojis(seq: SequenceId, user: UserId, emojis: readonly string[]): void {
    this.#emojis.set(reactionsField(seq, user), emojis);
  }

  /** Stores a field of which the actor need not know any more. */
  put(field: string, value: string): void {
    this.#others.push([field, value]);
  }

  /** Takes fields away whose messages are not kept any more. */
  drop(fields: readonly string[]): void {
    this.#gone = [...this.#gone, ...fields];
  }

  get dropped(): readonly string[] {
    return this.#gone;
  }

  /** The fields that are to be set, as `revise/revision.ts` has them. */
  get fields(): readonly (readonly [field: string, value: string])[] {
    const fields = [...this.#others];
    for (const [seq, revision] of this.#recent.changes()) {
      if (revision !== undefined) fields.push([revisionField(seq), encodeRevision(revision)]);
    }
    for (const [field, emojis] of this.#emojis.changes()) fields.push([field, JSON.stringify(emojis ?? [])]);
    return fields;
  }

  get dirty(): boolean {
    return this.#recent.dirty || this.#emojis.dirty || this.#others.length + this.#gone.length > 0;
  }

  settle(): void {
    this.#recent.settle();
    this.#emojis.settle();
    this.#others = [];
    this.#gone = [];
    if (this.#recent.size <= KEPT_MAX && this.#emojis.size <= EMOJIS_KEPT_MAX) return;
    const byRev = [...this.#recent.entries()].sort(([, one], [, other]) => one.rev - other.rev);
    const kept = this.#emojis.size > EMOJIS_KEPT_MAX ? 0 : KEPT_MAX / 2;
    const gone = byRev.slice(0, Math.max(0, byRev.length - kept));
    const last = gone.at(-1)?.[1].rev ?? this.#floor;
    if (last > this.#floor) this.#floor = last;
    this.#recent = new TrackedMap(byRev.slice(gone.length));
    const isHeld = (field: string): boolean => this.#recent.has(sequenceId(Number(field.slice(0, field.indexOf('!')))));
    this.#emojis = new TrackedMap([...this.#emojis.entries()].filter(([field]) => isHeld(field)));
  }

  restore(): void {
    this.#recent.restore();
    this.#emojis.restore();
    this.#others = [];
    this.#gone = [];
  }
}
