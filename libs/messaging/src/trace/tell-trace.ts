import { partitionId, sequenceId, type DeviceId, type NodeId, type SequenceId, type UserId } from '@millrace/kernel';
import type { CursorMark, DeviceCursor } from './device-cursors.ts';
import type { TraceQuestion } from './message-trace.ts';
import type { StepRing } from './step-ring.ts';
import type {
  AcceptedStep,
  CommittedStep,
  DeliveredStep,
  DeviceMarks,
  Mark,
  PullStep,
  PushedStep,
  ReceiptStep,
  RoutedStep,
  SequencedStep,
  Spread,
  TraceHere,
} from './trace-here.ts';

/**
 * The kinds of steps, with their columns: names, then numbers. Times are monotonic milliseconds.
 *
 * - `accepted`: conversation · user · device · session; gen · seq · received · acked · duplicate
 * - `routed`: conversation · node; gen · seq · posted · asked · answered · tries · keyed
 * - `sequenced`: conversation; gen · from · to · queued · number of the commit's step · recipients
 * - `committed`: none; partition · commitNo · epoch · decided · stored · commands · again · diffused ({@link NOT_YET})
 * - `delivered`: conversation · user; gen · from · to · inbox gen · inbox seq (0: not known) · queued · stored
 * - `pushed`: conversation · user · device · session; gen · from · to · inbox gen · inbox seq · at
 * - `receipt`: conversation · user · device; seq · is read · at
 * - `shown`: conversation · topic; gen · from · to · sessions · at
 * - `pull`: conversation · user · device; gen · from (0: all that it may see) · to · the device has said so · at
 */
export const stepKind = {
  accepted: 1,
  routed: 2,
  sequenced: 3,
  committed: 4,
  delivered: 5,
  pushed: 6,
  receipt: 7,
  shown: 8,
  pull: 9,
} as const;

/** No time of a clock. */
export const NOT_YET = -1;

/** Which column says when a step happened. */
const atColumn: Readonly<Record<number, number>> = {
  [stepKind.accepted]: 3,
  [stepKind.routed]: 4,
  [stepKind.sequenced]: 3,
  [stepKind.committed]: 4,
  [stepKind.delivered]: 6,
  [stepKind.pushed]: 5,
  [stepKind.receipt]: 2,
  [stepKind.shown]: 4,
  [stepKind.pull]: 4,
};

export interface Noted {
  readonly messages: StepRing;
  readonly copies: StepRing;
  devicesOf(user: UserId): readonly DeviceCursor[];
  readonly sinceMs: number;
  /** What wall time is ahead of monotonic time now. */
  readonly aheadMs: number;
}

/** Of each sort of step that is told of the users that are asked for, and of devices. */
const STEPS_TOLD_MAX = 1_024;
const RETRIES_TOLD_MAX = 16;

/** What a node has noted of one message. Looks through all that it holds, once: a bounded number of steps. */
export function tellTrace(question: TraceQuestion, noted: Noted): TraceHere {
  const { messages, copies, sinceMs, aheadMs } = noted;
  const wall = (ms: number): number => Math.round(ms + aheadMs);
  return {
    kept: {
      since: wall(sinceMs),
      messagesFrom: keptFrom(messages, wall),
      copiesFrom: keptFrom(copies, wall),
    },
    ...onItsWay(question, messages, wall),
    ...copiesOf(question, noted, wall),
    devices: question.of
      .flatMap((user) => noted.devicesOf(user).map((cursor) => marksOf(user, cursor, wall)))
      .slice(0, STEPS_TOLD_MAX),
  };
}

type ToWall = (ms: number) => number;

/** Between two times of the monotonic clock, in whole microseconds: more digits say nothing. */
const between = (fromMs: number, toMs: number): number => Math.max(0, Math.round((toMs - fromMs) * 1_000) / 1_000);

function keptFrom(ring: StepRing, wall: ToWall): number | null {
  if (ring.first === 0) return null;
  const kind = ring.kind(ring.first);
  return wall(ring.number(ring.first, atColumn[kind] ?? 0));
}

function onItsWay(
  { conversation, gen, seq }: TraceQuestion,
  ring: StepRing,
  wall: ToWall,
): Pick<TraceHere, 'accepted' | 'routed' | 'sequenced'> {
  const accepted: AcceptedStep[] = [];
  const routed: RoutedStep[] = [];
  let sequenced: SequencedStep | null = null;
  for (let step = ring.count - 1; step >= ring.first; step -= 1) {
    const kind = ring.kind(step);
    if (kind === stepKind.committed || ring.number(step, 0) !== gen || ring.number(step, 1) > seq) continue;
    if (kind === stepKind.sequenced) {
      if (ring.number(step, 2) >= seq && ring.name(step, 0) === conversation)
        sequenced ??= sequencedStep(ring, step, wall);
    } else if (ring.number(step, 1) !== seq || ring.name(step, 0) !== conversation) {
      continue;
    } else if (kind === stepKind.accepted) {
      if (accepted.length < RETRIES_TOLD_MAX) accepted.push(acceptedStep(ring, step, wall));
    } else if (routed.length < RETRIES_TOLD_MAX) {
      routed.push(routedStep(ring, step, wall));
    }
  }
  return { accepted, routed, sequenced };
}

function acceptedStep(ring: StepRing, step: number, wall: ToWall): AcceptedStep {
  const receivedMs = ring.number(step, 2);
  const ackedMs = ring.number(step, 3);
  return {
    user: ring.name(step, 1) as UserId,
    device: ring.name(step, 2) as DeviceId,
    session: ring.name(step, 3),
    receivedAt: wall(receivedMs),
    ackedAt: wall(ackedMs),
    tookMs: between(receivedMs, ackedMs),
    duplicate: ring.number(step, 4) === 1,
  };
}

function routedStep(ring: StepRing, step: number, wall: ToWall): RoutedStep {
  const [postedMs, askedMs, answeredMs] = [ring.number(step, 2), ring.number(step, 3), ring.number(step, 4)];
  return {
    to: ring.name(step, 1) as NodeId,
    keyed: ring.number(step, 6) === 1,
    postedAt: wall(postedMs),
    waitedMs: between(postedMs, askedMs),
    tookMs: between(askedMs, answeredMs),
    tries: ring.number(step, 5),
  };
}

function sequencedStep(ring: StepRing, step: number, wall: ToWall): SequencedStep {
  const queuedMs = ring.number(step, 3);
  const commit = ring.number(step, 4);
  const isHere = ring.has(commit);
  return {
    // The commit is noted first, and so forgotten first.
    waitedMs: isHere ? between(queuedMs, ring.number(commit, 3)) : 0,
    recipients: ring.number(step, 5),
    commit: isHere ? committedStep(ring, commit, wall) : null,
  };
}

function committedStep(ring: StepRing, step: number, wall: ToWall): CommittedStep {
  const decidedMs = ring.number(step, 3);
  const storedMs = ring.number(step, 4);
  const diffusedMs = ring.number(step, 7);
  return {
    partition: partitionId(ring.number(step, 0)),
    commitNo: ring.number(step, 1),
    epoch: ring.number(step, 2),
    commands: ring.number(step, 5),
    decidedAt: wall(decidedMs),
    storedAt: wall(storedMs),
    tookMs: between(decidedMs, storedMs),
    again: ring.number(step, 6) === 1,
    diffused: diffusedMs === NOT_YET ? null : { at: wall(diffusedMs), tookMs: between(storedMs, diffusedMs) },
  };
}

/** Counts, and knows the earliest and the latest. */
class Spreading {
  #count = 0;
  #firstMs = Infinity;
  #lastMs = -Infinity;

  add(atMs: number, count = 1): void {
    this.#count += count;
    this.#firstMs = Math.min(this.#firstMs, atMs);
    this.#lastMs = Math.max(this.#lastMs, atMs);
  }

  told(wall: ToWall): Spread | null {
    if (this.#count === 0) return null;
    return { count: this.#count, firstAt: wall(this.#firstMs), lastAt: wall(this.#lastMs) };
  }
}

/** Messages that went out to a topic: which step it was, and when. */
interface Shown {
  readonly topic: string;
  readonly step: number;
  readonly atMs: number;
}

/** Which devices of the users listened when it went out. */
function pushedLive(shown: readonly Shown[], of: readonly UserId[], noted: Noted, wall: ToWall): readonly PushedStep[] {
  if (shown.length === 0) return [];
  return of.flatMap((user) =>
    noted.devicesOf(user).flatMap(({ device, seats }) =>
      seats.flatMap(({ topic, session, from, to }): readonly PushedStep[] => {
        const found = shown.find((each) => each.topic === topic && each.step >= from && each.step < to);
        return found === undefined ? [] : [{ user, device, session, at: wall(found.atMs) }];
      }),
    ),
  );
}

function copiesOf(
  { conversation, gen, seq, of }: TraceQuestion,
  noted: Noted,
  wall: ToWall,
): Pick<TraceHere, 'copies' | 'delivered' | 'pushed' | 'pulls' | 'receipts'> {
  const ring = noted.copies;
  const asked = new Set<string>(of);
  const delivered: DeliveredStep[] = [];
  const pushed: PushedStep[] = [];
  const receipts: ReceiptStep[] = [];
  const pulls: PullStep[] = [];
  const shown: Shown[] = [];
  const all = { delivered: new Spreading(), pushed: new Spreading() };
  for (let step = ring.first; step < ring.count; step += 1) {
    const kind = ring.kind(step);
    if (kind === stepKind.receipt) {
      if (ring.number(step, 0) < seq || receipts.length >= STEPS_TOLD_MAX) continue;
      if (ring.name(step, 0) === conversation && asked.has(ring.name(step, 1)))
        receipts.push(receiptStep(ring, step, wall));
      continue;
    }
    if (kind === stepKind.pull) {
      const isMeant = ring.name(step, 0) === conversation && asked.has(ring.name(step, 1));
      if (isMeant && pulls.length < STEPS_TOLD_MAX && covers(ring, step, gen, seq)) {
        pulls.push(pullStep(ring, step, wall));
      }
      continue;
    }
    const isOf = ring.number(step, 0) === gen && ring.number(step, 1) <= seq && ring.number(step, 2) >= seq;
    if (!isOf || ring.name(step, 0) !== conversation) continue;
    if (kind === stepKind.shown) {
      const atMs = ring.number(step, 4);
      all.pushed.add(atMs, ring.number(step, 3));
      if (shown.length < STEPS_TOLD_MAX) shown.push({ topic: ring.name(step, 1), step, atMs });
      continue;
    }
    const isTold = asked.has(ring.name(step, 1));
    if (kind === stepKind.delivered) {
      all.delivered.add(ring.number(step, 6));
      if (isTold && delivered.length < STEPS_TOLD_MAX) delivered.push(deliveredStep(ring, step, wall));
    } else {
      all.pushed.add(ring.number(step, 5));
      if (isTold && pushed.length < STEPS_TOLD_MAX) pushed.push(pushedStep(ring, step, wall));
    }
  }
  const copies = { delivered: all.delivered.told(wall), pushed: all.pushed.told(wall) };
  const live = pushedLive(shown, of, noted, wall).slice(0, STEPS_TOLD_MAX - pushed.length);
  return { copies, delivered, pushed: [...pushed, ...live], pulls, receipts };
}

/** A position says it of all that was before, also in another generation: the message is still there. */
function covers(ring: StepRing, step: number, gen: number, seq: SequenceId): boolean {
  const [ofGen, from, to] = [ring.number(step, 0), ring.number(step, 1), ring.number(step, 2)];
  if (from === 0 && ofGen > gen) return true;
  return ofGen === gen && from <= seq && to >= seq;
}

const pullStep = (ring: StepRing, step: number, wall: ToWall): PullStep => ({
  user: ring.name(step, 1) as UserId,
  device: ring.name(step, 2) as DeviceId,
  isHeld: ring.number(step, 3) === 1,
  at: wall(ring.number(step, 4)),
});

function deliveredStep(ring: StepRing, step: number, wall: ToWall): DeliveredStep {
  const inboxSeq = ring.number(step, 4);
  const storedMs = ring.number(step, 6);
  const seq: SequenceId | null = inboxSeq === 0 ? null : sequenceId(inboxSeq);
  return {
    user: ring.name(step, 1) as UserId,
    inbox: { gen: ring.number(step, 3), seq },
    at: wall(storedMs),
    tookMs: between(ring.number(step, 5), storedMs),
  };
}

const pushedStep = (ring: StepRing, step: number, wall: ToWall): PushedStep => ({
  user: ring.name(step, 1) as UserId,
  device: ring.name(step, 2) as DeviceId,
  session: ring.name(step, 3),
  at: wall(ring.number(step, 5)),
});

const receiptStep = (ring: StepRing, step: number, wall: ToWall): ReceiptStep => ({
  user: ring.name(step, 1) as UserId,
  device: ring.name(step, 2) as DeviceId,
  what: ring.number(step, 1) === 1 ? 'read' : 'delivered',
  at: wall(ring.number(step, 2)),
});

function marksOf(user: UserId, cursor: DeviceCursor, wall: ToWall): DeviceMarks {
  const mark = (at: CursorMark): Mark | null => (at.isBlank ? null : { gen: at.gen, seq: at.seq, at: wall(at.atMs) });
  const { device, session, resynced } = cursor;
  return {
    user,
    device,
    session,
    told: mark(cursor.told),
    pushed: mark(cursor.pushed),
    pulled: mark(cursor.pulled),
    skipped: mark(cursor.skipped),
    resynced: resynced === null ? null : { reason: resynced.reason, at: wall(resynced.atMs) },
  };
}
