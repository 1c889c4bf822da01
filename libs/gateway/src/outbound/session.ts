import type { Clock, DeviceId, Generation, SequenceId, UserId } from '@millrace/kernel';
import type { Principal, UserPush } from '@millrace/messaging';
import {
  closeCode,
  deviceTag,
  type CloseReason,
  type Encoding,
  type FrameError,
  type Receipt,
  type Resync,
  type ServerFrame,
  type TypingNotice,
  type WireEntry,
} from '@millrace/protocol';
import type { EngineSocket } from '../engine/socket-engine.ts';
import type { TurnQueue } from '../engine/turn-queue.ts';
import type { GatewayObserver } from '../observer.ts';
import { InboxFollower, type FollowStep } from './inbox-follower.ts';
import { Outbox } from './outbox.ts';

/** Pushes are withheld when so much of the send buffer is full; the rest is for answers. */
const PUSH_SHARE = 0.5;
/** Pushes that arrive before it is known where the inbox stood at the connect. */
const KEPT_MAX = 1_024;

export interface SessionParts {
  readonly id: string;
  readonly user: UserId;
  readonly device: DeviceId;
  /** As the client names itself. */
  readonly client: string | null;
  readonly ip: string;
  readonly expiresAtMs: number;
  readonly socket: Pick<EngineSocket<unknown>, 'send' | 'bufferedBytes' | 'close'>;
  readonly encoding: Encoding;
  readonly sendBufferBytesMax: number;
  readonly clock: Clock;
  readonly turn: TurnQueue<Outbox>;
  readonly observer: GatewayObserver;
}

/**
 * One connected device, on its way out.
 *
 * (S1) Answers are never left out: a socket that cannot take one is closed, and the device asks again.
 * (S2) Pushes are left out when the device does not keep up, never silently (see `InboxFollower`).
 * (S3) Receipts and typing notices are the first to go: nothing depends on them.
 */
export class Session {
  readonly id: string;
  readonly user: UserId;
  readonly device: DeviceId;
  readonly client: string | null;
  readonly ip: string;
  readonly sinceMs: number;
  readonly principal: Principal;
  expiresAtMs: number;
  /** Unanswered requests. */
  inFlight = 0;
  readonly #parts: SessionParts;
  readonly #outbox: Outbox;
  #follower: InboxFollower | null = null;
  #kept: UserPush[] = [];
  #slowSinceMs: number | null = null;
  #resyncOwed: Resync['reason'] | null = null;
  #isOpen = true;

  constructor(parts: SessionParts) {
    this.#parts = parts;
    this.id = parts.id;
    this.user = parts.user;
    this.device = parts.device;
    this.client = parts.client;
    this.ip = parts.ip;
    this.expiresAtMs = parts.expiresAtMs;
    this.sinceMs = parts.clock.nowMs();
    this.principal = { user: parts.user, device: parts.device };
    this.#outbox = new Outbox({
      ...parts,
      onOverflow: () => {
        this.close('slow', 'this device does not read what it is sent');
      },
    });
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  answer(frame: ServerFrame<WireEntry>): void {
    if (this.#isOpen) this.#outbox.add(frame);
  }

  refuse(id: number | undefined, error: FrameError): void {
    this.answer({ t: 'error', ...(id === undefined ? {} : { id }), ...error });
  }

  /** From here on pushes follow on `inbox`; those that came before it was known are looked at now. */
  attached(inbox: { readonly gen: Generation; readonly seq: SequenceId }): void {
    this.#follower = new InboxFollower(this.user, deviceTag(this.user, this.device), inbox);
    const kept = this.#kept;
    this.#kept = [];
    if (kept.length > KEPT_MAX) this.#take(this.#follower.resync('moved'));
    for (const push of kept) this.push(push);
  }

  push(push: UserPush): void {
    if (this.#follower === null) {
      if (this.#kept.length <= KEPT_MAX) this.#kept.push(push);
      return;
    }
    const step = this.#follower.follow(push);
    if (step.kind === 'push' && this.#isBehind()) this.#take(this.#follower.resync('slow'));
    else this.#take(step);
  }

  resync(reason: Resync['reason']): void {
    if (this.#follower !== null) this.#take(this.#follower.resync(reason));
  }

  /** A `synced` answer that left nothing more to fetch is on its way to the device. */
  synced(inbox: { readonly gen: Generation; readonly seq: SequenceId }): void {
    if (this.#follower !== null) this.#take(this.#follower.synced(inbox));
  }

  notice(
    frame: ({ readonly t: 'receipt' } & Omit<Receipt, 't'>) | ({ readonly t: 'typing' } & Omit<TypingNotice, 't'>),
  ): void {
    if (this.#follower !== null && !this.#follower.mustSync && !this.#isBehind()) this.answer(frame);
  }

  /** The socket's peer has taken everything. */
  drained(): void {
    this.#slowSinceMs = null;
    if (this.#resyncOwed === null) return;
    this.#tellResync(this.#resyncOwed);
    this.#resyncOwed = null;
  }

  /** What time brings, every second or so. */
  tick(slowMsMax: number): void {
    if (this.#follower !== null) this.#take(this.#follower.advance());
    if (this.#slowSinceMs === null) return;
    if (this.#parts.socket.bufferedBytes() === 0) this.drained();
    else if (this.#parts.clock.monotonicMs() - this.#slowSinceMs > slowMsMax) {
      this.close('slow', 'this device does not read what it is sent');
    }
  }

  close(reason: CloseReason, text: string): void {
    if (!this.#isOpen) return;
    this.#outbox.flush();
    this.#isOpen = false;
    this.#parts.socket.close(closeCode[reason], text);
  }

  /** The socket is gone. */
  ended(): void {
    this.#isOpen = false;
    this.#kept = [];
  }

  #isBehind(): boolean {
    return this.#parts.socket.bufferedBytes() > this.#parts.sendBufferBytesMax * PUSH_SHARE;
  }

  #take(step: FollowStep): void {
    if (step.kind === 'push') {
      this.answer(step.frame);
    } else if (step.kind === 'resync') {
      if (step.reason === 'slow' || this.#isBehind()) {
        // Told when the device reads again: now it would only add to what it does not read.
        this.#slowSinceMs ??= this.#parts.clock.monotonicMs();
        this.#resyncOwed = step.reason;
      } else {
        this.#tellResync(step.reason);
      }
    }
  }

  #tellResync(reason: Resync['reason']): void {
    this.#parts.observer.resynced(reason);
    this.answer({ t: 'resync', reason });
  }
}
