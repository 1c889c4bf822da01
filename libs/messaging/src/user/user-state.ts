import { TrackedMap, TrackedValue, type Tracked } from '@millrace/actor';
import type { DiffusionMode } from '@millrace/diffusion';
import {
  generation,
  sequenceId,
  type ConversationId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { goneCount, noGone, type ConversationKind, type Gone } from '@millrace/protocol';
import { advanced, type Position, type TimelineHead } from '@millrace/timeline';
import { encodeInboxEntry, type InboxEntry } from './inbox-entry.ts';
import type { Scheduled } from './scheduled.ts';

/** What does not change of a conversation in a user's list. */
export interface ListedConversation {
  /** A small number that stands for the conversation in this user's inbox records. From 1. */
  readonly slot: number;
  readonly kind: ConversationKind;
  readonly title: string;
}

/**
 * How far this user is in one conversation. `gen` and `seq` are the watermark `applied[conversation]` (I6): what is
 * at or before it is in the inbox already.
 */
export interface Progress extends Position {
  readonly msgNo: number;
  /** The user's own countable messages up to `seq`, of those behind `sentFrom`. */
  readonly sent: number;
  /**
   * Where `sent` begins; 0, mostly: it is whole. Else deliveries below were missed or have been lost, and only the
   * conversation knows how many of them were the user's own: see `recount`.
   */
  readonly sentFrom: SequenceId;
  readonly readSeq: SequenceId;
  readonly readMsgNo: number;
  readonly sentAtRead: number;
  /** When the last entry was sequenced. Wall time, for display and the order of the list. */
  readonly lastAt: number;
  readonly member: boolean;
  /** How what comes behind `seq` is diffused. With `read` it is pulled from the conversation, and nothing of it is here. */
  readonly behind: DiffusionMode;
  /**
   * The newest generation of the conversation's partition in which all this is known to be right, and the newest of the
   * user's own. What a later one may have lost is asked of the conversation: see `Standing`.
   */
  readonly confirmedGen: Generation;
  readonly confirmedIn: Generation;
}

/** What concerns the user in one conversation above all. */
export interface Concern {
  /** The messages that mention them, or all, and that they have not read: see `@millrace/protocol`, mentions.ts. */
  readonly mentions: readonly SequenceId[];
  /** What of what they have not read does not count: see `@millrace/protocol`, gone.ts. */
  readonly gone: Gone;
  /** The last entry that the inbox has a hint of: what is at or before it was told already (I6). */
  readonly hinted: Position;
}

export const noConcern: Concern = { mentions: [], gone: noGone, hinted: { gen: generation(0), seq: sequenceId(0) } };

/** Whether the conversation has to be asked before anybody is told how much the user has not read. */
export const isUncounted = ({ sentFrom }: Progress): boolean => sentFrom > 0;

/** What the inbox as a whole remembers beside its entries. */
export interface InboxMeta {
  /** Entries below were trimmed. */
  readonly oldest: SequenceId;
  readonly nextSlot: number;
  /** The last entry that tells how a conversation is diffused from then on; 0 for none. */
  readonly switched: SequenceId;
  /** The first inbox seq of each day that had any, oldest first: what trimming by age goes by. */
  readonly days: readonly (readonly [atMs: number, seq: number])[];
}

export const newInbox: InboxMeta = { oldest: sequenceId(1), nextSlot: 1, switched: sequenceId(0), days: [] };

export interface UserLimits {
  readonly inboxEntriesMax: number;
  readonly inboxAgeMsMax: number;
}

const DAY_MS = 24 * 3_600_000;
/** Trimming waits until this share of the bound is over it, so that it is rare. */
const TRIM_SLACK = 0.1;

/** Everything that Millrace remembers of one user, tracked so that a refused commit leaves no trace. */
export class UserState {
  readonly id: UserId;
  readonly head: TrackedValue<TimelineHead>;
  readonly inbox: TrackedValue<InboxMeta>;
  readonly listed: TrackedMap<ConversationId, ListedConversation>;
  readonly progress: TrackedMap<number, Progress>;
  /** By slot, of conversations in which something ever concerned the user. */
  readonly #concerns: TrackedMap<number, Concern>;
  /** See the command `erasure`; null for none. */
  readonly erasure: TrackedValue<string | null>;
  /** Messages that are to be sent later, or were, by the user's keys: see scheduled.ts. */
  readonly scheduled: TrackedMap<string, Scheduled>;
  storedAt: Position;
  #entries: Uint8Array[] = [];
  /** Made when it is asked for first. */
  #bySlot: Map<number, ConversationId> | null = null;
  readonly #tracked: readonly Tracked[];

  constructor(stored: {
    readonly id: UserId;
    readonly storedAt: Position;
    readonly head: TimelineHead;
    readonly inbox: InboxMeta;
    readonly listed: Iterable<readonly [ConversationId, ListedConversation]>;
    readonly progress: Iterable<readonly [number, Progress]>;
    readonly concerns: Iterable<readonly [number, Concern]>;
    readonly erasure?: string | null;
    readonly scheduled?: Iterable<readonly [string, Scheduled]>;
  }) {
    this.id = stored.id;
    this.storedAt = stored.storedAt;
    this.head = new TrackedValue(stored.head);
    this.inbox = new TrackedValue(stored.inbox);
    this.listed = new TrackedMap(stored.listed);
    this.erasure = new TrackedValue(stored.erasure ?? null);
    this.scheduled = new TrackedMap(stored.scheduled ?? []);
    this.progress = new TrackedMap(stored.progress);
    this.#concerns = new TrackedMap(stored.concerns);
    const { head, inbox, listed, progress, erasure, scheduled } = this;
    this.#tracked = [head, inbox, listed, progress, this.#concerns, erasure, scheduled];
  }

  get entries(): readonly Uint8Array[] {
    return this.#entries;
  }

  conversationAt(slot: number): ConversationId | undefined {
    this.#bySlot ??= new Map([...this.listed.entries()].map(([conversation, listed]) => [listed.slot, conversation]));
    return this.#bySlot.get(slot);
  }

  /** Lists a conversation under a slot of its own, or updates what is listed. */
  list(conversation: ConversationId, kind: ConversationKind, title: string): ListedConversation {
    const known = this.listed.get(conversation);
    if (known !== undefined && known.kind === kind && known.title === title) return known;
    const slot = known?.slot ?? this.inbox.value.nextSlot;
    if (known === undefined) this.#note({ nextSlot: slot + 1 });
    const entry: ListedConversation = { slot, kind, title };
    this.listed.set(conversation, entry);
    this.#bySlot?.set(slot, conversation);
    return entry;
  }

  /** The conversation is no more, or never was this user's. Its slot is not given again. */
  unlist(conversation: ConversationId): void {
    const slot = this.listed.get(conversation)?.slot;
    if (slot === undefined) return;
    this.listed.delete(conversation);
    this.progress.delete(slot);
    this.#concerns.delete(slot);
    this.#bySlot?.delete(slot);
  }

  concern(slot: number): Concern {
    return this.#concerns.get(slot) ?? noConcern;
  }

  setConcern(slot: number, next: Concern): void {
    const { mentions, gone, hinted } = this.concern(slot);
    if (next.mentions === mentions && next.gone === gone && next.hinted === hinted) return;
    if (next.mentions.length === 0 && goneCount(next.gone) === 0 && next.hinted.seq === 0) this.#concerns.delete(slot);
    else this.#concerns.set(slot, next);
  }

  /** Those that changed since the last commit; undefined for none any more. */
  concernChanges(): Iterable<readonly [number, Concern | undefined]> {
    return this.#concerns.changes();
  }

  append(entry: InboxEntry, nowMs: number): void {
    this.head.value = advanced(this.head.value, 1);
    this.#entries.push(encodeInboxEntry(entry));
    const { days } = this.inbox.value;
    const day = nowMs - (nowMs % DAY_MS);
    if (day > (days.at(-1)?.[0] ?? 0)) {
      this.#note({ days: [...days, [day, this.head.value.seq]] });
    }
  }

  /** Not by spreading: what it gives have each a shape of their own in the engine, and this is looked at for each message. */
  #note(change: Partial<InboxMeta>): void {
    const { oldest, nextSlot, switched, days } = this.inbox.value;
    this.inbox.value = {
      oldest: change.oldest ?? oldest,
      nextSlot: change.nextSlot ?? nextSlot,
      switched: change.switched ?? switched,
      days: change.days ?? days,
    };
  }

  /** The entry at the head tells how a conversation is diffused from here on. */
  noteSwitch(): void {
    this.#note({ switched: this.head.value.seq });
  }

  /**
   * The inbox lacks something that it should have: a device that goes on from before here is told that it is too far
   * behind, and reads the conversations themselves.
   */
  breakInbox(nowMs: number): void {
    // Once is enough: behind a break there is nothing yet to break from.
    if (this.#entries.length > 0 && this.inbox.value.oldest > this.head.value.seq) return;
    this.append({ kind: 'break' }, nowMs);
    this.#note({ oldest: sequenceId(this.head.value.seq + 1) });
  }

  /** Moves `oldest` when the inbox is over its bounds. @returns whether it did. */
  trim(nowMs: number, limits: UserLimits): boolean {
    const { oldest, days } = this.inbox.value;
    const { seq } = this.head.value;
    const tooMany = seq - oldest + 1 > limits.inboxEntriesMax * (1 + TRIM_SLACK);
    const byLength = tooMany ? seq - limits.inboxEntriesMax + 1 : oldest;
    // Everything before the first day that is still within the age is older than it.
    const young = days.findIndex(([atMs]) => atMs + DAY_MS >= nowMs - limits.inboxAgeMsMax);
    const byAge = young > 0 ? (days[young]?.[1] ?? oldest) : oldest;
    const next = Math.max(oldest, byLength, byAge);
    if (next === oldest) return false;
    this.#note({ oldest: sequenceId(next), days: days.slice(Math.max(0, young)) });
    return true;
  }

  get dirty(): boolean {
    return this.#entries.length > 0 || this.#tracked.some(({ dirty }) => dirty);
  }

  settle(): void {
    // Another actor's write settles the whole batch: one that only answered still stands where it was stored.
    if (!this.dirty) return;
    for (const part of this.#tracked) part.settle();
    this.storedAt = this.head.value;
    this.#entries = [];
  }

  restore(): void {
    for (const part of this.#tracked) part.restore();
    this.#entries = [];
    this.#bySlot = null;
  }
}
