import { sequenceId, type ConversationId } from '@millrace/kernel';
import type { ConversationSummary, DiffusionModeName, Message, PushItem, Synced } from '@millrace/protocol';
import type { Effect } from '../subscription/effects.ts';
import { ann, at, control, message, summary, tag } from './a-phone.ts';

/** A run of entries that the inbox points at, and how what comes behind is diffused. */
interface InboxRecord {
  readonly town: ModelTown;
  readonly from: number;
  readonly to: number;
  readonly behind: DiffusionModeName;
  readonly member: boolean;
  /** What a push of it holds: what was in no inbox before it is only pointed at. */
  readonly pushed: readonly Message[];
}

interface Span {
  readonly from: number;
  to: number | null;
}

const endOf = ({ to }: Span): number => to ?? Infinity;

/** A group that switches over and back, and which ann joins and leaves. */
export class ModelTown {
  readonly id: ConversationId;
  readonly entries: Message[] = [];
  readonly stays: Span[] = [];
  readonly segments: Span[] = [];
  /** The last entry that the inbox points at, or will. */
  received = 0;

  constructor(id: string) {
    this.id = id as ConversationId;
    this.entries.push(control(1, { control: 'created', kind: 'group', title: id, members: ['ben'] }));
  }

  get head(): number {
    return this.entries.length;
  }

  get isIn(): boolean {
    return this.stays.at(-1)?.to === null;
  }

  get isPulled(): boolean {
    return this.segments.at(-1)?.to === null;
  }

  /** What ann is to get, by seq. */
  get expected(): readonly number[] {
    return this.entries.map(({ seq }) => Number(seq)).filter((seq) => this.sees(seq));
  }

  sees(seq: number): boolean {
    return this.stays.some((stay) => seq >= stay.from && seq <= endOf(stay));
  }

  range(from: number, to: number): readonly Message[] {
    return this.entries.slice(from - 1, to);
  }

  /** How far who has everything up to `seq` may pull; `seq` itself for no further. */
  pullEnd(seq: number): number {
    const lies = (span: Span): boolean => seq >= span.from && seq < endOf(span);
    const [segment, stay] = [this.segments.find(lies), this.stays.find(lies)];
    if (segment === undefined || stay === undefined) return seq;
    return Math.min(this.head, endOf(segment) - 1, endOf(stay));
  }
}

interface Progress {
  readonly seq: number;
  readonly behind: DiffusionModeName;
  readonly member: boolean;
}

interface Token {
  readonly seq: number;
  readonly cursors: readonly (readonly [ConversationId, number])[];
}

type SyncContent = Omit<Synced, 't' | 'id'>;
type SyncQuery = Pick<Extract<Effect, { do: 'sync' }>, 'token' | 'seen' | 'reached'>;

/** What a sync has found of the inbox, before it asks how the conversations stand: meanwhile they go on. */
export interface BegunSync {
  readonly query: SyncQuery;
  readonly head: number;
}

/**
 * The server as one user's devices see it: conversations that are diffused or pulled, and an inbox that lags behind them and
 * comes in batches. Answers are put together from what stands at different moments, as the server's are.
 */
export class ModelInbox {
  readonly towns: readonly ModelTown[];
  readonly #records: InboxRecord[] = [];
  readonly #progress = new Map<ModelTown, Progress>();
  #waiting: InboxRecord[] = [];

  constructor(towns: readonly string[]) {
    this.towns = towns.map((id) => new ModelTown(id));
  }

  get head(): number {
    return this.#records.length;
  }

  /** @param n - of ann's device, whose counter says so; 0 for somebody else. */
  post(town: ModelTown, n = 0): Message {
    const own = n === 0 ? {} : { from: ann, deviceTag: tag, n };
    const entry = message(town.head + 1, own);
    this.#append(town, entry, 'message');
    return entry;
  }

  join(town: ModelTown): void {
    if (!town.isIn) this.#append(town, control(town.head + 1, { control: 'joined', users: [ann] }), 'join');
  }

  leave(town: ModelTown): void {
    if (town.isIn) this.#append(town, control(town.head + 1, { control: 'kicked', users: [ann] }), 'leave');
  }

  switch(town: ModelTown): void {
    const mode = town.isPulled ? 'write' : 'read';
    this.#append(town, control(town.head + 1, { control: 'diffusion', mode }), 'switch');
  }

  #append(town: ModelTown, entry: Message, what: 'message' | 'join' | 'leave' | 'switch'): void {
    const wasPulled = town.isPulled;
    town.entries.push(entry);
    const seq = town.head;
    if (what === 'join') town.stays.push({ from: seq, to: null });
    const [stay, segment] = [town.stays.at(-1), town.segments.at(-1)];
    const isIn: boolean = town.isIn;
    if (what === 'leave' && stay !== undefined) stay.to = seq;
    if (what === 'switch' && wasPulled && segment !== undefined) segment.to = seq;
    else if (what === 'switch') town.segments.push({ from: seq, to: null });
    if (!isIn || (wasPulled && what === 'message')) return;
    const from = what === 'join' ? seq : town.received + 1;
    town.received = seq;
    const behind = town.isIn && town.isPulled ? 'read' : 'write';
    this.#waiting.push({ town, from, to: seq, behind, member: town.isIn, pushed: [entry] });
  }

  /** Brings the oldest of what waits into the inbox, together. @returns what is pushed of it. */
  deliver(count: number): readonly PushItem[] {
    const batch: InboxRecord[] = [];
    for (const next of this.#waiting.splice(0, count)) {
      const last = batch.at(-1);
      if (last?.town === next.town && last.member && last.to + 1 === next.from && next.pushed[0]?.type === 'text')
        batch[batch.length - 1] = { ...next, from: last.from, pushed: [...last.pushed, ...next.pushed] };
      else batch.push(next);
    }
    for (const record of batch) {
      this.#records.push(record);
      this.#progress.set(record.town, { seq: record.to, behind: record.behind, member: record.member });
    }
    return batch.map(({ town, pushed }) => ({ conversation: town.id, messages: pushed }));
  }

  /** As the list tells it. */
  summaries(): readonly ConversationSummary[] {
    return [...this.#progress.keys()].map((town) => this.#summary(town));
  }

  #summary(town: ModelTown): ConversationSummary {
    const { seq, behind, member } = this.#progress.get(town) ?? { seq: 0, behind: 'write', member: false };
    const isNow = behind === 'read' && town.isIn;
    return { ...summary(isNow ? town.head : seq, behind), conversation: town.id, title: town.id, member };
  }

  begin(query: SyncQuery): BegunSync {
    return { query, head: this.head };
  }

  /** @param limit - of messages; a record is not cut. */
  answer({ query, head }: BegunSync, limit: number): SyncContent {
    if (query.token === null) return this.#snapshot();
    const token = JSON.parse(query.token) as Token;
    const reached = new Map(query.reached.map(({ conversation, seq }) => [conversation, Number(seq)]));
    const cursors = new Map(token.cursors);
    const reach = (id: ConversationId, seq: number): void => {
      cursors.set(id, Math.max(seq, cursors.get(id) ?? 0, reached.get(id) ?? 0));
    };
    for (const [id, seq] of token.cursors) reach(id, seq);
    const follow = ({ town, to, behind }: InboxRecord): void => {
      if (behind === 'write') cursors.delete(town.id);
      else reach(town.id, to);
    };
    let seq = Math.max(token.seq, query.seen?.seq ?? 0);
    for (const record of this.#records.slice(token.seq, seq)) follow(record);
    const deltas = new Map<ModelTown, Message[]>();
    let left = limit;
    const bring = (town: ModelTown, messages: readonly Message[]): void => {
      left -= messages.length;
      deltas.set(town, [...(deltas.get(town) ?? []), ...messages]);
    };
    for (const record of this.#records.slice(seq, head)) {
      if (left <= 0) break;
      bring(record.town, record.town.range(Math.max(record.from, (cursors.get(record.town.id) ?? 0) + 1), record.to));
      follow(record);
      seq += 1;
    }
    let hasMore = seq < head;
    for (const town of hasMore ? [] : this.towns) {
      const cursor = cursors.get(town.id);
      if (cursor === undefined || this.#progress.get(town)?.behind !== 'read') continue;
      const end = town.pullEnd(cursor);
      const to = Math.min(end, cursor + Math.max(0, left));
      hasMore ||= to < end;
      if (to === cursor) continue;
      bring(town, town.range(cursor + 1, to));
      cursors.set(town.id, to);
    }
    const conversations = [...deltas].map(([town, messages]) => ({ summary: this.#summary(town), messages }));
    return { tooLong: false, regressed: false, conversations, hasMore, inbox: at(seq), token: encode(seq, cursors) };
  }

  #snapshot(): SyncContent {
    const summaries = this.summaries();
    const cursors = new Map<ConversationId, number>();
    for (const town of this.towns) {
      const known = this.#progress.get(town);
      if (known?.behind === 'read') cursors.set(town.id, town.isIn ? town.pullEnd(known.seq) : known.seq);
    }
    const conversations = summaries.map((each) => ({ summary: each, messages: [] }));
    const token = encode(this.head, cursors);
    return { tooLong: true, regressed: false, conversations, hasMore: false, inbox: at(this.head), token };
  }

  /** A page forward, as `history` gives it to who may see the stays. */
  page(town: ModelTown, from: number, limit: number): { readonly messages: readonly Message[]; readonly head: number } {
    const messages = town.entries.filter(({ seq }) => seq >= from && town.sees(seq)).slice(0, limit);
    return { messages, head: Math.max(0, ...town.expected) };
  }
}

const encode = (seq: number, cursors: ReadonlyMap<ConversationId, number>): string =>
  JSON.stringify({ seq, cursors: [...cursors] } satisfies Token);

/** What a session pushes to its device: it follows on what the device was told, and what comes amid a sync waits for its end. */
export class ModelFollower {
  #told = 0;
  #seen = 0;
  #syncs = 0;
  #isBehind = true;
  #held: { readonly from: number; readonly to: number; readonly items: readonly PushItem[] }[] = [];
  readonly #push: (prev: number, seq: number, items: readonly PushItem[]) => void;

  constructor(head: number, push: (prev: number, seq: number, items: readonly PushItem[]) => void) {
    this.#push = push;
    this.#told = head;
    this.#seen = head;
    this.#isBehind = false;
  }

  follow(from: number, to: number, items: readonly PushItem[]): void {
    if (this.#syncs > 0) this.#held.push({ from, to, items });
    else if (!this.#isBehind && to > this.#seen) {
      this.#seen = to;
      const others = items
        .map((item) => ('messages' in item ? { ...item, messages: item.messages.filter(({ n }) => n === 0) } : item))
        .filter((item) => !('messages' in item) || item.messages.length > 0);
      if (others.length > 0) this.#tell(others);
    }
  }

  /** Tells how far the device's own messages have brought the inbox. */
  advance(): void {
    if (this.#syncs === 0 && !this.#isBehind && this.#seen > this.#told) this.#tell([]);
  }

  syncStarted(): void {
    this.#syncs += 1;
  }

  synced(seq: number, hasMore: boolean): void {
    this.#syncs -= 1;
    if (this.#syncs > 0) return;
    const held = this.#held;
    this.#held = [];
    this.#isBehind = hasMore;
    if (hasMore) return;
    this.#told = seq;
    this.#seen = seq;
    for (const { from, to, items } of held) this.follow(from, to, items);
  }

  #tell(items: readonly PushItem[]): void {
    this.#push(sequenceId(this.#told), sequenceId(this.#seen), items);
    this.#told = this.#seen;
  }
}
