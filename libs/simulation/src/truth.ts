import { fromUtf8, generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { decodeEntry, protocolLimits, type ControlBody, type EntryFields } from '@millrace/protocol';
import { conversationKey, spansOf, type ActorKey, type TimelineHead } from '@millrace/timeline';
import type { ModelState } from './model-state.ts';

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

/** Where a conversation stood when it was checked and what came before was taken away. */
export interface Checked {
  readonly seq: number;
  /** Of those who were in. */
  readonly stays: ReadonlyMap<UserId, Stay>;
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
  readonly #showsAll: boolean;
  readonly #stays = new Map<UserId, Stay[]>();
  readonly #fields: ReadonlyMap<string, Uint8Array>;

  constructor(
    state: ModelState,
    partitionOf: (actor: ActorKey) => number,
    conversation: ConversationId,
    showsAll: boolean,
    checked: Checked = { seq: 0, stays: new Map() },
  ) {
    this.since = checked.seq;
    for (const [user, stay] of checked.stays) this.#stays.set(user, [{ ...stay }]);
    const actor = conversationKey(conversation);
    const partition = partitionOf(actor);
    this.conversation = conversation;
    this.#showsAll = showsAll;
    const { head, fields } = state.record(partition, actor);
    this.head = head;
    this.#fields = fields;
    this.entries = state
      .range(partition, actor, {
        from: { gen: generation(0), seq: sequenceId(0) },
        to: { gen: generation(Number.MAX_SAFE_INTEGER), seq: sequenceId(Number.MAX_SAFE_INTEGER) },
        limit: Number.MAX_SAFE_INTEGER,
        direction: 'forward',
      })
      .map(({ gen, seq, data }) => ({ ...decodeEntry(data), gen, seq }));
    for (const entry of this.entries) this.#follow(entry);
  }

  /** For the truth of later. */
  get checked(): Checked {
    const stays = new Map<UserId, Stay>();
    for (const [user, of] of this.#stays) {
      const last = of.at(-1);
      if (last?.to === Infinity) stays.set(user, last);
    }
    return { seq: this.since + this.entries.length, stays };
  }

  /** How often it went over to being pulled, or back. */
  get switches(): number {
    return this.entries.filter(({ type, body }) => type === 'control' && String(body).includes('"diffusion"')).length;
  }

  get members(): readonly UserId[] {
    return [...this.#stays.keys()];
  }

  #follow({ type, body, seq }: TrueEntry): void {
    if (type !== 'control' || typeof body !== 'string') return;
    const control = JSON.parse(body) as ControlBody;
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

  /** The unread messages that mention the user. */
  mentions(user: UserId, readSeq: number): readonly number[] {
    return this.entries
      .filter((entry) => entry.seq > readSeq && this.receives(user, entry.seq))
      .filter(({ from, mentions, mentionAll }) => from !== user && (mentionAll ?? mentions?.includes(user) ?? false))
      .map(({ seq }) => seq)
      .slice(-protocolLimits.mentionsPerSummary);
  }

  unread(user: UserId, readSeq: number): number {
    const counts = ({ seq, countable, from }: TrueEntry): boolean =>
      countable && seq > readSeq && from !== user && this.receives(user, seq);
    return this.entries.filter(counts).length;
  }
}
