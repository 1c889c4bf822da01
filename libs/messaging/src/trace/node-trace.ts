import { generation, type Clock, type ConversationId, type PartitionId, type SequenceId } from '@millrace/kernel';
import type { CommittedBatch } from '@millrace/partition';
import type { Ack } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { Principal, UserPush } from '../chat-service.ts';
import type { Effect } from '../effects.ts';
import { DeviceCursors } from './device-cursors.ts';
import {
  UNTRACED,
  type DeviceTrace,
  type EntryRun,
  type MessageTrace,
  type TraceQuestion,
  type Way,
} from './message-trace.ts';
import { SessionTrace, type SessionSteps } from './session-trace.ts';
import { StepRing } from './step-ring.ts';
import type { TraceHere } from './trace-here.ts';
import { NOT_YET, stepKind, tellTrace } from './tell-trace.ts';

/** Steps of one message on its way into the store, and of its copies, that are kept for each message: a round number. */
const STEPS_PER_MESSAGE = 4;
const COPIES_PER_MESSAGE = 8;

/** More than that is a clock that was set, or has drifted. */
const WAVER_MS = 1.5;

/**
 * The trace of one run of a node: the newest steps of messages in one ring; in another what happened for each recipient,
 * so that large groups push out copies and not messages; and where devices stand.
 */
export class NodeTrace implements MessageTrace {
  readonly #clock: Clock;
  readonly #sinceMs: number;
  readonly #messages: StepRing;
  readonly #copies: StepRing;
  readonly #devices: DeviceCursors;
  readonly #steps: SessionSteps;
  /** The copy that was to come when what was shown was flushed last. */
  #flushedAt = 0;
  /** What wall time is ahead of monotonic time. */
  #aheadMs: number;

  /** @param messages - how many are kept about; from 1. */
  constructor(clock: Clock, messages: number) {
    this.#clock = clock;
    this.#sinceMs = clock.monotonicMs();
    this.#aheadMs = clock.nowMs() - this.#sinceMs;
    this.#messages = new StepRing(messages * STEPS_PER_MESSAGE);
    this.#copies = new StepRing(messages * COPIES_PER_MESSAGE);
    this.#devices = new DeviceCursors(messages);
    this.#steps = { clock, copies: this.#copies, devices: this.#devices, flushedBefore: 0 };
  }

  accepted({ user, device }: Principal, session: string, ack: Omit<Ack, 't' | 'id'>, receivedMs: number): void {
    const { conversation, gen, seq, duplicate } = ack;
    const ackedMs = this.#clock.monotonicMs();
    const again = duplicate ? 1 : 0;
    this.#messages.add(
      stepKind.accepted,
      conversation,
      user,
      device,
      session,
      gen,
      seq,
      receivedMs,
      ackedMs,
      again,
      0,
      0,
      0,
    );
  }

  routed(command: AnyCommand, reply: AnyReply, { to, postedMs, askedMs, answeredMs, tries }: Way): void {
    if ((command.t !== 'publish' && command.t !== 'publishKeyed') || !reply.ok) return;
    const { conversation, gen, seq } = reply.value as Omit<Ack, 't' | 'id'>;
    const keyed = command.t === 'publishKeyed' ? 1 : 0;
    this.#messages.add(
      stepKind.routed,
      conversation,
      to,
      '',
      '',
      gen,
      seq,
      postedMs,
      askedMs,
      answeredMs,
      tries,
      keyed,
      0,
    );
  }

  committed(partition: PartitionId, batch: CommittedBatch<AnyCommand, AnyReply, Effect>): number {
    const { effects, handled, storedMs } = batch;
    let commit = UNTRACED;
    let at = 0;
    for (const { mail, effectsTo } of handled) {
      for (; at < effectsTo; at += 1) {
        const effect = effects[at];
        if (effect?.e === 'appended') {
          if (commit === UNTRACED) commit = this.#commit(partition, batch);
          const { facts, gen, from, to, recipients } = effect;
          this.#messages.add(
            stepKind.sequenced,
            facts.conversation,
            '',
            '',
            '',
            gen,
            from,
            to,
            mail.queuedMs,
            commit,
            recipients.length,
            0,
            0,
          );
        } else if (effect?.e === 'inbox') this.#delivered(effect.user, effect.push, mail.queuedMs, storedMs);
      }
    }
    return commit;
  }

  diffused(commit: number): void {
    if (commit !== UNTRACED) this.#messages.set(commit, 7, this.#clock.monotonicMs());
  }

  connected({ user, device }: Principal, session: string): DeviceTrace {
    return new SessionTrace(this.#steps, user, this.#devices.connected(user, device, session), session);
  }

  told({ user, device }: Principal, inbox: Position): void {
    this.#devices.find(user, device)?.told.moveTo(inbox, this.#clock.monotonicMs());
  }

  pulled({ user, device }: Principal, inbox: Position, skipped: boolean): void {
    const cursor = this.#devices.find(user, device);
    (skipped ? cursor?.skipped : cursor?.pulled)?.moveTo(inbox, this.#clock.monotonicMs());
  }

  brought({ user, device }: Principal, conversation: ConversationId, { gen, from, to }: EntryRun): void {
    this.#devices.find(user, device)?.brought(conversation, { gen: generation(gen), seq: to });
    const nowMs = this.#clock.monotonicMs();
    this.#copies.add(stepKind.pull, conversation, user, device, '', gen, from, to, 0, nowMs, 0, 0, 0);
  }

  holds({ user, device }: Principal, conversation: ConversationId, position: Position, by: 'reached' | 'token'): void {
    // By its token it says so with each sync, of each conversation.
    const isNews = this.#devices.find(user, device)?.says(conversation, position) ?? false;
    if (by === 'token' && !isNews) return;
    const { gen, seq } = position;
    const nowMs = this.#clock.monotonicMs();
    this.#copies.add(stepKind.pull, conversation, user, device, '', gen, 0, seq, 1, nowMs, 0, 0, 0);
  }

  shown(conversation: ConversationId, topic: string, { gen, from, to }: EntryRun, sessions: number): void {
    const nowMs = this.#clock.monotonicMs();
    this.#copies.add(stepKind.shown, conversation, topic, '', '', gen, from, to, sessions, nowMs, 0, 0, 0);
  }

  flushed(): void {
    this.#steps.flushedBefore = this.#flushedAt;
    this.#flushedAt = this.#copies.count;
  }

  receipt(
    { user, device }: Principal,
    conversation: ConversationId,
    seq: SequenceId,
    what: 'delivered' | 'read',
  ): void {
    const isRead = what === 'read' ? 1 : 0;
    const nowMs = this.#clock.monotonicMs();
    this.#copies.add(stepKind.receipt, conversation, user, device, '', seq, isRead, nowMs, 0, 0, 0, 0, 0);
  }

  tell(question: TraceQuestion): TraceHere {
    // A wall clock of whole milliseconds wavers against the other one: what was told once is told alike again.
    const aheadMs = this.#clock.nowMs() - this.#clock.monotonicMs();
    if (Math.abs(aheadMs - this.#aheadMs) > WAVER_MS) this.#aheadMs = aheadMs;
    return tellTrace(question, {
      messages: this.#messages,
      copies: this.#copies,
      devicesOf: (user) => this.#devices.of(user),
      sinceMs: this.#sinceMs,
      aheadMs: this.#aheadMs,
    });
  }

  #commit(partition: PartitionId, batch: CommittedBatch<AnyCommand, AnyReply, Effect>): number {
    const { commitNo, epoch, decidedMs, storedMs, again, handled } = batch;
    const { length } = handled;
    const resent = again ? 1 : 0;
    return this.#messages.add(
      stepKind.committed,
      '',
      '',
      '',
      '',
      partition,
      commitNo,
      epoch,
      decidedMs,
      storedMs,
      length,
      resent,
      NOT_YET,
    );
  }

  #delivered(user: string, push: UserPush, queuedMs: number, storedMs: number): void {
    const { gen, from, to, items } = push;
    // An inbox that broke has a record more than what is pushed: then only the inbox itself tells which is which.
    const isExact = to - from + 1 === items.length;
    let inboxSeq: number = from;
    for (const item of items) {
      if ('messages' in item) {
        const first = item.messages[0];
        const seq = isExact ? inboxSeq : 0;
        if (first !== undefined) {
          const last = first.seq + item.messages.length - 1;
          this.#copies.add(
            stepKind.delivered,
            item.conversation,
            user,
            '',
            '',
            first.gen,
            first.seq,
            last,
            gen,
            seq,
            queuedMs,
            storedMs,
            0,
          );
        }
      }
      inboxSeq += 1;
    }
  }
}
