import type { ConversationId, UserId } from '@millrace/kernel';
import type { LiveEntries, UserPush } from '@millrace/messaging';
import type { ControlBody, Reached, WireEntry } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import type { DeviceView } from './device-view.ts';

/** What a sync is told beside its token. */
export interface Told {
  readonly seen?: Position;
  readonly reached?: readonly Reached[];
}

/**
 * What one device takes from its socket between two syncs, and tells the next one of. It takes only what goes on exactly
 * where it is: anything else it lets lie, and the next sync brings it.
 */
export class Following {
  readonly #user: UserId;
  readonly #view: DeviceView;
  /** Everything of the inbox up to there is here. */
  #seen: Position | null = null;
  /** Of conversations that are pulled, those of which something came beside the last sync. */
  readonly #reached = new Set<ConversationId>();
  #isLive = false;
  /** Entries that were taken so. */
  count = 0;

  constructor(user: UserId, view: DeviceView) {
    this.#user = user;
    this.#view = view;
  }

  /** A sync begins: until it is answered, what comes may be in its answer, too. */
  begun(): Told {
    this.#isLive = false;
    const reached = [...this.#reached].flatMap((conversation) => {
      const through = this.#view.through(conversation);
      return through === undefined ? [] : [{ conversation, ...through }];
    });
    return { ...(this.#seen !== null && { seen: this.#seen }), ...(reached.length > 0 && { reached }) };
  }

  synced(inbox: Position, hasMore: boolean): void {
    this.#seen = inbox;
    this.#isLive = !hasMore;
    this.#reached.clear();
  }

  /** Nothing is taken before the next sync. */
  resync(): void {
    this.#isLive = false;
  }

  /** The device begins anew. */
  reset(): void {
    this.#seen = null;
    this.#isLive = false;
    this.#reached.clear();
  }

  /** @returns what was wrong with it, null for nothing. */
  push({ gen, from, to, items }: UserPush): string | null {
    const seen = this.#seen;
    if (!this.#isLive || seen?.gen !== gen || from !== seen.seq + 1) return null;
    const told = items.flatMap((item) => ('messages' in item ? [item] : []));
    const next = new Map<ConversationId, Position | undefined>();
    for (const { conversation, messages } of told) {
      const at = next.has(conversation) ? next.get(conversation) : this.#view.through(conversation);
      if (!follows(at, messages)) return null;
      next.set(conversation, messages.at(-1));
    }
    this.#seen = { gen, seq: to };
    for (const item of items) if ('read' in item) this.#view.readTo(item.conversation, item.read.readSeq);
    const wrong = told.reduce<string | null>((before, { conversation, messages }) => {
      this.count += messages.length;
      // Reading begins with the entry of the join.
      for (const entry of messages) if (this.#isJoin(entry)) this.#view.readTo(conversation, entry.seq);
      return before ?? this.#view.delta(conversation, messages);
    }, null);
    for (const item of items) if ('deleted' in item) this.#view.deleted(item.conversation, [item.deleted.seq]);
    return wrong;
  }

  #isJoin({ message: { type, body } }: WireEntry): boolean {
    if (type !== 'control' || typeof body !== 'string') return false;
    const control = JSON.parse(body) as ControlBody;
    return control.control === 'joined' && control.users.includes(this.#user);
  }

  /** Likewise. */
  live(conversation: ConversationId, { gen, prev, entries }: LiveEntries): string | null {
    const through = this.#view.through(conversation);
    if (!this.#isLive || through?.gen !== gen || through.seq !== prev) return null;
    this.#reached.add(conversation);
    this.count += entries.length;
    return this.#view.delta(conversation, entries);
  }
}

const follows = (at: Position | undefined, [first]: readonly WireEntry[]): boolean =>
  at !== undefined && first?.gen === at.gen && first.seq === at.seq + 1;
