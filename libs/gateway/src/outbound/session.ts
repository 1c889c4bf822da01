import type { Clock, ConversationId, DeviceId, MalformedBytes, UserId } from '@millrace/kernel';
import { isLater, type Arrival, type DeviceTrace, type Principal, type UserPush } from '@millrace/messaging';
import {
  closeCode,
  deviceTag,
  protocolLimits,
  type CloseReason,
  type ConversationHead,
  type Encoding,
  type FrameError,
  type Presence,
  type Push,
  type Receipt,
  type Receipts,
  type Resync,
  type ServerFrame,
  type TypingNotice,
  type WireEntry,
} from '@millrace/protocol';
import type { EngineSocket } from '../engine/socket-engine.ts';
import { SendGate } from '../inbound/send-gate.ts';
import { InboxFollower, type FollowStep, type InboxPosition } from './inbox-follower.ts';
import { Outbox, type OutboxOwner, type OutboxParts } from './outbox.ts';
import { ShownConversations } from './shown-conversations.ts';

/** Pushes are withheld when so much of the send buffer is full; the rest is for answers. */
const PUSH_SHARE = 0.5;
/** Receipts and typing notices, when so much of it is. */
const NOTICE_SHARE = 0.125;

export interface SessionParts {
  readonly id: string;
  readonly user: UserId;
  readonly device: DeviceId;
  /** As the client names itself. */
  readonly client: string | null;
  readonly ip: string;
  /** Of the token, milliseconds since 1970. */
  readonly expiresAtMs: number;
  readonly socket: Pick<EngineSocket<unknown>, 'send' | 'bufferedBytes' | 'close' | 'subscribe' | 'unsubscribe'>;
  readonly encoding: Encoding;
  readonly trace: DeviceTrace;
  readonly host: SessionHost;
}

/** What the sessions of a gateway have in common. */
export interface SessionHost extends OutboxParts {
  readonly clock: Clock;
  /** A stored entry cannot be read. */
  readonly onDamaged: (session: Session, error: MalformedBytes) => void;
  /** Once: nothing more is to be brought to this session. */
  readonly onEnd: (session: Session) => void;
}

/**
 * One connected device, on its way out.
 *
 * (S1) Answers are never left out: a socket that does not take them is closed, and the device asks again.
 * (S2) Pushes are left out when the device does not keep up, never silently (see `InboxFollower`).
 * (S3) Receipts and typing notices are the first to go: nothing depends on them. Word of where conversations stand waits
 *      until there is room.
 */
export class Session implements OutboxOwner {
  readonly id: string;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly client: string | null;
  readonly ip: string;
  readonly sinceMs: number;
  readonly principal: Principal;
  /** Unanswered requests. */
  inFlight = 0;
  /** Of those, the ones with long answers. */
  queriesInFlight = 0;
  readonly #parts: SessionParts;
  readonly #outbox: Outbox;
  readonly #follower: InboxFollower;
  #expiresAtMonotonicMs = 0;
  #slowSinceMs: number | null = null;
  #resyncOwed: Resync['reason'] | null = null;
  /** Conversations in read mode of which the device may lack something, and where they stand; null for none. */
  #hints: Map<ConversationId, ConversationHead> | null = null;
  /** Both are made when they are asked for first: many devices neither write nor show anything. */
  #sendGate: SendGate | null = null;
  #shown: ShownConversations | null = null;
  #isOpen = true;
  /** Null until the user's owner has told it. */
  #arrival: Arrival | null = null;
  /** The latest one of the device's sessions on other nodes that was heard of before. */
  #rival: Arrival | null = null;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.user = parts.user;
    this.device = parts.device;
    this.client = parts.client;
    this.ip = parts.ip;
    this.sinceMs = parts.host.clock.nowMs();
    this.principal = { user: parts.user, device: parts.device };
    this.#follower = new InboxFollower(parts.user, deviceTag(parts.user, parts.device));
    this.#outbox = new Outbox(parts.host, this);
    this.tokenUntil(parts.expiresAtMs);
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  get sendGate(): SendGate {
    return (this.#sendGate ??= new SendGate());
  }

  get shown(): ShownConversations {
    return (this.#shown ??= new ShownConversations());
  }

  get arrival(): Arrival | null {
    return this.#arrival;
  }

  /** The user's owner has told when this session came. @returns whether it stays: its device may be elsewhere by now. */
  arrived(arrival: Arrival): boolean {
    this.#arrival = arrival;
    if (this.#rival !== null && isLater(this.#rival, arrival)) this.#giveWay();
    return this.#isOpen;
  }

  /** As `SessionPort` says. */
  replace(rival: Arrival): Arrival | null {
    if (this.#arrival === null) {
      if (this.#rival === null || isLater(rival, this.#rival)) this.#rival = rival;
      return null;
    }
    if (isLater(rival, this.#arrival)) this.#giveWay();
    return isLater(this.#arrival, rival) ? this.#arrival : null;
  }

  /** Whether the device takes nothing more at the moment, so that it should not be asked for more either. */
  get isBlocked(): boolean {
    return this.#outbox.isBlocked;
  }

  /** A token's end is wall time; how long that is from now is not, so that a clock that jumps changes nothing (I10). */
  tokenUntil(expiresAtMs: number): void {
    const { clock } = this.#parts.host;
    this.#expiresAtMonotonicMs = clock.monotonicMs() + (expiresAtMs - clock.nowMs());
  }

  answer(frame: ServerFrame<WireEntry>): void {
    if (this.#isOpen) this.#outbox.add(frame);
  }

  refuse(id: number | undefined, error: FrameError): void {
    this.answer({ t: 'error', ...(id === undefined ? {} : { id }), ...error });
  }

  /** From here on pushes follow on `inbox`; those that came before it was known are looked at now. */
  attached(inbox: InboxPosition): void {
    for (const step of this.#follower.synced(inbox, false)) this.#take(step);
  }

  push(push: UserPush): void {
    this.#take(this.#follower.follow(push));
  }

  resync(reason: Resync['reason']): void {
    this.#take(this.#follower.resync(reason));
  }

  syncStarted(): void {
    this.#resyncOwed = null;
    this.#follower.syncStarted();
  }

  /** Called behind the answer. */
  synced(inbox: InboxPosition, hasMore: boolean): void {
    for (const step of this.#follower.synced(inbox, hasMore)) this.#take(step);
  }

  syncFailed(): void {
    for (const step of this.#follower.syncFailed()) this.#take(step);
  }

  /** @returns whether it was sent. */
  notice(frame: Receipt | Receipts | Presence | TypingNotice): boolean {
    if (!this.#follower.isLive || this.#isOver(NOTICE_SHARE)) return false;
    this.answer(frame);
    return true;
  }

  get encoding(): Encoding {
    return this.#parts.encoding;
  }

  get socket(): SessionParts['socket'] {
    return this.#parts.socket;
  }

  overflowed(): void {
    this.close('slow', 'this device does not read what it is sent');
  }

  damaged(error: MalformedBytes): void {
    this.#parts.host.onDamaged(this, error);
  }

  /** Whether the device does not take what it is sent. */
  get isBehind(): boolean {
    return this.#isOver(PUSH_SHARE);
  }

  listen(topic: string): void {
    this.#parts.socket.subscribe(topic);
    this.#parts.trace.listens(topic);
  }

  unlisten(topic: string): void {
    this.#parts.socket.unsubscribe(topic);
    this.#parts.trace.unlistens(topic);
  }

  /** Something that was published to a topic did not go to this device. */
  passedOver(): void {
    this.#parts.trace.passedOver();
  }

  /** For the next {@link tellHeads}. As many as the user has conversations at most. */
  hint(head: ConversationHead): void {
    this.#hints ??= new Map();
    this.#hints.set(head.conversation, head);
  }

  tellHeads(): void {
    if (!this.#isOpen || this.#hints === null || this.#isOver(NOTICE_SHARE)) return;
    const heads = [...this.#hints.values()];
    this.#hints = null;
    const { headsPerFrame } = protocolLimits;
    for (let at = 0; at < heads.length; at += headsPerFrame) {
      this.answer({ t: 'heads', heads: heads.slice(at, at + headsPerFrame) });
    }
  }

  /** The socket's peer has taken what waited. */
  drained(): void {
    this.#outbox.flush();
    if (this.#resyncOwed === null || this.#isOver(PUSH_SHARE)) return;
    this.#tellResync(this.#resyncOwed);
    this.#resyncOwed = null;
  }

  /** What time brings, every second or so. */
  tick(slowMsMax: number): void {
    const nowMs = this.#parts.host.clock.monotonicMs();
    if (nowMs >= this.#expiresAtMonotonicMs) {
      this.close('tokenExpired', 'the token has expired');
    } else if (!this.#isOver(PUSH_SHARE)) {
      this.#slowSinceMs = null;
      this.drained();
      this.#take(this.#follower.advance());
    } else {
      this.#slowSinceMs ??= nowMs;
      if (nowMs - this.#slowSinceMs > slowMsMax) this.close('slow', 'this device does not read what it is sent');
    }
  }

  close(reason: CloseReason, text: string): void {
    if (!this.#isOpen) return;
    this.#outbox.flush();
    this.ended();
    this.#parts.socket.close(closeCode[reason], text);
  }

  /** The socket is gone. */
  ended(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#parts.trace.ended();
    this.#parts.host.onEnd(this);
  }

  #giveWay(): void {
    this.close('replaced', 'this device has connected again, on another node');
  }

  #isOver(share: number): boolean {
    return this.#parts.socket.bufferedBytes() > this.#parts.host.sendBufferBytesMax * share;
  }

  #take(step: FollowStep | null): void {
    if (step === null) return;
    const isBehind = this.#isOver(PUSH_SHARE);
    if (step.kind === 'push') {
      if (isBehind) this.#take(this.#follower.resync('slow'));
      else this.#push(step.frame);
    } else if (isBehind) {
      // Told when the device reads again: now it would only add to what it does not read.
      this.#resyncOwed = step.reason;
    } else {
      this.#tellResync(step.reason);
    }
  }

  #push(frame: Push<WireEntry>): void {
    if (!this.#isOpen) return;
    this.answer(frame);
    this.#parts.trace.pushed(frame);
  }

  #tellResync(reason: Resync['reason']): void {
    this.#parts.host.observer.resynced(reason);
    this.#parts.trace.resynced(reason);
    this.answer({ t: 'resync', reason });
  }
}
