import type { ConversationId, UserId } from '@millrace/kernel';
import type { Commit } from '@millrace/partition';
import { comparePositions, conversationKey, type ActorKey, type Position } from '@millrace/timeline';
import type { ModelState } from './model-state.ts';
import { entryName, StoreAudit } from './store-audit.ts';

export interface Ack {
  readonly conversation: ConversationId;
  /** `user/device n`, or a backend's key: what must get one seq. */
  readonly id: string;
  readonly body: string;
  readonly at: Position;
  /** How often acknowledged commits had been lost before it can have been given. */
  readonly losses: number;
}

/** A message that a user has deleted for themselves, and was told so. */
export interface Deletion {
  readonly conversation: ConversationId;
  readonly user: UserId;
  readonly seq: number;
  readonly losses: number;
}

/** What was known of read positions when something was asked. */
export interface ReadSince {
  readonly losses: number;
  readonly positions: ReadonlyMap<UserId, number>;
}

const VIOLATIONS_MAX = 20;
const show = ({ gen, seq }: Position): string => `${String(gen)}-${String(seq)}`;

/** What was observed during a run, checked as it comes in where that is possible. */
export class History {
  readonly violations: string[] = [];
  acks: Ack[] = [];
  deletions: Deletion[] = [];
  /** How often the program said that acknowledged history was or may have been lost. */
  losses = 0;
  /** What the store took, held against I2. */
  readonly audit = new StoreAudit((what) => this.violated(what));
  readonly #stored = new Set<string>();
  readonly #ackOf = new Map<string, Ack>();
  /** The highest position acknowledged in each conversation since the last loss. */
  readonly #floors = new Map<ConversationId, Position>();
  /** The furthest that anybody was told each user has read, since the last loss. */
  readonly #readings = new Map<ConversationId, Map<UserId, number>>();
  readonly #partitionOf: (actor: ActorKey) => number;
  readonly #state: () => ModelState;
  readonly #isArchived: (conversation: ConversationId, at: Position) => boolean;

  constructor(
    partitionOf: (actor: ActorKey) => number,
    state: () => ModelState,
    isArchived: (conversation: ConversationId, at: Position) => boolean,
  ) {
    this.#partitionOf = partitionOf;
    this.#state = state;
    this.#isArchived = isArchived;
  }

  violated(what: string): void {
    if (this.violations.length < VIOLATIONS_MAX) this.violations.push(what);
  }

  /** A process knows that this commit is stored. */
  committed(commit: Commit): void {
    this.audit.acknowledged(commit);
    for (const { actor, head, entries } of commit.writes) {
      for (let back = 0; back < entries.length; back += 1) {
        this.#stored.add(entryName(actor, { gen: head.gen, seq: head.seq - back }));
      }
    }
  }

  /** Everything until now was checked. What is the same in every state that follows is not kept. */
  forget(): void {
    this.acks = [];
    this.deletions = [];
    this.#stored.clear();
    this.#ackOf.clear();
    this.audit.keep();
  }

  lost(): void {
    this.losses += 1;
    this.#floors.clear();
    this.#readings.clear();
  }

  /** Where a message that is sent now must stand above (acknowledged-before-sent implies a lower seq). */
  floor(conversation: ConversationId): Position | null {
    return this.#floors.get(conversation) ?? null;
  }

  acked(ack: Ack, floor: Position | null, isFresh: boolean): void {
    const { conversation, id, at, body } = ack;
    const where = `${conversation} ${show(at)}`;
    if (isFresh) this.revealed(conversation, at, `the ack of ${id}`);
    const before = this.#ackOf.get(`${conversation} ${id}`);
    if (before === undefined) this.acks.push(ack);
    else if (comparePositions(before.at, at) !== 0) {
      // An answer may come long after it was given: that there was a loss between the two, only the generation tells.
      if (before.at.gen >= at.gen)
        this.violated(`(I4) ${id} was acknowledged at ${show(before.at)} and again at ${where}`);
      this.acks.push(ack);
    }
    this.#ackOf.set(`${conversation} ${id}`, ack);
    if (floor !== null && comparePositions(at, floor) <= 0) {
      this.violated(`(I3) ${body} stands at ${where}, though ${show(floor)} was acknowledged before it was sent`);
    }
    // One that was given before a loss and comes behind it says nothing of what is there now.
    if (ack.losses < this.losses) return;
    const highest = this.#floors.get(conversation);
    if (highest === undefined || comparePositions(at, highest) > 0) this.#floors.set(conversation, at);
  }

  /** Whether an entry is stored, and no owner knows that. */
  isUnacknowledged(actor: ActorKey, at: Position): boolean {
    return !this.#stored.has(entryName(actor, at)) && this.audit.isUnacknowledged(entryName(actor, at));
  }

  /** Somebody has learned of an entry: it must have been stored, and acknowledged to its owner, before (I1). */
  revealed(conversation: ConversationId, at: Position, how: string): void {
    const actor = conversationKey(conversation);
    if (this.#stored.has(entryName(actor, at))) return;
    if (this.audit.isUnacknowledged(entryName(actor, at))) {
      this.violated(`(I1) ${how} reveals ${conversation} ${show(at)}, which no owner knows to be stored`);
      return;
    }
    const query = { from: at, to: at, limit: 1, direction: 'forward' } as const;
    if (this.#state().range(this.#partitionOf(actor), actor, query).length > 0) return;
    if (this.#isArchived(conversation, at)) return;
    this.violated(`(I1) ${how} reveals ${conversation} ${show(at)}, which is not stored`);
  }

  /** What is asked of a conversation now must not be answered with read positions before these. */
  readSince(conversation: ConversationId): ReadSince {
    return { losses: this.losses, positions: new Map(this.#readings.get(conversation)) };
  }

  /** A conversation has said how far the user has read. */
  readTo(conversation: ConversationId, user: UserId, readSeq: number, { losses, positions }: ReadSince): void {
    if (losses !== this.losses) return;
    const before = positions.get(user) ?? 0;
    if (readSeq < before) {
      const where = `${String(before)} in ${conversation}`;
      this.violated(`(P5) ${user} is told to have read up to ${String(readSeq)}, and had up to ${where}`);
    }
    const known = this.#readings.get(conversation) ?? new Map<UserId, number>();
    this.#readings.set(conversation, known.set(user, Math.max(readSeq, known.get(user) ?? 0)));
  }

  /** A read that began when `floor` had been acknowledged, and found the head at `head`. */
  read(conversation: ConversationId, user: UserId, floor: Position | null, losses: number, head: Position): void {
    if (floor === null || losses !== this.losses || comparePositions(head, floor) >= 0) return;
    this.violated(`(P5) ${user} read ${conversation} up to ${show(head)}, after ${show(floor)} was acknowledged`);
  }
}
