import { ok, type Result } from '@millrace/kernel';
import type { ConversationDelta, ConversationSummary, FrameError, Synced, WireEntry } from '@millrace/protocol';
import { cursorStatus, type TimelineHead } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { ChatReads } from '../chat.ts';
import { current } from '../revise/current.ts';
import type { Listed, UserReply } from '../user/commands.ts';
import { AnswerReads } from './answer-reads.ts';
import { broughtBy, joinPointers, type InboxDelta } from './inbox-delta.ts';
import { askPulled, pulledNow, type Pulled } from './listing.ts';
import { enoughFor, inTurn, planPulls, type Pull } from './pulls.ts';
import { ANSWER_BYTES_MAX } from './read-messages.ts';
import { confirmed } from './recount.ts';
import { encodeSyncToken, noCursors, type SyncToken } from './sync-token.ts';

export type SyncedContent = Omit<Synced<WireEntry>, 't' | 'id'>;

/** Conversations that are asked at first where they stand, and how many times as many the next time at most. */
const ASKED = { first: 32, times: 4, least: 8 };
/** Of those that should suffice, going by those before, so many more are asked. */
const ASKED_SLACK = 1.25;

/** What an answer takes, and where the device is behind it. */
export interface AnswerPlan {
  readonly delta: InboxDelta;
  readonly pulls: readonly Pull[];
  readonly next: SyncToken;
  readonly hasMore: boolean;
  /** Whether it ends where the inbox does: the next one is of what is in none, as a rule. */
  readonly isAtHead: boolean;
}

interface Answered {
  readonly content: SyncedContent;
  readonly isTooLarge: boolean;
  /** How many messages would fit if all were like these, and somewhat less. */
  readonly fitting: number;
}

/** What was found out and begun for an answer while the device took the one before. */
export interface Prepared {
  readonly messages: AnswerReads;
  /** Where those whose turn it is then stand, in turn; null until they have told. */
  pulled: readonly Pulled[] | null;
}

/** One answer, which is cut shorter where its messages turn out to be large. */
export class Answering {
  readonly #calls: ActorCalls;
  readonly #reads: ChatReads;
  readonly #by: Principal;
  readonly #head: TimelineHead;
  readonly #isLast: boolean;
  readonly #prepared: Prepared | null;
  readonly #messages: AnswerReads;
  /** What was told of conversations: by the user's list, and by those that are pulled themselves. */
  readonly #told = new Map<number, Pulled>();
  /** Those of them that were asked while the answer before was under way, and not since. */
  readonly #toldBefore = new Set<number>();
  /** As far as they were asked where they stand, in turn. */
  #pulled: readonly Pulled[] = [];
  /** Whose turn is next, when not all were asked. */
  #turn: number | undefined;

  /**
   * @param isLast - whether the inbox has nothing behind the records of this answer.
   * @param prepared - by {@link prepare} of the answer before.
   */
  constructor(
    calls: ActorCalls,
    reads: ChatReads,
    by: Principal,
    head: TimelineHead,
    isLast: boolean,
    prepared: Prepared | null,
  ) {
    this.#calls = calls;
    this.#reads = reads;
    this.#by = by;
    this.#head = head;
    this.#isLast = isLast;
    this.#prepared = prepared;
    this.#messages = prepared?.messages ?? new AnswerReads(calls, reads.timelines);
  }

  /** Those in no inbox, as far as they were asked where they stand. */
  get pulled(): readonly Pulled[] {
    return this.#pulled;
  }

  /**
   * Asks where the conversations stand that may come into the answer: those of the inbox, and of those that are in none as
   * many as it takes to fill it.
   *
   * @returns whether one of them has lost what the device has of it.
   */
  async ask(delta: InboxDelta, limit: number): Promise<Result<{ readonly isLost: boolean }, FrameError>> {
    const { cursors, turn } = delta.next;
    const ofInbox = await this.#know(delta.slots, cursors);
    if (!ofInbox.ok || ofInbox.value.isLost) return ofInbox;
    // Only a device that has all of the inbox goes on with what is in none.
    if (!delta.complete || !this.#isLast || cursors.size === 0) return ofInbox;
    const left = limit - broughtBy(delta);
    const known = new Map(ofInbox.value.pulled.map((each) => [each.slot, each]));
    const order = inTurn(cursors, turn);
    const before = this.#prepared?.pulled ?? [];
    const isInTurn = before.length > 0 && before.every(({ slot }, index) => slot === order[index]);
    // That something is lost, or that there is nothing more, only those say who are asked now.
    if (left > 0 && isInTurn && !isAnyLost(before, cursors)) {
      const told = await this.#askInTurn(order, cursors, left, known, before);
      if (!told.ok || told.value.isLost || !told.value.isAll) return told;
    }
    return this.#askInTurn(order, cursors, left, known, []);
  }

  /**
   * @param known - those of them that were asked by now.
   * @param before - those whose turn it is first, as they stood when the answer before was under way.
   * @returns with `isAll` when there is none whose turn is next.
   */
  async #askInTurn(
    order: readonly number[],
    cursors: SyncToken['cursors'],
    left: number,
    known: Map<number, Pulled>,
    before: readonly Pulled[],
  ): Promise<Result<{ readonly isLost: boolean; readonly isAll: boolean }, FrameError>> {
    for (const each of before) {
      this.#told.set(each.slot, each);
      this.#toldBefore.add(each.slot);
    }
    const pulled = [...before];
    let asked = before.length;
    for (let some: number = ASKED.first; ;) {
      const { enough, filled } = left > 0 ? enoughFor(cursors, pulled, left) : { enough: 0, filled: 1 };
      if (enough !== null) {
        const last = pulled[enough - 1];
        this.#pulled = pulled.slice(0, enough);
        this.#turn = last === undefined ? order[0] : order[order.indexOf(last.slot) + 1];
        return ok({ isLost: false, isAll: this.#turn === undefined });
      }
      if (asked >= order.length) break;
      if (asked > 0) {
        const more = filled === 0 ? Infinity : Math.ceil(((asked * (1 - filled)) / filled) * ASKED_SLACK);
        some = Math.max(ASKED.least, Math.min(some * ASKED.times, more));
      }
      const slots = order.slice(asked, asked + some);
      asked += slots.length;
      const told = await this.#know(
        slots.filter((slot) => !known.has(slot)),
        cursors,
      );
      if (!told.ok) return told;
      if (told.value.isLost) return ok({ isLost: true, isAll: false });
      for (const each of told.value.pulled) known.set(each.slot, each);
      pulled.push(...slots.map((slot) => known.get(slot)).filter((each) => each !== undefined));
    }
    this.#pulled = pulled;
    this.#turn = undefined;
    return ok({ isLost: false, isAll: true });
  }

  async #know(
    slots: readonly number[],
    cursors: SyncToken['cursors'],
  ): Promise<Result<{ readonly isLost: boolean; readonly pulled: readonly Pulled[] }, FrameError>> {
    if (slots.length === 0) return ok({ isLost: false, pulled: [] });
    const { timelines, heads } = this.#reads;
    const { user } = this.#by;
    const ask = (): Promise<UserReply<'summaries'>> => this.#calls.user(user, { t: 'summaries', slots });
    const found = await confirmed(this.#calls, timelines, user, ask);
    if (!found.ok) return found;
    const read: Listed[] = [];
    for (const [slot, summary] of found.value.summaries) {
      if (summary.diffusion === 'read') read.push({ slot, summary });
      else this.#told.set(slot, { slot, summary, head: null });
    }
    const pulled = await askPulled(heads, user, read);
    if (!pulled.ok) return pulled;
    for (const each of pulled.value) {
      this.#told.set(each.slot, each);
      this.#toldBefore.delete(each.slot);
    }
    return ok({ isLost: isAnyLost(pulled.value, cursors), pulled: pulled.value });
  }

  /**
   * Begins to read what the next answer takes.
   *
   * @param plan - of this answer.
   * @param next - what the next one takes from the inbox.
   */
  prepare({ isAtHead, next: token }: AnswerPlan, next: InboxDelta, limit: number): Prepared {
    const messages = new AnswerReads(this.#calls, this.#reads.timelines);
    const ranges = joinPointers(next.pointers);
    // What cannot be read now is read again when it is asked for, and then it is told.
    const begin = (slot: number, { conversation }: ConversationSummary): void => {
      for (const range of ranges.get(slot) ?? []) void messages.pointed(conversation, range).catch(() => undefined);
    };
    const unknown: number[] = [];
    for (const slot of ranges.keys()) {
      const told = this.#told.get(slot);
      if (told === undefined) unknown.push(slot);
      else begin(slot, told.summary);
    }
    if (unknown.length > 0) void this.#named(unknown, begin).catch(() => undefined);
    const prepared: Prepared = { messages, pulled: null };
    const left = isAtHead && next.complete ? limit - broughtBy(next) : 0;
    if (left > 0) void this.#pullAhead(token, left, prepared).catch(() => undefined);
    return prepared;
  }

  async #pullAhead({ cursors, turn }: SyncToken, left: number, prepared: Prepared): Promise<void> {
    // As many as this answer took, or as many as may come into one where all were asked.
    const slots = inTurn(cursors, turn).slice(0, turn === undefined ? left : this.#pulled.length);
    const told = await this.#know(
      slots.filter((slot) => !this.#told.has(slot) || this.#toldBefore.has(slot)),
      cursors,
    );
    if (!told.ok) return;
    const pulled = slots.map((slot) => this.#told.get(slot)).filter((each) => each !== undefined);
    const { enough } = enoughFor(cursors, pulled, left);
    for (const { slot, range } of planPulls(cursors, pulled.slice(0, enough ?? pulled.length), left).pulls) {
      const conversation = this.#told.get(slot)?.summary.conversation;
      if (conversation !== undefined) void prepared.messages.pulled(conversation, range).catch(() => undefined);
    }
    prepared.pulled = pulled;
  }

  async #named(slots: readonly number[], each: (slot: number, summary: ConversationSummary) => void): Promise<void> {
    const told = await this.#calls.user(this.#by.user, { t: 'summaries', slots });
    if (told.ok) for (const [slot, summary] of told.value.summaries) each(slot, summary);
  }

  plan(delta: InboxDelta, limit: number): AnswerPlan {
    if (!delta.complete || !this.#isLast) return { delta, pulls: [], next: delta.next, hasMore: true, isAtHead: false };
    const { pulls, cursors, hasMore } = planPulls(delta.next.cursors, this.#pulled, limit - broughtBy(delta));
    const turn = this.#turn === undefined ? {} : { turn: this.#turn };
    const next = { ...upToDate(this.#head), cursors, ...turn };
    return { delta, pulls, next, hasMore: hasMore || this.#turn !== undefined, isAtHead: true };
  }

  /** @param limit - of the messages that were planned. */
  async answer({ delta, pulls: planned, next, hasMore }: AnswerPlan, limit: number): Promise<Answered> {
    const ranges = joinPointers(delta.pointers);
    const pulls = new Map(planned.map(({ slot, range }) => [slot, range]));
    let [bytes, count, isCutShort] = [0, 0, false];
    const conversations = await Promise.all(
      [...new Set([...delta.slots, ...pulls.keys()])].map(
        async (slot): Promise<ConversationDelta<WireEntry> | null> => {
          const told = this.#told.get(slot);
          if (told === undefined) return null;
          const { summary } = pulledNow(told);
          const { conversation } = summary;
          const pages = (ranges.get(slot) ?? []).map((range) => this.#messages.pointed(conversation, range));
          const pull = pulls.get(slot);
          if (pull !== undefined) pages.push(this.#messages.pulled(conversation, pull));
          const entries = Promise.all(pages).then((read) => {
            isCutShort ||= read.some((page) => page.isCut);
            return read.flatMap((page) => page.entries);
          });
          const messages = await current(this.#calls, this.#reads, conversation, this.#by.user, entries, told.head);
          count += messages.length;
          for (const { data } of messages) bytes += data.length;
          const deleted = delta.deleted.get(slot);
          return { summary, messages, ...(deleted === undefined ? {} : { deleted }) };
        },
      ),
    );
    const isTooLarge = isCutShort || (bytes > ANSWER_BYTES_MAX && count > 1);
    if (isTooLarge) this.#messages.again();
    return {
      content: {
        tooLong: false,
        regressed: false,
        conversations: conversations.filter((conversation) => conversation !== null),
        hasMore,
        inbox: next.position,
        token: encodeSyncToken(this.#by.user, next),
      },
      isTooLarge,
      fitting: Math.max(1, Math.min(limit - 1, Math.floor((count * ANSWER_BYTES_MAX * 0.8) / Math.max(1, bytes)))),
    };
  }
}

/** Whether one of them has lost what the device has of it. */
const isAnyLost = (pulled: readonly Pulled[], cursors: SyncToken['cursors']): boolean =>
  pulled.some(({ slot, head }) => {
    const cursor = cursors.get(slot);
    return cursor !== undefined && head !== null && cursorStatus(head.head, cursor).kind === 'regressed';
  });

/** The token of a device that has all of the inbox. */
export const upToDate = (head: TimelineHead): SyncToken => ({
  position: { gen: head.gen, seq: head.seq },
  offset: 0,
  cursors: noCursors,
});
