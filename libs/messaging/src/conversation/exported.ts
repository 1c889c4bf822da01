import { err, ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import { keptFrom } from '@millrace/timeline';
import {
  isRetired,
  type About,
  type BanLine,
  type ConversationLine,
  type KeyLine,
  type MemberLine,
  type StateLine,
} from '../transfer/lines.ts';
import type { ConversationMeta, ConversationState, Member } from './conversation-state.ts';
import type { CounterKey } from './counted-devices.ts';
import { LOOKED_AT_MAX, notFound } from './queries.ts';

export type ExportSection = 'members' | 'bans' | 'keys';

/** Where a page begins. */
export interface ExportFrom {
  readonly section: ExportSection;
  readonly after: string | null;
  /** The head as the first page told of it; null for that one. */
  readonly upTo: SequenceId | null;
}

export interface Exported {
  /** As of `upTo`. */
  readonly line: ConversationLine;
  readonly lines: readonly StateLine[];
  /** Null: the entries are next. */
  readonly next: { readonly section: ExportSection; readonly after: string | null } | null;
  /** Who is or was a member, of this page. */
  readonly users: readonly UserId[];
}

const PAGE = 1_000;

const aboutOf = ({ lobby: _lobby, ...about }: ConversationMeta): About => {
  const { kind, title, joinPolicy, historyPolicy, createdBy, createdAt, muted, slowModeMs, mentionAllBy, pinBy } =
    about;
  const { retentionDays = 0, lifetimeMs = 0 } = about;
  const kept = { ...(retentionDays === 0 ? {} : { retentionDays }), ...(lifetimeMs === 0 ? {} : { lifetimeMs }) };
  const policies = { joinPolicy, historyPolicy, createdBy, createdAt, muted, slowModeMs, mentionAllBy, pinBy };
  return { kind, title, ...policies, ...kept };
};

function conversationLine(state: ConversationState): ConversationLine {
  const { meta, head, segments, readReason, keyWindow } = state;
  const { window, used } = keyWindow.value;
  const last = head.value.seq;
  const first = last === 0 ? last : keptFrom(head.value);
  return {
    conversation: state.id,
    about: meta.value === null ? null : aboutOf(meta.value),
    ...{ first, last },
    segments: segments.value.map(({ from, to }) => [from, to]),
    readReason: readReason.value,
    keyWindow: [window, used],
    ...(isRetired({ first, last }) ? { retiredMsgNo: state.msgNo.value } : {}),
  };
}

/**
 * The devices of a user that had sent something by then that is still kept, in order. What a backend sends is told by the
 * entries alone.
 */
function devicesUpTo(state: ConversationState, user: UserId, upTo: SequenceId): readonly string[] {
  const first = keptFrom(state.head.value);
  const hasSent = (device: string): boolean => {
    const counter = state.counters.get(`${user}/${device}` as CounterKey);
    return counter !== undefined && counter.last > 0 && counter.seqs.some((seq) => seq >= first && seq <= upTo);
  };
  return state.devicesOf(user).filter(hasSent).sort();
}

function memberLine(state: ConversationState, user: UserId, member: Member, upTo: SequenceId): MemberLine {
  const { role, intervals, readSeq, deliveredSeq, mutedUntilMs } = member;
  return {
    member: user,
    role,
    stays: intervals.map(({ joined, from, to }) => [joined, from, to]),
    // What was read since was not there yet.
    readSeq: sequenceId(Math.min(readSeq, upTo)),
    deliveredSeq: sequenceId(Math.min(deliveredSeq, upTo)),
    ...(mutedUntilMs === 0 ? {} : { mutedUntil: mutedUntilMs }),
    devices: devicesUpTo(state, user, upTo),
  };
}

function keyLines(state: ConversationState, upTo: SequenceId): readonly KeyLine[] {
  const known = [...state.keys.entries()]
    .filter(([, { seq }]) => seq <= upTo)
    .sort(([one], [other]) => (one < other ? -1 : 1));
  return known.map(([name, { window, seq }]) => {
    const slash = name.indexOf('/');
    return { key: name.slice(slash + 1), from: name.slice(0, slash) as UserId, window, seq };
  });
}

type Page = Pick<Exported, 'lines' | 'next' | 'users'>;

function membersPage(state: ConversationState, after: string | null, upTo: SequenceId): Page {
  const users: UserId[] = [];
  for (const user of state.index.behind(after as UserId | null)) {
    if (users.length === PAGE)
      return { lines: linesOf(users), next: { section: 'members', after: users.at(-1) ?? null }, users };
    users.push(user);
  }
  function linesOf(page: readonly UserId[]): readonly MemberLine[] {
    return page.flatMap((user) => {
      const member = state.members.get(user);
      return member === undefined ? [] : [memberLine(state, user, member, upTo)];
    });
  }
  return { lines: linesOf(users), next: { section: 'bans', after: null }, users };
}

function bansPage(state: ConversationState, after: string | null): Page {
  const lines: BanLine[] = [];
  let looked = 0;
  let last: UserId | null = null;
  for (const user of state.banIndex.behind(after as UserId | null)) {
    if (looked === LOOKED_AT_MAX) return { lines, next: { section: 'bans', after: last }, users: [] };
    looked += 1;
    last = user;
    const ban = state.bans.get(user);
    if (ban !== undefined) lines.push({ ban: user, by: ban.by, at: ban.atMs });
  }
  return { lines, next: { section: 'keys', after: null }, users: [] };
}

/**
 * A page of what a conversation keeps beside its entries, as of one of them. It is refused as `conflict` when somebody came
 * or went since, or something was set: then whoever exports it begins it again. Messages that come meanwhile are no harm.
 */
export function exported(state: ConversationState, { section, after, upTo }: ExportFrom): Result<Exported, FrameError> {
  const isOpen = state.staged.value?.isDone === false;
  const isThere = state.meta.value !== null || (!isOpen && state.bans.size > 0);
  if (!isThere) return err(notFound(state));
  const line = conversationLine(state);
  const asOf = upTo ?? line.last;
  if (state.lastControl > asOf || line.last < asOf) {
    return err(frameError('conflict', `${state.id} has changed since its export began: begin it again`));
  }
  if (section === 'members') return ok({ line, ...membersPage(state, after, asOf) });
  if (section === 'bans') return ok({ line, ...bansPage(state, after) });
  return ok({ line, lines: keyLines(state, asOf), next: null, users: [] });
}
