import { ok, unreachable, type ConversationId } from '@millrace/kernel';
import {
  type ActorWrite,
  doTimelinesBeginShort,
  type Handled,
  type PartitionActor,
  STORE_FORMAT,
  type StoreFormat,
} from '@millrace/partition';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import type { AnyUserReply, UserCalls, UserCommand, UserItem } from './commands.ts';
import { Confirmation, type KnownGenerations } from './confirmation.ts';
import { listConversations, place, summaries } from './conversation-list.ts';
import { breakInbox, deliver, forgetAll } from './deliver.ts';
import { readModeConversations } from './read-mode.ts';
import {
  beginSending,
  dueMessage,
  listScheduled,
  schedule,
  settleScheduled,
  unschedule,
  unscheduleAll,
} from './scheduled.ts';
import { userWrite } from './user-record.ts';
import type { UserState } from './user-state.ts';

/**
 * The single writer of one user's inbox and conversation list.
 *
 * (U1) An entry of a conversation comes into the inbox once: the watermark moves in the same commit (I6).
 * (U2) Inbox seqs are dense, so that a device sees from two of them whether it missed anything (I3).
 * (U3) A push leaves after the commit of the inbox entries that it shows (I1).
 * (U4) What is missing from the inbox is never passed over in silence: it breaks there, and devices read the
 *      conversations.
 * (U5) What the user's partition or a conversation's may have lost is not told before the conversation confirmed it.
 */
export class UserActor implements PartitionActor<UserCommand, AnyUserReply, Effect> {
  readonly #state: UserState;
  readonly #limits: MessagingLimits;
  readonly #isShort: boolean;
  readonly #confirmation: Confirmation;

  constructor(
    state: UserState,
    limits: MessagingLimits,
    known: KnownGenerations,
    storeFormat: StoreFormat = STORE_FORMAT,
  ) {
    this.#state = state;
    this.#limits = limits;
    this.#isShort = doTimelinesBeginShort(storeFormat);
    this.#confirmation = new Confirmation(state, known);
  }

  get weight(): number {
    return 1 + this.#state.listed.size + this.#state.scheduled.size;
  }

  handle(command: UserCommand, nowMs: number): Handled<AnyUserReply, Effect> {
    const state = this.#state;
    const { doubts } = this.#confirmation;
    switch (command.t) {
      case 'deliver':
        return { reply: ok(null), effects: this.#deliver(command.items, nowMs) };
      case 'break':
        return { reply: ok(null), effects: breakInbox(state, nowMs) };
      case 'inbox':
        return { reply: ok(this.#inbox(command.slotsOf ?? [])), effects: [] };
      case 'attach':
        return { reply: ok({ head: state.head.value, readMode: readModeConversations(state) }), effects: [] };
      case 'summaries':
        return { reply: ok(summaries(state, command.slots, doubts)), effects: [] };
      case 'erasure':
        if (command.set !== null) state.erasure.value = command.set;
        return { reply: ok({ report: state.erasure.value }), effects: [] };
      case 'forget':
        return { reply: ok(null), effects: forgetAll(state, nowMs) };
      case 'schedule':
        return { reply: schedule(state, command, nowMs), effects: [] };
      case 'unschedule':
        return { reply: unschedule(state, command), effects: [] };
      case 'unscheduleAll':
        return { reply: ok({ jobs: unscheduleAll(state) }), effects: [] };
      case 'scheduled':
        return { reply: listScheduled(state, command), effects: [] };
      case 'due':
        return { reply: ok(dueMessage(state, command)), effects: [] };
      case 'sending':
        return { reply: ok({ isDue: beginSending(state, command) }), effects: [] };
      case 'settleScheduled':
        settleScheduled(state, command, nowMs);
        return { reply: ok(null), effects: [] };
      case 'place':
        return { reply: ok(place(state, command.conversation)), effects: [] };
      case 'list':
        return { reply: ok(listConversations(state, command.after, command.limit, doubts)), effects: [] };
      default:
        return unreachable(command);
    }
  }

  #deliver(items: readonly UserItem[], nowMs: number): readonly Effect[] {
    const effects = deliver(this.#state, items, nowMs, this.#limits);
    return this.#confirmation.isDoubted(items) ? [...effects, { e: 'doubtful', user: this.#state.id }] : effects;
  }

  #inbox(slotsOf: readonly ConversationId[]): UserCalls['inbox']['reply'] {
    const { head, inbox, listed } = this.#state;
    const unconfirmed = this.#confirmation.unconfirmed();
    const { oldest, switched } = inbox.value;
    const slots = slotsOf.map((conversation) => listed.get(conversation)?.slot ?? null);
    return { head: head.value, oldest, switched, slots, unconfirmed, uncounted: [] };
  }

  pendingWrite(): ActorWrite | null {
    return userWrite(this.#state, this.#isShort);
  }

  settle(): void {
    this.#state.settle();
  }

  restore(): void {
    this.#state.restore();
    this.#confirmation.restart();
  }
}
