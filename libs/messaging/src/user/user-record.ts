import {
  fromUtf8,
  generation,
  invariant,
  packed,
  sequenceId,
  type ConversationId,
  type Generation,
  type UserId,
} from '@millrace/kernel';
import type { ActorRecord, ActorWrite } from '@millrace/partition';
import { bodyFromJson, goneCount, jsonScheduled, noGone, type ConversationKind, type Gone } from '@millrace/protocol';
import { emptyHead, generationOf, inGeneration, userKey, type Position, type TimelineHead } from '@millrace/timeline';
import type { Scheduled } from './scheduled.ts';
import {
  newInbox,
  UserState,
  type Concern,
  type InboxMeta,
  type ListedConversation,
  type Progress,
} from './user-state.ts';

/*
 * A user's record, version 1. One field each:
 *   s        JSON {"v":1, "oldest", "nextSlot", "switched", "days": [[at, seq], …]}
 *   x        how far the erasure of all that is theirs has come, see erase/erasures.ts; absent for none
 *   i:<conversation>   JSON [slot, kind, title]
 *   p:<slot>           "gen seq msgNo sent readSeq readMsgNo sentAtRead lastAt member(0|1) sentFrom confirmedGen confirmedIn
 *                       behind(0 write|1 read)"
 *   h:<slot>           JSON [gen, seq, [<seq>, …]]: the last hint, and the unread mentions; behind them [before, [<seq>, …]],
 *                      what is gone, where there is any
 *   q        JSON [[key, job, dueAt], …] of the scheduled messages that wait, the first due first; absent for none
 *   q:<key>            JSON of one: see scheduled.ts
 */
const VERSION = 1;
/** Of one whose inbox may be short: a version that does not know of that is not to write to it. */
const SHORT_VERSION = 2;
const SPACE = 0x20;

/** Its text, as bytes: it is made for every message, and a text of so many numbers takes three times as long. */
const encodeProgress = (at: Progress): Uint8Array =>
  packed((writer) => {
    const next = (value: number): void => {
      writer.u8(SPACE).decimal(value);
    };
    writer.decimal(at.gen);
    next(at.seq);
    next(at.msgNo);
    next(at.sent);
    next(at.readSeq);
    next(at.readMsgNo);
    next(at.sentAtRead);
    next(at.lastAt);
    next(at.member ? 1 : 0);
    next(at.sentFrom);
    next(at.confirmedGen);
    next(at.confirmedIn);
    next(at.behind === 'read' ? 1 : 0);
  });

function decodeProgress(text: string): Progress {
  const [gen, seq, msgNo, sent, readSeq, readMsgNo, sentAtRead, lastAt, member, ...more] = text.split(' ').map(Number);
  const [sentFrom, confirmedGen, confirmedIn, behind] = more;
  return {
    gen: generation(gen ?? 0),
    seq: sequenceId(seq ?? 0),
    msgNo: msgNo ?? 0,
    sent: sent ?? 0,
    readSeq: sequenceId(readSeq ?? 0),
    readMsgNo: readMsgNo ?? 0,
    sentAtRead: sentAtRead ?? 0,
    lastAt: lastAt ?? 0,
    member: member === 1,
    behind: behind === 1 ? 'read' : 'write',
    sentFrom: sequenceId(sentFrom ?? 0),
    confirmedGen: generation(confirmedGen ?? gen ?? 0),
    confirmedIn: generation(confirmedIn ?? 1),
  };
}

type StoredGone = readonly [before: number, seqs: readonly number[]];
type StoredConcern = readonly [gen: number, seq: number, mentions: readonly number[], gone?: StoredGone];

const encodeConcern = ({ mentions, gone, hinted: { gen, seq } }: Concern): string =>
  JSON.stringify([...[gen, seq, mentions], ...(goneCount(gone) === 0 ? [] : [[gone.before, gone.seqs]])]);

const decodeGone = ([before, seqs]: StoredGone): Gone => ({ before, seqs: seqs.map(sequenceId) });

function decodeConcern(text: string): Concern {
  const [gen, seq, mentions, gone] = JSON.parse(text) as StoredConcern;
  const known = gone === undefined ? noGone : decodeGone(gone);
  return { mentions: mentions.map(sequenceId), gone: known, hinted: { gen: generation(gen), seq: sequenceId(seq) } };
}

function decodeInbox(text: string): InboxMeta {
  const { v, oldest, nextSlot, switched, days } = JSON.parse(text) as Partial<InboxMeta> &
    Pick<InboxMeta, 'oldest' | 'nextSlot' | 'days'> & { readonly v: number };
  invariant(v === VERSION || v === SHORT_VERSION, `user record version ${String(v)} is newer than this program`);
  return { oldest: sequenceId(oldest), nextSlot, switched: sequenceId(switched ?? 0), days };
}

/** @param gen - the partition's generation: an inbox of an older one goes on in it. */
export function decodeUser(id: UserId, record: ActorRecord, gen: Generation): UserState {
  let inbox = newInbox;
  const listed: [ConversationId, ListedConversation][] = [];
  const progress: [number, Progress][] = [];
  const concerns: [number, Concern][] = [];
  const scheduled: [string, Scheduled][] = [];
  let erasure: string | null = null;
  for (const [field, value] of record.fields) {
    const text = fromUtf8(value);
    if (field === 's') inbox = decodeInbox(text);
    else if (field === 'x') erasure = text;
    else if (field.startsWith('q:')) scheduled.push([field.slice(2), decodeScheduled(text)]);
    else if (field.startsWith('i:')) {
      const [slot, kind, title] = JSON.parse(text) as [number, ConversationKind, string];
      listed.push([field.slice(2) as ConversationId, { slot, kind, title }]);
    } else if (field.startsWith('p:')) progress.push([Number(field.slice(2)), decodeProgress(text)]);
    else if (field.startsWith('h:')) concerns.push([Number(field.slice(2)), decodeConcern(text)]);
  }
  const storedAt: Position = record.head ?? { gen: generation(0), seq: sequenceId(0) };
  const head = inGeneration(record.head ?? emptyHead(gen), gen);
  return new UserState({ id, storedAt, head, inbox, listed, progress, concerns, erasure, scheduled });
}

function decodeScheduled(text: string): Scheduled {
  const { body, bodyBase64, ...rest } = JSON.parse(text) as Omit<Scheduled, 'body'> & {
    readonly body?: string;
    readonly bodyBase64?: string;
  };
  const given = { ...(body === undefined ? {} : { body }), ...(bodyBase64 === undefined ? {} : { bodyBase64 }) };
  return { ...rest, ...bodyFromJson(given) };
}

/** What waits, for who looks whether each of them still has its job. */
export type WaitingScheduled = readonly (readonly [key: string, job: string, dueAt: number])[];

export const SCHEDULED_FIELD = 'q';

export const decodeWaiting = (value: Uint8Array): WaitingScheduled => JSON.parse(fromUtf8(value)) as WaitingScheduled;

function writeScheduled(state: UserState, set: [string, string | Uint8Array][], unset: string[]): void {
  if (!state.scheduled.dirty) return;
  for (const [key, scheduled] of state.scheduled.changes()) {
    if (scheduled === undefined) unset.push(`q:${key}`);
    else set.push([`q:${key}`, JSON.stringify(jsonScheduled(scheduled))]);
  }
  const waiting = [...state.scheduled.values()]
    .filter(({ endedAt }) => endedAt === null)
    .sort((left, right) => left.dueAt - right.dueAt)
    .map(({ key, job, dueAt }): WaitingScheduled[number] => [key, job, dueAt]);
  if (waiting.length === 0) unset.push(SCHEDULED_FIELD);
  else set.push([SCHEDULED_FIELD, JSON.stringify(waiting)]);
}

/** The position of the first entry that stays, for the trim; null when it is not known to be stored. */
function trimPosition(head: TimelineHead, inbox: InboxMeta): Position | null {
  // Behind a break nothing stays.
  if (inbox.oldest > head.seq) return { gen: head.gen, seq: inbox.oldest };
  const gen = generationOf(head, inbox.oldest);
  return gen === null ? null : { gen, seq: inbox.oldest };
}

/**
 * What the next commit has to write of the user; null for nothing.
 *
 * @param isShort - whether the inbox may be: see `StoreFormat`.
 */
export function userWrite(state: UserState, isShort: boolean): ActorWrite | null {
  if (!state.dirty) return null;
  const set: [string, string | Uint8Array][] = [];
  const unset: string[] = [];
  const inbox = state.inbox.value;
  if (state.erasure.dirty && state.erasure.value !== null) set.push(['x', state.erasure.value]);
  if (state.inbox.dirty) set.push(['s', JSON.stringify({ v: isShort ? SHORT_VERSION : VERSION, ...inbox })]);
  for (const [conversation, listed] of state.listed.changes()) {
    if (listed === undefined) unset.push(`i:${conversation}`);
    else set.push([`i:${conversation}`, JSON.stringify([listed.slot, listed.kind, listed.title])]);
  }
  for (const [slot, progress] of state.progress.changes()) {
    if (progress === undefined) unset.push(`p:${String(slot)}`);
    else set.push([`p:${String(slot)}`, encodeProgress(progress)]);
  }
  for (const [slot, concern] of state.concernChanges()) {
    if (concern === undefined) unset.push(`h:${String(slot)}`);
    else set.push([`h:${String(slot)}`, encodeConcern(concern)]);
  }
  writeScheduled(state, set, unset);
  return {
    actor: userKey(state.id),
    expected: { gen: state.storedAt.gen, seq: state.storedAt.seq },
    head: state.head.value,
    entries: state.entries,
    set,
    unset,
    trimBefore: inbox.oldest === state.inbox.base.oldest ? null : trimPosition(state.head.value, inbox),
  };
}
