import type { ConversationId, UserId } from '@millrace/kernel';
import { withReaction, type ControlBody, type Reaction, type WireEntry } from '@millrace/protocol';
import { comparePositions, type Position } from '@millrace/timeline';

export interface Seen {
  readonly gen: number;
  readonly body: string;
  /** The last entry that changed it, 0 for none. */
  readonly rev: number;
  readonly isRecalled: boolean;
  readonly isDeleted: boolean;
  /** As JSON. */
  readonly reactions: string;
  readonly replies: number;
  readonly lastReply: number;
  readonly from: string | null;
  readonly countable: boolean;
}

/** What an entry shows, as it was told. */
export function seenOf({ gen, message }: Pick<WireEntry, 'gen' | 'message'>): Seen {
  const { body, rev = 0, recalled, deleted = false, from, countable, reactions = [], replies } = message;
  const text = typeof body === 'string' ? body : '';
  const what = { isRecalled: recalled !== undefined, isDeleted: deleted, reactions: JSON.stringify(reactions) };
  const thread = { replies: replies?.count ?? 0, lastReply: replies?.last ?? 0 };
  return { gen, body: text, rev, from, countable, ...what, ...thread };
}

/** What one device has put together from what it was told, as an application would show it. */
export class DeviceView {
  readonly #conversations = new Map<ConversationId, Map<number, Seen>>();
  /** How far deltas have come: they bring each entry once, in order. */
  readonly #through = new Map<ConversationId, Position>();
  /** What was changed by an entry that is lost: it has to be read again. */
  readonly #doubted = new Map<ConversationId, Set<number>>();

  /** How far the user has read, by the furthest that the device was told. */
  readonly #readTo = new Map<ConversationId, number>();

  readonly #user: UserId;

  constructor(user: UserId) {
    this.#user = user;
  }

  readSeq(conversation: ConversationId): number | undefined {
    return this.#readTo.get(conversation);
  }

  readTo(conversation: ConversationId, readSeq: number): void {
    this.#readTo.set(conversation, Math.max(readSeq, this.#readTo.get(conversation) ?? 0));
  }

  of(conversation: ConversationId): ReadonlyMap<number, Seen> {
    return this.#conversations.get(conversation) ?? new Map<number, Seen>();
  }

  get conversations(): readonly ConversationId[] {
    return [...this.#conversations.keys()];
  }

  head(conversation: ConversationId): number {
    return Math.max(0, ...this.of(conversation).keys());
  }

  /** Takes what is in doubt out of the list of that. */
  takeDoubted(): readonly (readonly [ConversationId, readonly number[]])[] {
    const doubted = [...this.#doubted].map(([conversation, seqs]) => [conversation, [...seqs]] as const);
    this.#doubted.clear();
    return doubted;
  }

  /** The last entry of the conversation that a delta brought. */
  through(conversation: ConversationId): Position | undefined {
    return this.#through.get(conversation);
  }

  /** Drops what was checked. */
  forget(conversation: ConversationId, upTo: number): void {
    const seen = this.#conversations.get(conversation);
    for (const seq of [...(seen?.keys() ?? [])]) if (seq < upTo) seen?.delete(seq);
  }

  /** Starts over: the server said that the delta does not reach back to the device. */
  clear(): void {
    this.#conversations.clear();
    this.#through.clear();
    this.#doubted.clear();
    this.#readTo.clear();
  }

  #put(conversation: ConversationId, { gen, seq, message }: WireEntry): void {
    let seen = this.#conversations.get(conversation);
    if (seen === undefined) this.#conversations.set(conversation, (seen = new Map<number, Seen>()));
    for (const [other, known] of seen) {
      // A newer generation goes on above what survived: what an older one had there was lost.
      if (other >= seq && known.gen < gen) seen.delete(other);
      else if (known.rev >= seq && known.gen < gen) this.#doubt(conversation, other);
    }
    const shown = seenOf({ gen, message });
    seen.set(seq, shown);
    if (message.type === 'control')
      this.#fold(conversation, seen, seq, shown.from, JSON.parse(shown.body) as ControlBody);
    else if (message.thread !== undefined) {
      const first = seen.get(message.thread);
      if (first !== undefined && first.rev < seq && !first.isDeleted)
        seen.set(message.thread, { ...first, rev: seq, replies: first.replies + 1, lastReply: seq });
    }
  }

  /** Whether it brings the user back, who was told of nothing meanwhile. */
  #isReturn(conversation: ConversationId, { seq, message: { type, body } }: WireEntry): boolean {
    if (type !== 'control' || seq <= this.head(conversation) + 1) return false;
    const control = JSON.parse(String(body)) as ControlBody;
    return control.control === 'joined' && control.users.includes(this.#user);
  }

  #doubtAll(conversation: ConversationId): void {
    for (const [seq, { countable }] of this.of(conversation)) if (countable) this.#doubt(conversation, seq);
  }

  #doubt(conversation: ConversationId, seq: number): void {
    const doubted = this.#doubted.get(conversation) ?? new Set<number>();
    this.#doubted.set(conversation, doubted.add(seq));
  }

  /** What an entry makes of a message that is here: nothing, when that shows it already. */
  #fold(
    conversation: ConversationId,
    seen: Map<number, Seen>,
    rev: number,
    from: string | null,
    control: ControlBody,
  ): void {
    const { control: kind } = control;
    if (kind !== 'edited' && kind !== 'recalled' && kind !== 'reacted') return;
    const target = seen.get(control.seq);
    if (target === undefined || target.rev >= rev) return;
    // Overtaken by a change that may have come when the user was no member any more: then nothing else tells of it.
    if (kind === 'edited' && control.body === undefined) this.#doubt(conversation, control.seq);
    if (kind === 'recalled') seen.set(control.seq, { ...target, body: '', rev, isRecalled: true, reactions: '[]' });
    else if (target.isDeleted) seen.set(control.seq, { ...target, rev });
    else if (kind === 'reacted') {
      const before = JSON.parse(target.reactions) as readonly Reaction[];
      const reactions = JSON.stringify(withReaction(before, (from ?? '') as UserId, control.emoji, control.on));
      seen.set(control.seq, { ...target, reactions, rev });
    } else if (control.body !== undefined) seen.set(control.seq, { ...target, body: control.body, rev });
  }

  page(conversation: ConversationId, entries: readonly WireEntry[]): void {
    for (const entry of entries) this.#put(conversation, entry);
  }

  deleted(conversation: ConversationId, seqs: readonly number[]): void {
    const seen = this.#conversations.get(conversation);
    for (const seq of seqs) {
      const target = seen?.get(seq);
      if (target !== undefined) seen?.set(seq, { ...target, body: '', isDeleted: true, reactions: '[]' });
    }
  }

  /** @returns what was wrong with the delta, null for nothing. */
  delta(conversation: ConversationId, entries: readonly WireEntry[]): string | null {
    for (const entry of entries) {
      const through = this.#through.get(conversation);
      if (through !== undefined && comparePositions(entry, through) <= 0) {
        return `${conversation} ${String(entry.gen)}-${String(entry.seq)} came after ${String(through.gen)}-${String(through.seq)}`;
      }
      if (this.#isReturn(conversation, entry)) this.#doubtAll(conversation);
      this.#through.set(conversation, { gen: entry.gen, seq: entry.seq });
      this.#put(conversation, entry);
    }
    return null;
  }
}
