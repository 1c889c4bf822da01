import type { ConversationId, UserId } from '@millrace/kernel';
import { describeSessionError } from '@millrace/raw-client';
import { countsOf, type LedgerBook } from '../ledger/ledger-book.ts';
import { ConversationCheck } from './conversation-check.ts';
import { verifyInbox, verifyMember, type Ask } from './verify-member.ts';

const FAULTS_SHOWN = 20;

export interface VerifyOptions {
  readonly ask: Ask;
  readonly book: LedgerBook;
  /** Members that are read as at the same time. */
  readonly membersAtOnce: number;
  readonly settleTries: number;
  readonly settle: () => Promise<void>;
  readonly interrupted: AbortSignal;
  readonly onMember: () => void;
}

export interface VerifyReport {
  readonly messages: number;
  readonly conversations: number;
  readonly members: number;
  readonly checks: readonly ConversationCheck[];
  readonly lost: number;
  readonly duplicated: number;
  readonly gaps: number;
  /** Members of whom a device lacks something, or whose summaries are wrong. */
  readonly membersIncomplete: number;
  readonly inboxes: { complete: number; incomplete: number; trimmed: number };
  readonly entriesRead: number;
  /** For people, the first few. */
  readonly faults: readonly string[];
  /** What kept it from being finished; null when all was read. */
  readonly stoppedBy: string | null;
}

export const isClean = (report: VerifyReport): boolean =>
  report.stoppedBy === null &&
  report.lost + report.duplicated + report.gaps + report.membersIncomplete + report.inboxes.incomplete === 0;

/** Reads everything of a run back, as each of its members, and compares it with the ledger. */
export async function verifyRun(options: VerifyOptions): Promise<VerifyReport> {
  const { book, ask } = options;
  const checks = new Map<ConversationId, ConversationCheck>();
  const byMember = new Map<UserId, Map<ConversationId, { seq: number; check: ConversationCheck }>>();
  for (const [conversation, booked] of book.conversations) {
    const check = new ConversationCheck(booked);
    checks.set(conversation, check);
    for (const [member, seq] of booked.members) {
      const joins = byMember.get(member) ?? new Map<ConversationId, { seq: number; check: ConversationCheck }>();
      byMember.set(member, joins.set(conversation, { seq, check }));
    }
  }

  const faults: string[] = [];
  const inboxes = { complete: 0, incomplete: 0, trimmed: 0 };
  let membersIncomplete = 0;
  let entriesRead = 0;
  let stoppedBy: string | null = null;
  const fault = (text: string): void => {
    if (faults.length < FAULTS_SHOWN) faults.push(text);
  };

  const verifyOne = async (user: UserId): Promise<void> => {
    const joins = byMember.get(user) ?? new Map<ConversationId, { seq: number; check: ConversationCheck }>();
    const member = await verifyMember(ask, {
      user,
      checks: new Map([...joins].map(([conversation, { check }]) => [conversation, check])),
      settleTries: options.settleTries,
      settle: options.settle,
    });
    if (!member.ok) {
      stoppedBy ??= `${user} cannot be read as: ${describeSessionError(member.error)}`;
      return;
    }
    entriesRead += member.value.entriesRead;
    if (!member.value.complete) membersIncomplete += 1;
    for (const text of member.value.summaryFaults) fault(text);
    const token = book.syncTokens.get(user);
    if (token !== undefined) {
      const inbox = await verifyInbox(ask, user, token, joins);
      if (!inbox.ok) {
        stoppedBy ??= `the inbox of ${user} cannot be read: ${describeSessionError(inbox.error)}`;
        return;
      }
      inboxes[inbox.value] += 1;
      if (inbox.value === 'incomplete') fault(`the inbox of ${user} did not bring everything`);
    }
    options.onMember();
  };

  const members = byMember.keys();
  const work = async (): Promise<void> => {
    for (let next = members.next(); next.done !== true; next = members.next()) {
      if (stoppedBy !== null || options.interrupted.aborted) return;
      await verifyOne(next.value);
    }
  };
  await Promise.all(Array.from({ length: options.membersAtOnce }, work));
  if (options.interrupted.aborted) stoppedBy ??= 'interrupted';

  const all = [...checks.values()];
  const sum = (of: (check: ConversationCheck) => ReadonlySet<number>): number =>
    all.reduce((total, check) => total + of(check).size, 0);
  for (const check of all) for (const sample of check.samples) fault(sample);
  return {
    ...countsOf(book),
    checks: all,
    lost: sum((check) => check.lost),
    duplicated: sum((check) => check.duplicated),
    gaps: sum((check) => check.gaps),
    membersIncomplete,
    inboxes,
    entriesRead,
    faults,
    stoppedBy,
  };
}

const plural = (count: number, what: string): string => `${String(count)} ${what}${count === 1 ? '' : 's'}`;

/** The last line, as scripts read it. */
export function verdict(report: VerifyReport): string {
  const { messages, conversations, members, lost, duplicated, gaps } = report;
  const read = `${String(messages)} messages, ${String(conversations)} conversations, ${String(members)} members`;
  const extra: string[] = [];
  if (report.membersIncomplete > 0) extra.push(`${plural(report.membersIncomplete, 'member')} incomplete`);
  if (report.inboxes.incomplete > 0) extra.push(`${plural(report.inboxes.incomplete, 'inbox')} incomplete`);
  const faults = [`${String(lost)} lost`, `${String(duplicated)} duplicated`, `${String(gaps)} gaps`, ...extra];
  return `${report.stoppedBy === null ? 'verified' : 'did not verify'} ${read}: ${faults.join(', ')}`;
}
