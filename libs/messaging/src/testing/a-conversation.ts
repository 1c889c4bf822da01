import { invariant, sequenceId, type DeviceId, type Result, type UserId } from '@millrace/kernel';
import type { CommitsBefore } from '@millrace/partition';
import { decodeEntry, type FrameError, type Mentions } from '@millrace/protocol';
import { ConversationActor } from '../conversation/conversation-actor.ts';
import type { ConversationState } from '../conversation/conversation-state.ts';
import { counterKey } from '../conversation/counted-devices.ts';
import { decodeConversation } from '../conversation/conversation-record.ts';
import type { Change, ConversationCommand } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import { defaultMessagingLimits, type MessagingLimits } from '../limits.ts';
import {
  decodeEmojis,
  decodeRevision,
  deletionField,
  reactionsField,
  revisionField,
  type TargetFacts,
} from '../revise/revision.ts';
import type { Step } from './conversation-commands.ts';
import { emptyConversation, StoredRecord } from './stored-record.ts';

export type Handled = {
  readonly command: ConversationCommand;
  readonly reply: Result<unknown, FrameError>;
  readonly effects: readonly Effect[];
};

/** A conversation with its record, each command of which is stored at once. */
export class AConversation {
  readonly id: string;
  readonly limits: MessagingLimits;
  readonly stored = new StoredRecord();
  /** What was changed of its messages. */
  readonly beside = new StoredRecord();
  state: ConversationState;
  actor: ConversationActor;
  nowMs = 1_000;
  /** Commits that were stored. */
  commitNo = 0;
  /** Up to which of them all is diffused; null for all of them. */
  doneTo: number | null = null;

  constructor(id = 'g', limits: Partial<MessagingLimits> = {}) {
    this.id = id;
    this.limits = { ...defaultMessagingLimits, ...limits };
    this.state = emptyConversation(id);
    this.actor = new ConversationActor(this.state, 'disk', this.limits);
  }

  get commits(): CommitsBefore {
    return { token: '1:owner', last: this.commitNo, doneTo: this.doneTo ?? this.commitNo };
  }

  /** Handles without storing. */
  handle(command: ConversationCommand): Handled {
    this.nowMs += 1;
    return { command, ...this.actor.handle(command, this.nowMs, this.commits) };
  }

  store(): void {
    const write = this.actor.pendingWrite();
    this.stored.apply(write);
    this.beside.apply(this.actor.writeBeside());
    if (write !== null) this.commitNo += 1;
    this.actor.settle();
  }

  do(command: ConversationCommand): Handled {
    const handled = this.handle(command);
    this.store();
    return handled;
  }

  created(members: readonly string[], more: Partial<Extract<ConversationCommand, { t: 'create' }>> = {}): this {
    const [creator = 'a', ...others] = members;
    const handled = this.do({
      t: 'create',
      creator: creator as UserId,
      kind: 'group',
      title: 'a group',
      members: others as UserId[],
      joinPolicy: 'open',
      historyPolicy: 'join',
      ...more,
    });
    invariant(handled.reply.ok, `not created: ${JSON.stringify(handled.reply)}`);
    return this;
  }

  /**
   * The device's message `ahead` of the last one that was accepted: 1 is the next.
   *
   * @param skips - whether it says that it follows the last one, when it is further ahead.
   */
  sendOf(
    user: string,
    ahead = 1,
    device = '1',
    skips = false,
    mentions: Mentions = {},
  ): Extract<ConversationCommand, { t: 'publish' }> {
    const by = { user: user as UserId, device: device as DeviceId };
    const counter = this.state.counters.get(counterKey(by.user, by.device));
    const n = Math.max(1, (counter?.last ?? 0) + ahead);
    const send = {
      conversation: this.state.id,
      n,
      ...(skips && ahead > 1 ? { after: n - ahead } : {}),
      sentAt: Math.max(n, counter?.sentAt ?? 0),
      type: 'text' as const,
      body: `${user}/${device} ${String(n)}`,
      ...mentions,
    };
    return { t: 'publish', by, send };
  }

  /** What is stored of a message, as a node looks it up; null for one that is not there. */
  factsOf(seq: number, user: string | null): TargetFacts | null {
    const data = this.stored.entries[seq - 1];
    if (data === undefined) return null;
    const { from, at, countable, type, thread = null } = decodeEntry(data);
    const revision = this.beside.fields.get(revisionField(sequenceId(seq)));
    return {
      ...{ seq: sequenceId(seq), from, at, countable, isControl: type === 'control' || type === 'void' },
      revision: revision === undefined ? null : decodeRevision(revision),
      isDeleted: user !== null && this.beside.fields.has(deletionField(sequenceId(seq), user as UserId)),
      ...{ emojis: this.#emojisOf(seq, user), thread },
      ...{ gen: this.stored.head?.gen ?? this.state.gen, asOf: this.stored.head?.seq ?? sequenceId(0) },
    };
  }

  #emojisOf(seq: number, user: string | null): readonly string[] {
    const stored = user === null ? undefined : this.beside.fields.get(reactionsField(sequenceId(seq), user as UserId));
    return stored === undefined ? [] : decodeEmojis(stored);
  }

  /** The user's next change of a message. */
  changeOf(
    user: string,
    change: Change,
    facts: TargetFacts,
    ahead = 1,
    device = '1',
  ): Extract<ConversationCommand, { t: 'revise' }> {
    const { by, send } = this.sendOf(user, ahead, device);
    const { n, sentAt } = send;
    return { t: 'revise', by, numbered: { n, after: n - 1, sentAt }, change, facts };
  }

  /** The user's next message, which answers that one. */
  replyOf(user: string, seq: number, ahead = 1, device = '1'): Extract<ConversationCommand, { t: 'publish' }> {
    const send = this.sendOf(user, ahead, device);
    const target = this.factsOf(seq, user);
    const thread = target === null ? null : this.factsOf(target.thread ?? seq, null);
    return target === null || thread === null ? send : { ...send, looked: { reply: { target, thread } } };
  }

  commandOf(step: Step): ConversationCommand {
    if (step.kind === 'command') return step.command;
    if (step.kind === 'change') {
      const facts = this.factsOf(step.seq, step.user);
      if (facts === null) return { t: 'info' };
      if (step.op === 'delete') return { t: 'deleteFor', user: step.user, facts };
      if (step.op === 'reply') return this.replyOf(step.user, step.seq, step.ahead, step.device);
      if (step.op === 'recallFor') return { t: 'recallFor', facts };
      const react: Change = { op: 'react', emoji: '👍', isOn: step.seq % 3 > 0 };
      const change: Change =
        step.op === 'edit' ? { op: 'edit', body: 'another' } : step.op === 'react' ? react : { op: 'recall' };
      return this.changeOf(step.user, change, facts, step.ahead, step.device);
    }
    return this.sendOf(step.user, step.ahead, step.device, step.skips, step.mentions);
  }

  /** Goes on as another activation of it. */
  become(state: ConversationState): void {
    this.state = state;
    this.actor = new ConversationActor(state, 'disk', this.limits);
  }

  /** The same conversation, loaded from what was stored. */
  reloaded(): ConversationState {
    return decodeConversation(this.state.id, this.stored.record, this.state.gen);
  }
}
