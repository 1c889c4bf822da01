import { ok, type Result } from '@millrace/kernel';
import type { ConversationDelta, ConversationSummary, FrameError, Synced, WireEntry } from '@millrace/protocol';
import { cursorStatus, type TimelineHead } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { Principal } from '../chat-service.ts';
import type { ChatReads } from '../chat.ts';
import { current } from '../revise/current.ts';
import type { UserReply } from '../user/commands.ts';
import { AnswerReads } from './answer-reads.ts';
import { broughtBy, joinPointers, type InboxDelta } from './inbox-delta.ts';
import { pulledNow, type PulledNow } from './listing.ts';
import { enoughFor, inTurn, planPulls } from './pulls.ts';
import { ANSWER_BYTES_MAX } from './read-messages.ts';
import { confirmed } from './recount.ts';
import { encodeSyncToken, noCursors, type SyncToken } from './sync-token.ts';

export type SyncedContent = Omit<Synced<WireEntry>, 't' | 'id'>;

/** Conversations that are asked at first where they stand, and how many times as many the next time at most. */
const ASKED = { first: 32, times: 4, least: 8 };
/** Of those that should suffice, going by those before, so many more are asked. */
const ASKED_SLACK = 1.25;

interface Answered {
  readonly content: SyncedContent;
  readonly isTooLarge: boolean;
  /** How many messages would fit if all were like these, and somewhat less. */
  readonly fitting: number;
}

/** One answer, which is cut shorter where its messages turn out to be large. */
export class Answering {
  readonly #calls: ActorCalls;
  readonly #reads: ChatReads;
  readonly #by: Principal;
  readonly #head: TimelineHead;
  readonly #isLast: boolean;
  readonly #messages: AnswerReads;
  readonly #summaries = new Map<number, ConversationSummary>();
  /** As far as they were asked where they stand, in turn. */
  #pulled: readonly PulledNow[] = [];
  /** Whose turn is next, when not all were asked. */
  #turn: number | undefined;

  /**
   * @param isLast - whether the inbox has nothing behind the records of this answer.
   * @param messages - what was read of them ahead, by {@link readAhead} of the answer before.
   */
  constructor(
    calls: ActorCalls,
    reads: ChatReads,
    by: Principal,
    head: TimelineHead,
    isLast: boolean,
    messages: AnswerReads | null,
  ) {
    this.#calls = calls;
    this.#reads = reads;
    this.#by = by;
    this.#head = head;
    this.#isLast = isLast;
    this.#messages = messages ?? new AnswerReads(calls, reads.timelines);
  }

  /** Those in no inbox, as far as they were asked where they stand. */
  get pulled(): readonly PulledNow[] {
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
    const pulled: PulledNow[] = [];
    let asked = 0;
    for (let some = left > 0 ? ASKED.first : 0; asked < order.length;) {
      const slots = order.slice(asked, asked + some);
      asked += slots.length;
      const told = await this.#know(
        slots.filter((slot) => !known.has(slot)),
        cursors,
      );
      if (!told.ok || told.value.isLost) return told;
      for (const each of told.value.pulled) known.set(each.slot, each);
      pulled.push(...slots.map((slot) => known.get(slot)).filter((each) => each !== undefined));
      const { enough, filled } = left > 0 ? enoughFor(cursors, pulled, left) : { enough: 0, filled: 1 };
      if (enough === null) {
        const more = filled === 0 ? Infinity : Math.ceil(((asked * (1 - filled)) / filled) * ASKED_SLACK);
        some = Math.max(ASKED.least, Math.min(some * ASKED.times, more));
        continue;
      }
      const last = pulled[enough - 1];
      this.#pulled = pulled.slice(0, enough);
      this.#turn = last === undefined ? order[0] : order[order.indexOf(last.slot) + 1];
      return ok({ isLost: false });
    }
    this.#pulled = pulled;
    return ok({ isLost: false });
  }

  async #know(
    slots: readonly number[],
    cursors: SyncToken['cursors'],
  ): Promise<Result<{ readonly isLost: boolean; readonly pulled: readonly PulledNow[] }, FrameError>> {
    if (slots.length === 0) return ok({ isLost: false, pulled: [] });
    const { timelines, heads } = this.#reads;
    const { user } = this.#by;
    const ask = (): Promise<UserReply<'summaries'>> => this.#calls.user(user, { t: 'summaries', slots });
    const found = await confirmed(this.#calls, timelines, user, ask);
    if (!found.ok) return found;
    const listed = [...found.value.summaries].map(([slot, summary]) => ({ slot, summary }));
    const read = listed.filter(({ summary }) => summary.diffusion === 'read');
    const pulled = await pulledNow(heads, user, read);
    if (!pulled.ok) return pulled;
    for (const { slot, summary } of [...listed, ...pulled.value]) this.#summaries.set(slot, summary);
    const isLost = pulled.value.some(({ slot, head }) => {
      const cursor = cursors.get(slot);
      return cursor !== undefined && head !== null && cursorStatus(head.head, cursor).kind === 'regressed';
    });
    return ok({ isLost, pulled: pulled.value });
  }

  /** Begins to read the messages of the next answer. */
  readAhead(next: InboxDelta): AnswerReads {
    const messages = new AnswerReads(this.#calls, this.#reads.timelines);
    const ranges = joinPointers(next.pointers);
    // What cannot be read now is read again when it is asked for, and then it is told.
    const begin = (slot: number, { conversation }: ConversationSummary): void => {
      for (const range of ranges.get(slot) ?? []) void messages.pointed(conversation, range).catch(() => undefined);
    };
    const unknown: number[] = [];
    for (const slot of ranges.keys()) {
      const summary = this.#summaries.get(slot);
      if (summary === undefined) unknown.push(slot);
      else begin(slot, summary);
    }
    if (unknown.length > 0) void this.#named(unknown, begin).catch(() => undefined);
    return messages;
  }

  async #named(slots: readonly number[], each: (slot: number, summary: ConversationSummary) => void): Promise<void> {
    const told = await this.#calls.user(this.#by.user, { t: 'summaries', slots });
    if (told.ok) for (const [slot, summary] of told.value.summaries) each(slot, summary);
  }

  async answer(delta: InboxDelta, limit: number): Promise<Answered> {
    const isAtHead = delta.complete && this.#isLast;
    const { cursors } = delta.next;
    const plan = isAtHead
      ? planPulls(cursors, this.#pulled, limit - broughtBy(delta))
      : { pulls: [], cursors, hasMore: true };
    const ranges = joinPointers(delta.pointers);
    const pulls = new Map(plan.pulls.map(({ slot, range }) => [slot, range]));
    let [bytes, count, isCutShort] = [0, 0, false];
    const conversations = await Promise.all(
      [...new Set([...delta.slots, ...pulls.keys()])].map(
        async (slot): Promise<ConversationDelta<WireEntry> | null> => {
          const summary = this.#summaries.get(slot);
          if (summary === undefined) return null;
          const { conversation } = summary;
          const pages = (ranges.get(slot) ?? []).map((range) => this.#messages.pointed(conversation, range));
          const pull = pulls.get(slot);
          if (pull !== undefined) pages.push(this.#messages.pulled(conversation, pull));
          const entries = Promise.all(pages).then((read) => {
            isCutShort ||= read.some((page) => page.isCut);
            return read.flatMap((page) => page.entries);
          });
          const known = this.#pulled.find((each) => each.slot === slot)?.head ?? null;
          const messages = await current(this.#calls, this.#reads, conversation, this.#by.user, entries, known);
          count += messages.length;
          for (const { data } of messages) bytes += data.length;
          const deleted = delta.deleted.get(slot);
          return { summary, messages, ...(deleted === undefined ? {} : { deleted }) };
        },
      ),
    );
    const atHead = { ...upToDate(this.#head), cursors: plan.cursors };
    const turn = this.#turn === undefined ? {} : { turn: this.#turn };
    const next = isAtHead ? { ...atHead, ...turn } : delta.next;
    const isTooLarge = isCutShort || (bytes > ANSWER_BYTES_MAX && count > 1);
    if (isTooLarge) this.#messages.again();
    return {
      content: {
        tooLong: false,
        regressed: false,
        conversations: conversations.filter((conversation) => conversation !== null),
        hasMore: plan.hasMore || this.#turn !== undefined,
        inbox: next.position,
        token: encodeSyncToken(this.#by.user, next),
      },
      isTooLarge,
      fitting: Math.max(1, Math.min(limit - 1, Math.floor((count * ANSWER_BYTES_MAX * 0.8) / Math.max(1, bytes)))),
    };
  }
}

/** The token of a device that has all of the inbox. */
export const upToDate = (head: TimelineHead): SyncToken => ({
  position: { gen: head.gen, seq: head.seq },
  offset: 0,
  cursors: noCursors,
});
