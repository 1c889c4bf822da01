import { sequenceId, type Clock, type UserId } from '@millrace/kernel';
import type { Push, Resync, WireEntry } from '@millrace/protocol';
import type { DeviceCursor, DeviceCursors } from './device-cursors.ts';
import type { DeviceTrace } from './message-trace.ts';
import type { StepRing } from './step-ring.ts';
import { stepKind } from './tell-trace.ts';

/** What all sessions of a node note their steps in. */
export interface SessionSteps {
  readonly clock: Clock;
  readonly copies: StepRing;
  readonly devices: DeviceCursors;
  /** The copy that was to come at the flush before the last one. */
  flushedBefore: number;
}

/** Notes the steps of one session. There are as many as connections: it has no more than it needs. */
export class SessionTrace implements DeviceTrace {
  readonly #steps: SessionSteps;
  readonly #user: UserId;
  readonly #cursor: DeviceCursor;
  readonly #session: string;

  constructor(steps: SessionSteps, user: UserId, cursor: DeviceCursor, session: string) {
    this.#steps = steps;
    this.#user = user;
    this.#cursor = cursor;
    this.#session = session;
  }

  pushed(frame: Push<WireEntry>): void {
    const { clock, copies } = this.#steps;
    const nowMs = clock.monotonicMs();
    this.#cursor.pushed.move(frame.gen, frame.seq, nowMs);
    for (const item of frame.items) {
      if (!('messages' in item)) continue;
      const first = item.messages[0];
      const last = item.messages.at(-1);
      if (first === undefined || last === undefined) continue;
      copies.add(
        stepKind.pushed,
        item.conversation,
        this.#user,
        this.#cursor.device,
        this.#session,
        first.gen,
        first.seq,
        sequenceId(last.seq),
        frame.gen,
        frame.seq,
        nowMs,
        0,
        0,
      );
    }
  }

  resynced(reason: Resync['reason']): void {
    this.#cursor.resynced = { reason, atMs: this.#steps.clock.monotonicMs() };
  }

  listens(topic: string): void {
    this.#cursor.listens(topic, this.#session, this.#steps.copies.count);
  }

  unlistens(topic: string): void {
    this.#cursor.unlistens(topic, this.#session, this.#steps.copies.count);
  }

  passedOver(): void {
    // Which message it was that passed it over is not said: one since the flush before the last.
    this.#cursor.unlistens(null, this.#session, this.#steps.flushedBefore);
  }

  ended(): void {
    this.#cursor.unlistens(null, this.#session, this.#steps.copies.count);
    this.#steps.devices.ended(this.#user, this.#cursor, this.#session);
  }
}
