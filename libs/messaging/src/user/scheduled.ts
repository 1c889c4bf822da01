import { err, ok, utf8, type Result } from '@millrace/kernel';
import { frameError, protocolLimits, type FrameError, type Schedule, type ScheduledMessage } from '@millrace/protocol';
import type { UserCalls } from './commands.ts';
import type { UserState } from './user-state.ts';

/*
 * Messages of a user that are to be sent later. They stand in the user's record, so that they are stored before anybody is
 * told so (I1), and the actor of the user is the only one that changes them; a job in a queue only says that a time has come.
 */

/** One of them, as it is stored. */
export interface Scheduled extends ScheduledMessage {
  /** The job that it waits for, and by which it is sent once (I4): see `DueJob`. */
  readonly job: string;
  /** Of the conversation, from before the first attempt: see `KeyedSend.window`. Null before. */
  readonly window: number | null;
  /** When it was sent or given up, wall time; null before. */
  readonly endedAt: number | null;
}

export type ScheduledContent = Omit<Schedule, 't' | 'id'>;

/** What is over is kept for the user to see, so many. */
const ENDED_MAX = 100;
/** Of the bodies in one answer; one message is always in it. */
const PAGE_BYTES_MAX = 131_072;
const CURSOR = /^(\d{1,16}) ([^]+)$/;

const isWaiting = ({ state }: Pick<ScheduledMessage, 'state'>): boolean => state === 'open' || state === 'sending';

export const shownScheduled = ({
  job: _job,
  window: _window,
  endedAt: _endedAt,
  ...shown
}: Scheduled): ScheduledMessage => shown;

function bytesOf({ body }: Pick<ScheduledMessage, 'body'>): number {
  if (body === undefined) return 0;
  return typeof body === 'string' ? utf8(body).length : body.length;
}

function timeRefusal(dueAt: number, nowMs: number): FrameError | null {
  const { scheduledAheadMs } = protocolLimits;
  if (dueAt <= nowMs) {
    const late = String(nowMs - dueAt);
    return frameError('bad_request', `dueAt must be later than now, it is ${late} ms ago; send the message instead`);
  }
  if (dueAt <= nowMs + scheduledAheadMs) return null;
  return frameError('bad_request', `dueAt is at most 366 days ahead (${String(nowMs + scheduledAheadMs)} now)`);
}

/** Of what is over the latest ones stay, and none whose body takes the room of one that waits. */
function trimEnded(state: UserState): void {
  const all = [...state.scheduled.values()];
  const ended = all.filter((one) => !isWaiting(one)).sort((left, right) => (left.endedAt ?? 0) - (right.endedAt ?? 0));
  let bytes = all.reduce((sum, one) => sum + bytesOf(one), 0);
  for (const [index, one] of ended.entries()) {
    const isKept = ended.length - index <= ENDED_MAX && bytes <= protocolLimits.scheduledBytesPerUser;
    if (isKept) return;
    bytes -= bytesOf(one);
    state.scheduled.delete(one.key);
  }
}

type Reply<Name extends keyof UserCalls> = Result<UserCalls[Name]['reply'], FrameError>;

export function schedule(
  state: UserState,
  { message, job }: UserCalls['schedule']['command'],
  nowMs: number,
): Reply<'schedule'> {
  const known = state.scheduled.get(message.key);
  // Its time has come: it is never sent a second time under this key.
  if (known !== undefined && known.state !== 'open') {
    return ok({ message: shownScheduled(known), replaced: null, isTaken: false });
  }
  const refusal = timeRefusal(message.dueAt, nowMs);
  if (refusal !== null) return err(refusal);
  const others = [...state.scheduled.values()].filter((one) => isWaiting(one) && one.key !== message.key);
  const { scheduledPerUser, scheduledBytesPerUser } = protocolLimits;
  if (others.length >= scheduledPerUser) {
    const text = `${String(scheduledPerUser)} messages wait to be sent: take one back, or wait until one was sent`;
    return err(frameError('limit_reached', text));
  }
  const bytes = others.reduce((sum, one) => sum + bytesOf(one), bytesOf(message));
  if (bytes > scheduledBytesPerUser) {
    const text = `the messages that wait would have ${String(bytes)} bytes, at most ${String(scheduledBytesPerUser)} are kept`;
    return err(frameError('limit_reached', text));
  }
  const stored: Scheduled = { ...message, state: 'open', job, window: null, endedAt: null };
  state.scheduled.set(message.key, stored);
  trimEnded(state);
  return ok({ message: shownScheduled(stored), replaced: known?.job ?? null, isTaken: true });
}

export function unschedule(state: UserState, { key }: UserCalls['unschedule']['command']): Reply<'unschedule'> {
  const known = state.scheduled.get(key);
  if (known?.state === 'sending') {
    return err(frameError('conflict', 'its time has come, and it is being sent: recall it once it was'));
  }
  state.scheduled.delete(key);
  return ok({ job: known?.job ?? null });
}

/** All of them, whatever became of them. @returns the jobs that they waited for. */
export function unscheduleAll(state: UserState): readonly string[] {
  const all = [...state.scheduled.values()];
  for (const { key } of all) state.scheduled.delete(key);
  return all.filter(isWaiting).map(({ job }) => job);
}

const before = (left: Pick<Scheduled, 'dueAt' | 'key'>, right: Pick<Scheduled, 'dueAt' | 'key'>): number => {
  if (left.dueAt !== right.dueAt) return left.dueAt - right.dueAt;
  return left.key < right.key ? -1 : Number(left.key > right.key);
};

/** What is due first before others. */
export function listScheduled(
  state: UserState,
  { after, limit }: UserCalls['scheduled']['command'],
): Reply<'scheduled'> {
  const [, dueAt, key] = CURSOR.exec(after ?? '') ?? [];
  if (after !== null && key === undefined) return err(frameError('bad_request', 'after is no `next` of a page before'));
  const behind = { dueAt: Number(dueAt ?? -1), key: key ?? '' };
  const rest = [...state.scheduled.values()].filter((one) => before(behind, one) < 0).sort(before);
  let bytes = 0;
  const isTooMuch = (one: Scheduled): boolean => (bytes += bytesOf(one)) > PAGE_BYTES_MAX;
  const large = rest.findIndex(isTooMuch);
  const page = rest.slice(0, Math.min(limit, large < 0 ? rest.length : Math.max(1, large)));
  const last = page.at(-1);
  const next = last !== undefined && rest.length > page.length ? `${String(last.dueAt)} ${last.key}` : null;
  return ok({ messages: page.map(shownScheduled), next });
}

const waitingFor = (state: UserState, key: string, job: string): Scheduled | null => {
  const known = state.scheduled.get(key);
  return known !== undefined && known.job === job && isWaiting(known) ? known : null;
};

/** What a job is to send; null when it is not meant any more. */
export function dueMessage(state: UserState, { key, job }: UserCalls['due']['command']): UserCalls['due']['reply'] {
  const known = waitingFor(state, key, job);
  if (known === null) return { due: null };
  return { due: { message: shownScheduled(known), window: known.window } };
}

/** From here on it may have been sent. @returns whether it is to be. */
export function beginSending(state: UserState, { key, job, window }: UserCalls['sending']['command']): boolean {
  const known = waitingFor(state, key, job);
  if (known === null) return false;
  state.scheduled.set(key, { ...known, state: 'sending', window: known.window ?? window });
  return true;
}

export function settleScheduled(
  state: UserState,
  { key, job, outcome }: UserCalls['settleScheduled']['command'],
  nowMs: number,
): void {
  const known = waitingFor(state, key, job);
  if (known === null) return;
  const { body, ...rest } = known;
  const kept = 'error' in outcome && body !== undefined ? { body } : {};
  const ended =
    'error' in outcome ? { state: 'failed' as const, error: outcome.error } : { state: 'sent' as const, ...outcome };
  state.scheduled.set(key, { ...rest, ...kept, ...ended, endedAt: nowMs });
  trimEnded(state);
}
