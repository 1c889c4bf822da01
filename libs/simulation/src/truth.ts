import { fromUtf8, generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import {
  decodeEntry,
  protocolLimits,
  type ControlBody,
  type DiffusionModeName,
  type EntryFields,
} from '@millrace/protocol';
import { conversationKey, revisionsKey, spansOf, type ActorKey, type TimelineHead } from '@millrace/timeline';
import type { ModelState } from './model-state.ts';
import type { WorldArchive } from './world-archive.ts';

export interface TrueEntry extends EntryFields {
  readonly gen: number;
  readonly seq: number;
}

/** Whose membership an entry changes, beside the one that tells of the creation. */
const changedBy = (control: ControlBody): readonly UserId[] =>
  control.control === 'joined' || control.control === 'left' || control.control === 'kicked' ? control.users : [];

/** A stay as the entries tell it. `to` is the entry that ended it. */
export interface Stay {
  readonly joined: number;
  to: number;
}

/** What one message was at some time: as it was sent, or behind the entry `rev`. */
export interface MessageState {
  readonly rev: number;
  readonly body: string;
  readonly isRecalled: boolean;
  /** `user emoji` of all who react, in the order in which they did. */
  readonly reacted: readonly string[];
  /** What has come in its thread: how many, and the last of them; 0 for none. */
  readonly replies: number;
  readonly lastReply: number;
}

/** What a message may be to one user. */
export interface StatesFor {
  /** Any of these on a device, and the last one in every read. */
  readonly states: readonly MessageState[];
  /** Who has reacted to it at any time, where the user was not told of all that changed it; else null. */
  readonly anyOf: ReadonlySet<string> | null;
}

/** An entry that changed a message, in what the Timeline says of it. */
interface Change {
  readonly rev: number;
  readonly control: Extract<ControlBody, { control: 'edited' | 'recalled' | 'reacted' }> | typeof reply;
  readonly from: UserId | null;
}

const reply = { control: 'replied' } as const;

/** Where a conversation stood when it was checked and what came before was taken away. */
export interface Checked {
  readonly seq: number;
  /** Of those who were in. */
  readonly stays: ReadonlyMap<UserId, Stay>;
  readonly mode: DiffusionModeName;
}

const nameOf = (control: Change['control'], from: UserId | null): string | null =>
  control.control === 'reacted' ? `${String(from)} ${control.emoji}` : null;

/** The message behind one more entry. */
function changed(before: MessageState, { rev, control, from }: Change): MessageState {
  if (control.control === 'replied') return { ...before, rev, replies: before.replies + 1, lastReply: rev };
  if (control.control === 'recalled') return { ...before, rev, body: '', isRecalled: true, reacted: [] };
  if (control.control === 'edited') return { ...before, rev, body: control.body ?? '' };
  const name = nameOf(control, from) ?? '';
  const others = before.reacted.filter((each) => each !== name);
  return { ...before, rev, reacted: control.on ? [...others, name] : others };
}

/**
 * What became of one conversation, found out from its Timeline by other means than the program's; read positions alone
 * are what its record says.
 */
export class Truth {
  readonly conversation: ConversationId;
  readonly head: TimelineHead | null;
  readonly entries: readonly TrueEntry[];
  /** The entries up to this one were taken away. */
  readonly since: number;
  /** How what comes next is diffused. */
  mode: DiffusionModeName;
  readonly #showsAll: boolean;
  readonly #stays = new Map<UserId, Stay[]>();
  readonly #fields: ReadonlyMap<string, Uint8Array>;
  /** `seq:user` of what users have deleted for themselves, as the record says. */
  readonly #deleted: ReadonlySet<string>;
  /** By message, as it was sent, and what changed it, entry by entry. */
  readonly #messages = new Map<number, { readonly sent: MessageState; readonly changes: Change[] }>();

  constructor(
    state: ModelState,
    archive: Pick<WorldArchive, 'entryAt'>,
    partitionOf: (actor: ActorKey) => number,
    conversation: ConversationId,
    showsAll: boolean,
    checked: Checked = { seq: 0, stays: new Map(), mode: 'write' },
  ) {
    this.since = checked.seq;
    this.mode = checked.mode;
    for (const [user, stay] of checked.stays) this.#stays.set(user, [{ ...stay }]);
    const actor = conversationKey(conversation);
    const partition = partitionOf(actor);
    this.conversation = conversation;
    this.#showsAll = showsAll;
    const { head, fields } = state.record(partition, actor);
    this.head = head;
    this.#fields = fields;
    const marks = [...state.record(partition, revisionsKey(conversation)).fields.keys()];
    this.#deleted = new Set(marks.filter((field) => field.includes(':')));
    const hot = state
      .range(partition, actor, {
        from: { gen: generation(0), seq: sequenceId(0) },
        to: { gen: generation(Number.MAX_SAFE_INTEGER), seq: sequenceId(Number.MAX_SAFE_INTEGER) },
        limit: Number.MAX_SAFE_INTEGER,
        direction: 'forward',
      })
      .map(({ gen, seq, data }) => ({ ...decodeEntry(data), gen, seq }));
    this.entries = [...this.#archived(archive), ...hot];
    for (const entry of this.entries) this.#follow(entry);
    for (const entry of this.entries) this.#note(entry);
  }

  #note({ type, body, seq, from, thread }: TrueEntry): void {
    if (type !== 'control') {
      const sent = { rev: 0, body: String(body), isRecalled: false, reacted: [], replies: 0, lastReply: 0 };
      this.#messages.set(seq, { sent, changes: [] });
      if (thread !== undefined) this.#messages.get(thread)?.changes.push({ rev: seq, control: reply, from });
      return;
    }
    const control = JSON.parse(String(body)) as ControlBody;
    if (control.control !== 'edited' && control.control !== 'recalled' && control.control !== 'reacted') return;
    this.#messages.get(control.seq)?.changes.push({ rev: seq, control, from });
  }

  /**
   * What a message may be to this user (I7): as the entries make it that they see, the last of which is what a read shows.
   * To whoever was not told of every change it may stand where the last one left it that they were told of, or later. That
   * it was recalled holds for all.
   */
  statesFor(user: UserId, seq: number): StatesFor {
    const { sent, changes } = this.#messages.get(seq) ?? { sent: null, changes: [] };
    if (sent === null) return { states: [], anyOf: null };
    const seen = changes.filter(({ rev, control }) => control.control === 'recalled' || this.maySee(user, rev));
    const states = seen.reduce<MessageState[]>(
      (before, change) => [...before, changed(before.at(-1) ?? sent, change)],
      [sent],
    );
    const told = states.findLastIndex(({ rev }) => rev === 0 || this.receives(user, rev));
    const late = states.slice(Math.max(0, told));
    if (changes.every(({ rev }) => this.receives(user, rev))) return { states: late, anyOf: null };
    const ofAll = changes.reduce(changed, sent);
    const anyOf = new Set(changes.flatMap(({ control, from }) => nameOf(control, from) ?? []));
    return { states: [...late, this.#read(user, states.at(-1) ?? sent, ofAll, changes)], anyOf };
  }

  /** How a read shows a message to one who was not told of everything: reactions as they are, or none at all. */
  #read(user: UserId, seen: MessageState, ofAll: MessageState, changes: readonly Change[]): MessageState {
    const lastReply = this.maySee(user, ofAll.lastReply) ? ofAll.lastReply : 0;
    const replies = lastReply > 0 ? ofAll.replies : 0;
    if (seen.isRecalled) {
      const recall = changes.find(({ control }) => control.control === 'recalled')?.rev ?? 0;
      return { ...ofAll, rev: Math.max(recall, lastReply), replies, lastReply };
    }
    const reaction = changes.findLast(({ control }) => control.control === 'reacted')?.rev ?? 0;
    const edits = changes.filter(({ control, rev }) => control.control === 'edited' && this.maySee(user, rev));
    const isCounted = reaction > 0 && this.maySee(user, reaction);
    const rev = Math.max(edits.at(-1)?.rev ?? 0, isCounted ? reaction : 0, lastReply);
    return { ...seen, rev, reacted: isCounted ? ofAll.reacted : [], replies, lastReply };
  }

  /** Whether an `edited` entry says nothing any more to anybody: its message was recalled. */
  isTakenBack({ body }: TrueEntry): boolean {
    const control = JSON.parse(String(body)) as ControlBody;
    if (control.control !== 'edited') return false;
    const changes = this.#messages.get(control.seq)?.changes ?? [];
    return changes.some((change) => change.control.control === 'recalled');
  }

  /** What a message is now; null for an entry that is none. */
  now(seq: number): MessageState | null {
    const message = this.#messages.get(seq);
    return message === undefined ? null : message.changes.reduce(changed, message.sent);
  }

  hasDeleted(user: UserId, seq: number): boolean {
    return this.#deleted.has(`${String(seq)}:${user}`);
  }

  /** Whether a message does not count for the user, though they have not read it. */
  isGone(user: UserId, seq: number): boolean {
    const { changes } = this.#messages.get(seq) ?? { changes: [] };
    const isRecalled = changes.some(({ rev, control }) => control.control === 'recalled' && this.receives(user, rev));
    return this.hasDeleted(user, seq) || isRecalled;
  }

  /** What the record says is archived, as the archive has it; what that lacks is not there. */
  #archived(archive: Pick<WorldArchive, 'entryAt'>): readonly TrueEntry[] {
    const mark = this.#fields.get('z');
    const archivedTo = mark === undefined || this.head === null ? 0 : Number(fromUtf8(mark));
    const spans = this.head === null ? [] : spansOf(this.head);
    return spans.flatMap(({ gen, first, last }) => {
      const found: TrueEntry[] = [];
      for (let seq = Math.max(first, this.since + 1); seq <= Math.min(last, archivedTo); seq += 1) {
        const data = archive.entryAt(this.conversation, { gen, seq: sequenceId(seq) });
        if (data !== null) found.push({ ...decodeEntry(data), gen, seq });
      }
      return found;
    });
  }

  /** For the truth of later. */
  get checked(): Checked {
    const stays = new Map<UserId, Stay>();
    for (const [user, of] of this.#stays) {
      const last = of.at(-1);
      if (last?.to === Infinity) stays.set(user, last);
    }
    return { seq: this.since + this.entries.length, stays, mode: this.mode };
  }

  /** How often it went over to being pulled, or back. */
  get switches(): number {
    return this.entries.filter(({ type, body }) => type === 'control' && String(body).includes('"diffusion"')).length;
  }

  /** How many edits, recalls and deletions it has. */
  get changes(): number {
    let changes = this.#deleted.size;
    for (const message of this.#messages.values()) changes += message.changes.length;
    return changes;
  }

  get members(): readonly UserId[] {
    return [...this.#stays.keys()];
  }

  #follow({ type, body, seq }: TrueEntry): void {
    if (type !== 'control' || typeof body !== 'string') return;
    const control = JSON.parse(body) as ControlBody;
    if (control.control === 'diffusion') this.mode = control.mode;
    const members = control.control === 'created' ? control.members : changedBy(control);
    for (const user of members) {
      const stays = this.#stays.get(user) ?? [];
      if (control.control === 'created' || control.control === 'joined') stays.push({ joined: seq, to: Infinity });
      else {
        const last = stays.at(-1);
        if (last !== undefined) last.to = seq;
      }
      this.#stays.set(user, stays);
    }
  }

  isIn(user: UserId): boolean {
    return this.#stays.get(user)?.at(-1)?.to === Infinity;
  }

  /** Whether the user gets the entry into their inbox (I7). */
  receives(user: UserId, seq: number): boolean {
    return (this.#stays.get(user) ?? []).some(({ joined, to }) => seq >= joined && seq <= to);
  }

  /** Whether the user may see the entry (I7). */
  maySee(user: UserId, seq: number): boolean {
    return (this.#stays.get(user) ?? []).some(({ joined, to }) => seq >= (this.#showsAll ? 1 : joined) && seq <= to);
  }

  /** Whether the head tells that the generation ended below `seq`; one that was not written to since ends with it. */
  wasLost(gen: number, seq: number): boolean {
    if (this.head === null) return true;
    if (this.head.gen < gen) return true;
    if (this.head.gen === gen) return seq > this.head.seq;
    const span = spansOf(this.head).find((each) => each.gen === gen);
    return span === undefined || seq > span.last;
  }

  /** How far the conversation says that the user has read. */
  readSeq(user: UserId): number {
    const stored = this.#fields.get(`m:${user}`);
    return stored === undefined ? 0 : Number((JSON.parse(fromUtf8(stored)) as readonly unknown[])[1]);
  }

  /** Of those who received the entry, its author left out: how many have it and have read it, as their positions say. */
  receipts({ seq, from }: TrueEntry): {
    readonly recipients: number;
    readonly delivered: number;
    readonly read: number;
  } {
    const users = this.members.filter((user) => user !== from && this.receives(user, seq));
    const positions = users.map((user) => this.#position(user));
    return {
      recipients: users.length,
      delivered: positions.filter(({ deliveredSeq }) => deliveredSeq >= seq).length,
      read: positions.filter(({ readSeq }) => readSeq >= seq).length,
    };
  }

  #position(user: UserId): { readonly readSeq: number; readonly deliveredSeq: number } {
    const stored = this.#fields.get(`m:${user}`);
    const [, readSeq, , , deliveredSeq] = stored === undefined ? [] : (JSON.parse(fromUtf8(stored)) as unknown[]);
    return { readSeq: Number(readSeq ?? 0), deliveredSeq: Number(deliveredSeq ?? 0) };
  }

  /** The messages of a thread behind its first one. */
  repliesTo(first: number): readonly TrueEntry[] {
    return this.entries.filter(({ thread }) => thread === first);
  }

  /** The unread messages that mention the user. */
  mentions(user: UserId, readSeq: number): readonly number[] {
    return this.entries
      .filter((entry) => entry.seq > readSeq && this.receives(user, entry.seq) && !this.isGone(user, entry.seq))
      .filter(({ from, mentions, mentionAll }) => from !== user && (mentionAll ?? mentions?.includes(user) ?? false))
      .map(({ seq }) => seq)
      .slice(-protocolLimits.mentionsPerSummary);
  }

  /** The messages up to there that mention all. */
  mentionsOfAll(seq: number): readonly number[] {
    return this.entries.flatMap((entry) => (entry.seq <= seq && entry.mentionAll === true ? [entry.seq] : []));
  }

  unread(user: UserId, readSeq: number): number {
    const counts = ({ seq, countable, from }: TrueEntry): boolean =>
      countable && seq > readSeq && from !== user && this.receives(user, seq) && !this.isGone(user, seq);
    return this.entries.filter(counts).length;
  }
}
