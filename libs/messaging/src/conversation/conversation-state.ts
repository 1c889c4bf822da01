import { TrackedMap, TrackedValue, type Tracked } from '@millrace/actor';
import { isOpen, type Load, type MembershipInterval, type ReadReason, type ReadSegment } from '@millrace/diffusion';
import {
  invariant,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  encodeNumbered,
  WireEntry,
  type ControlBody,
  type EntryBrief,
  type ConversationKind,
  type EntryFields,
  type HistoryPolicy,
  type JoinPolicy,
  type MentionAllPolicy,
  type Pinned,
  type PinPolicy,
  type Role,
} from '@millrace/protocol';
import { allocateSeq, appended, type AnsweredAt, type Position, type TimelineHead } from '@millrace/timeline';
import { deletionField, widened, type ErasedAuthors, type Extent, type Revision } from '../revise/revision.ts';
import { CountedDevices, userOf, type CountedDevice, type CountedName, type CounterKey } from './counted-devices.ts';
import { MemberIndex } from './member-index.ts';
import { Readership } from './readership.ts';
import type { RecalledList } from './recalled.ts';
import { RecentRevisions } from './recent-revisions.ts';
import type { SendCounter } from './send-counter.ts';
import type { StoredConversation } from './stored-conversation.ts';
import { Switches } from './switches.ts';

/** What the conversation is: its kind for ever, the rest as it was set last. */
export interface ConversationMeta {
  readonly kind: ConversationKind;
  readonly title: string;
  readonly joinPolicy: JoinPolicy;
  readonly historyPolicy: HistoryPolicy;
  readonly createdBy: UserId;
  /** Wall time, for display. */
  readonly createdAt: number;
  /** Only the owner and admins write. */
  readonly muted: boolean;
  /** Least time between two messages of one mere member; 0 for none. */
  readonly slowModeMs: number;
  /** Of a group that was a lobby: that one's last generation, and where the entry stands that made it a group. */
  readonly lobby?: { readonly gen: Generation; readonly promoted: SequenceId; readonly storedIn: Generation };
  readonly mentionAllBy: MentionAllPolicy;
  /** Entries are kept for so many days at least, and for one more at most; absent or 0: as the deployment has it. */
  readonly retentionDays?: number;
  /** Messages disappear so long after they were sent, milliseconds; absent or 0: not at all. */
  readonly lifetimeMs?: number;
  readonly pinBy: PinPolicy;
}

/** The end of what has no end, in wall time. */
export const NEVER_MS = Number.MAX_SAFE_INTEGER;

/** One who may not come in; in a direct conversation: one whom the other one has blocked. */
export interface Ban {
  /** Null: the deployment's backend. */
  readonly by: UserId | null;
  /** Wall time, for display. */
  readonly atMs: number;
}

/** One who is or was a member. */
export interface Member {
  readonly role: Role;
  readonly intervals: readonly MembershipInterval[];
  readonly readSeq: SequenceId;
  /** `msgNo` at `readSeq`. */
  readonly readMsgNo: number;
  /** How many countable messages this member had sent up to `readSeq`. */
  readonly sentAtRead: number;
  /** At least {@link readSeq}. */
  readonly deliveredSeq: SequenceId;
  /** May not write before, by the server's wall time; 0 for not muted, {@link NEVER_MS} for ever. Outlives a leave. */
  readonly mutedUntilMs: number;
  /** How many messages behind {@link readSeq}, and below those that are listed as recalled, are gone: see `gone.ts`. */
  readonly goneBefore: number;
}

/** A message that mentions all members. */
export interface MentionOfAll {
  readonly seq: SequenceId;
  readonly from: UserId;
}

/** A message that was sent not long ago. */
export interface LatestMessage {
  readonly seq: SequenceId;
  readonly author: UserId;
}

/** A conversation that comes from an export, and is nothing yet to anybody before all of it is there. */
export interface Staged {
  /** Names what is imported, so that another one is not mixed with it: see `imported.ts`. */
  readonly what: string;
  readonly isDone: boolean;
}

/** Messages of a large conversation whose authors are told how far they have come. */
const LATEST_MAX = 10;

/** Client message ids of free form are remembered by windows; see `KeyedSend`. */
export interface KeyWindow {
  readonly window: number;
  readonly used: number;
}

/**
 * Everything that a conversation remembers, tracked so that a refused commit leaves no trace.
 *
 * `sent(user)` is not stored: the counters of a user's devices tell how many sends were accepted.
 */
export class ConversationState {
  readonly id: ConversationId;
  readonly meta: TrackedValue<ConversationMeta | null>;
  readonly head: TrackedValue<TimelineHead>;
  /** The entries up to this one are archived, and not hot any more (I8). 0 while none are. */
  readonly archivedTo: TrackedValue<SequenceId>;
  readonly msgNo: TrackedValue<number>;
  /** How many messages there were before the first entry that is kept. */
  readonly retiredMsgNo: TrackedValue<number>;
  readonly keyWindow: TrackedValue<KeyWindow>;
  /** Where the entries are in no inbox. */
  readonly segments: TrackedValue<readonly ReadSegment[]>;
  readonly switches = new Switches();
  /** Why it is pulled, while it is. */
  readonly readReason: TrackedValue<ReadReason>;
  /** Of its messages; null when nothing was sent since it was loaded. Not stored: only how messages travel goes by it. */
  readonly load = new TrackedValue<Load | null>(null);
  /** When the last entry was sequenced; 0 when that is not known. Stored only while the conversation is pulled. */
  readonly lastAt: TrackedValue<number>;
  /**
   * By user, the devices that have a counter: so that who reads a part of the record need not read all of it to find a
   * user's counters. Complete once the conversation has been pulled for the first time.
   */
  readonly senders: TrackedMap<UserId, readonly string[]>;
  readonly members: TrackedMap<UserId, Member>;
  readonly counters: TrackedMap<CounterKey, SendCounter>;
  readonly bans: TrackedMap<UserId, Ban>;
  /** By user, the messages that name them and that they have not read: see `mentions.ts`. */
  readonly mentioned: TrackedMap<UserId, readonly SequenceId[]>;
  /** The latest messages that mention all. */
  readonly mentionsOfAll: TrackedValue<readonly MentionOfAll[]>;
  /** The latest messages that were taken back: see `gone.ts`. */
  readonly recalled: TrackedValue<RecalledList>;
  /** As they were pinned one after the other: see `pins.ts`. */
  readonly pinned: TrackedValue<readonly Pinned[]>;
  /** By user, the messages that they have deleted for themselves and not read, and that counted: see `gone.ts`. */
  readonly deleted: TrackedMap<UserId, readonly SequenceId[]>;
  /** Between which entries all those are that were ever changed, or deleted by anybody. */
  readonly revised: TrackedValue<Extent | null>;
  readonly revisions: RecentRevisions;
  /** The last entry by which anybody left, 0 for none: what is changed up to there somebody sees last. Not stored. */
  readonly lastLeft: TrackedValue<SequenceId>;
  /** Whose messages are erased. */
  readonly erased: TrackedValue<ErasedAuthors>;
  /**
   * When members last wrote while slow mode was on, wall time. Not stored: in another activation each may write once at
   * once.
   */
  readonly lastSentMs = new TrackedMap<UserId, number>();
  /** Not stored: nothing but notices goes by it. */
  readonly latest = new TrackedValue<readonly LatestMessage[]>([]);
  readonly keys: TrackedMap<string, { readonly window: number; readonly seq: SequenceId }>;
  readonly staged: TrackedValue<Staged | null>;
  /** Not below the last entry that changed more than the messages. Not stored: at first the head. */
  lastControl: SequenceId;
  /** The oldest entry that a new member may see, where the whole history is to be seen. Not stored. */
  oldest = sequenceId(1);
  /** What the store holds; its generation may be behind that of `head`. */
  storedAt: Position;
  #entries: Uint8Array[] = [];
  /** The present members. */
  readonly #memberCount: TrackedValue<number>;
  #recipients: readonly UserId[] | null = null;
  /** All three are made when they are asked for first, and kept right from then on. */
  #index: MemberIndex | null = null;
  #banIndex: MemberIndex | null = null;
  #readership: Readership | null = null;
  readonly #devices = new CountedDevices();
  readonly #tracked: readonly Tracked[];

  constructor(stored: StoredConversation) {
    this.id = stored.id;
    this.staged = new TrackedValue(stored.staged ?? null);
    this.lastControl = stored.head.seq;
    this.storedAt = stored.storedAt;
    this.head = new TrackedValue(stored.head);
    this.archivedTo = new TrackedValue(stored.archivedTo);
    this.meta = new TrackedValue(stored.meta);
    this.msgNo = new TrackedValue(stored.msgNo);
    this.retiredMsgNo = new TrackedValue(stored.retiredMsgNo);
    this.keyWindow = new TrackedValue(stored.keyWindow);
    this.segments = new TrackedValue(stored.segments);
    this.readReason = new TrackedValue(stored.readReason);
    this.lastAt = new TrackedValue(stored.lastAt);
    this.senders = new TrackedMap(stored.senders);
    this.members = new TrackedMap(stored.members);
    let present = 0;
    let lastLeft = 0;
    for (const { intervals } of this.members.values()) {
      if (isOpen(intervals)) present += 1;
      for (const { to } of intervals) lastLeft = Math.max(lastLeft, to ?? 0);
    }
    this.#memberCount = new TrackedValue(present);
    this.lastLeft = new TrackedValue(sequenceId(lastLeft));
    this.counters = new TrackedMap(stored.counters);
    this.keys = new TrackedMap(stored.keys);
    this.bans = new TrackedMap(stored.bans);
    this.mentioned = new TrackedMap(stored.mentioned);
    this.mentionsOfAll = new TrackedValue(stored.mentionsOfAll);
    this.recalled = new TrackedValue(stored.recalled);
    this.pinned = new TrackedValue(stored.pinned);
    this.deleted = new TrackedMap(stored.deleted);
    this.revised = new TrackedValue(stored.revised);
    this.erased = new TrackedValue(stored.erased);
    this.revisions = new RecentRevisions(stored.head.seq);
    for (const key of this.counters.keys()) this.#devices.note(key);
    const { segments, lastAt, senders, bans, lastSentMs, mentioned, mentionsOfAll, readReason, load } = this;
    const { meta, head, archivedTo, msgNo, retiredMsgNo, keyWindow, members, counters, keys, latest, staged } = this;
    const ofMembers = [members, this.#memberCount, senders, counters, bans, lastSentMs, mentioned, this.deleted];
    this.#tracked = [
      ...[meta, head, archivedTo, msgNo, retiredMsgNo, keyWindow, segments, lastAt, keys, latest, mentionsOfAll],
      ...[this.recalled, this.pinned, this.revised, this.revisions, this.erased, this.lastLeft, readReason, staged],
      ...[load, this.switches.endedIn, ...ofMembers],
    ];
  }

  get entries(): readonly Uint8Array[] {
    return this.#entries;
  }

  /** The present members, in a list that stays the same object until the membership changes. */
  get recipients(): readonly UserId[] {
    this.#recipients ??= [...this.members.entries()]
      .filter(([, { intervals }]) => isOpen(intervals))
      .map(([user]) => user);
    return this.#recipients;
  }

  get memberCount(): number {
    return this.#memberCount.value;
  }

  /** All who are or were members, in order of user id. */
  get index(): MemberIndex {
    this.#index ??= new MemberIndex(this.members.keys());
    return this.#index;
  }

  /** All who are banned, and some who are not any more, in order of user id. */
  get banIndex(): MemberIndex {
    this.#banIndex ??= new MemberIndex(this.bans.keys());
    return this.#banIndex;
  }

  get readership(): Readership {
    this.#readership ??= new Readership(this.members.values());
    return this.#readership;
  }

  /** The member, if they are one now. */
  present(user: UserId): Member | null {
    const member = this.members.get(user);
    return member !== undefined && isOpen(member.intervals) ? member : null;
  }

  setMember(user: UserId, member: Member): void {
    const before = this.members.get(user);
    const [was, is] = [before !== undefined && isOpen(before.intervals), isOpen(member.intervals)];
    if (was !== is) {
      this.#memberCount.value += is ? 1 : -1;
      this.#recipients = null;
    }
    if (before === undefined) this.#index?.add(user);
    const left = Math.max(...member.intervals.map(({ to }) => to ?? 0), 0);
    if (left > this.lastLeft.value) this.lastLeft.value = sequenceId(left);
    this.#readership?.change(before ?? null, member);
    this.members.set(user, member);
  }

  setBan(user: UserId, ban: Ban): void {
    this.#banIndex?.add(user);
    this.bans.set(user, ban);
  }

  /** Slow mode is off: nobody has to wait any more. */
  forgetLastSent(): void {
    for (const user of [...this.lastSentMs.keys()]) this.lastSentMs.delete(user);
  }

  setCounter(key: CounterKey, counter: SendCounter): void {
    const isNew = !this.counters.has(key);
    if (isNew) this.#devices.note(key);
    this.counters.set(key, counter);
    if (isNew && this.segments.value.length > 0) this.#noteSender(userOf(key));
  }

  /** Nothing is remembered of a user who is no member: where nothing is stored, or all that they did is erased. */
  forgetUser(user: UserId): void {
    invariant(this.present(user) === null, 'a present member is not forgotten');
    for (const { key } of this.#devices.of(user)) this.counters.delete(key);
    for (const key of [...this.keys.keys()]) if (key.startsWith(`${user}/`)) this.keys.delete(key);
    this.#devices.forget(user);
    for (const of of [this.senders, this.lastSentMs, this.mentioned, this.deleted, this.members]) of.delete(user);
    this.#index = null;
    this.#readership = null;
  }

  /** How many messages the user has sent here, and the seq of the last one (0 for none). */
  sent(user: UserId): { readonly count: number; readonly lastSeq: SequenceId } {
    let count = 0;
    let lastSeq = 0;
    for (const { key } of this.#devices.of(user)) {
      const counter = this.counters.get(key);
      if (counter === undefined) continue;
      count += counter.last - counter.skipped;
      lastSeq = Math.max(lastSeq, counter.seqs.last ?? 0);
    }
    return { count, lastSeq: sequenceId(lastSeq) };
  }

  /** Brings {@link senders} up to all that have ever written. */
  noteSenders(): void {
    for (const user of this.#devices.users()) if (!this.senders.has(user)) this.#noteSender(user);
  }

  #noteSender(user: UserId): void {
    const counted = this.#devices.of(user).filter(({ key }) => this.counters.has(key));
    this.senders.set(
      user,
      counted.map(({ device }) => device),
    );
  }

  /** What a device is called here, whether or not it has sent something. */
  deviceOf(user: UserId, device: CountedName): CountedDevice {
    return this.#devices.find(user, device);
  }

  /** The user's devices that have sent something here. */
  devicesOf(user: UserId): readonly DeviceId[] {
    return this.#devices.of(user).flatMap(({ device }) => (device === '*api' ? [] : [device]));
  }

  /** Goes on behind entries that were numbered elsewhere, in a conversation that has none yet. */
  begin(from: { readonly head: TimelineHead; readonly msgNo: number; readonly entries: readonly Uint8Array[] }): void {
    invariant(this.head.value.seq === 0, 'only a conversation without entries begins');
    this.head.value = from.head;
    this.msgNo.value = from.msgNo;
    this.#entries.push(...from.entries);
  }

  /**
   * Puts one entry at the tail: its seq is allocated together with it (I3).
   */
  append(fields: Omit<EntryFields, 'msgNo' | 'countable'>, countable: boolean): WireEntry {
    const msgNo = this.msgNo.value + (countable ? 1 : 0);
    const { from, deviceTag, at } = fields;
    const brief: EntryBrief = { from, deviceTag, at, msgNo, countable };
    return this.appendEncoded(encodeNumbered(fields, brief), brief);
  }

  /** @param given - the caller's own seq, which is free: see `allocateSeq`. */
  appendEncoded(data: Uint8Array, brief: EntryBrief, given?: SequenceId): WireEntry {
    const seq = allocateSeq(this.head.value, given);
    invariant(seq.ok, 'the next seq is always free');
    this.head.value = appended(this.head.value, seq.value);
    this.msgNo.value = brief.msgNo;
    this.lastAt.value = brief.at;
    this.#entries.push(data);
    return new WireEntry(this.head.value.gen, this.head.value.seq, data, brief);
  }

  /** Lays this over an entry. */
  revise(seq: SequenceId, revision: Revision): void {
    this.revisions.set(seq, revision);
    this.revised.value = widened(this.revised.value, seq);
  }

  /** Hides an entry from one user. */
  deleteFor(user: UserId, seq: SequenceId): void {
    this.revisions.put(deletionField(seq, user), '');
    this.revised.value = widened(this.revised.value, seq);
  }

  /** @param seq - of a message that was just appended. */
  noteLatest(author: UserId, seq: SequenceId): void {
    this.latest.value = [...this.latest.value.slice(1 - LATEST_MAX), { seq, author }];
  }

  appendControl(by: UserId | null, control: ControlBody, nowMs: number): WireEntry {
    const body = JSON.stringify(control);
    const fields = { from: by, deviceTag: 0, n: 0, sentAt: 0, at: nowMs, type: 'control' as const, body };
    const entry = this.append(fields, false);
    this.lastControl = entry.seq;
    return entry;
  }

  get gen(): Generation {
    return this.head.value.gen;
  }

  /** What it tells stands in this commit: in the next one, with what is not stored yet. The answer waits for that. */
  get answeredAt(): AnsweredAt {
    const { token, last } = this.switches.commits;
    return { token, commitNo: last > 0 && (this.head.dirty || this.revisions.dirty) ? last + 1 : last };
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
    this.#recipients = null;
    for (const key of this.counters.keys()) this.#devices.note(key);
    // The index may name users that were not admitted after all; a count must not.
    this.#readership = null;
  }
}
