import { err, ok, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import type { ConversationSummary, Page, Synced } from '@millrace/protocol';
import type { AnswerTo, RequestContent, SessionError } from '@millrace/raw-client';
import type { ConversationCheck } from './conversation-check.ts';
import { HistoryReader } from './conversation-check.ts';

const PAGE_MESSAGES = 1_000;

/** One request as one user, repeated while that may help. */
export type Ask = <Request extends RequestContent>(
  user: UserId,
  content: Request,
) => Promise<Result<AnswerTo<Request>, SessionError>>;

export interface MemberReport {
  /** Of their conversations of this run: read to the end with every entry there once. */
  readonly complete: boolean;
  /** What the summaries of a new device say that the history does not. */
  readonly summaryFaults: readonly string[];
  readonly entriesRead: number;
}

/** What a new device is shown of the user's conversations: it syncs from nothing. */
export async function snapshotOf(
  ask: Ask,
  user: UserId,
): Promise<Result<ReadonlyMap<ConversationId, ConversationSummary>, SessionError>> {
  const summaries = new Map<ConversationId, ConversationSummary>();
  let token: string | undefined;
  for (;;) {
    const synced: Result<Synced, SessionError> = await ask(user, {
      t: 'sync',
      limit: PAGE_MESSAGES,
      ...(token === undefined ? {} : { token }),
    });
    if (!synced.ok) return synced;
    for (const { summary } of synced.value.conversations) summaries.set(summary.conversation, summary);
    if (!synced.value.hasMore) return ok(summaries);
    token = synced.value.token;
  }
}

/** Pages through one conversation as one of its members, from its first entry to its head. */
async function readHistory(
  ask: Ask,
  user: UserId,
  conversation: ConversationId,
  check: ConversationCheck,
): Promise<Result<{ complete: boolean; entries: number }, SessionError>> {
  const reader = new HistoryReader(check, user);
  let from: Page['head']['seq'] | undefined;
  let entries = 0;
  for (;;) {
    const page: Result<Page, SessionError> = await ask(user, {
      t: 'history',
      conversation,
      direction: 'forward',
      limit: PAGE_MESSAGES,
      ...(from === undefined ? {} : { from }),
    });
    if (!page.ok) return page;
    const { messages, hasMore, head } = page.value;
    for (const message of messages) reader.shown(message);
    entries += messages.length;
    const last = messages.at(-1);
    if (!hasMore || last === undefined) return ok({ complete: reader.ended(head.seq), entries });
    from = (last.seq + 1) as Page['head']['seq'];
  }
}

export interface MemberTask {
  readonly user: UserId;
  readonly checks: ReadonlyMap<ConversationId, ConversationCheck>;
  /** How often a summary that does not fit is asked for again: diffusion may be on its way. */
  readonly settleTries: number;
  readonly settle: () => Promise<void>;
}

/** A new device of the user: syncs from nothing, then reads every conversation of this run from its beginning. */
export async function verifyMember(ask: Ask, task: MemberTask): Promise<Result<MemberReport, SessionError>> {
  const { user, checks } = task;
  let complete = true;
  let entriesRead = 0;
  for (const [conversation, check] of checks) {
    const history = await readHistory(ask, user, conversation, check);
    if (!history.ok) {
      if (history.error.kind === 'lost' || history.error.error.retry !== 'never') return history;
      // Not shown at all: every entry of it is missing for this member.
      complete = new HistoryReader(check, user).ended(0) && complete;
      check.sample(`${user} may not read it: ${history.error.error.message}`);
      continue;
    }
    complete &&= history.value.complete;
    entriesRead += history.value.entries;
  }
  let summaryFaults: string[] = [];
  for (let tried = 0; tried <= task.settleTries; tried += 1) {
    if (tried > 0) await task.settle();
    const snapshot = await snapshotOf(ask, user);
    if (!snapshot.ok) return snapshot;
    summaryFaults = [];
    for (const [conversation, check] of checks) {
      const summary = snapshot.value.get(conversation);
      const fault = summary === undefined ? 'is not in the list' : check.summaryFault(user, summary);
      if (fault !== null) summaryFaults.push(`${user}'s summary of ${conversation} ${fault}`);
    }
    if (summaryFaults.length === 0) break;
  }
  return ok({ complete: complete && summaryFaults.length === 0, summaryFaults, entriesRead });
}

export type InboxReport = 'complete' | 'incomplete' | 'trimmed';

/**
 * A device that was there before the first message and synced nothing since: its inbox must bring it everything from
 * the user's joining on, once and in order.
 *
 * @param joins - the user's conversations of this run, with the seq of their joining.
 */
export async function verifyInbox(
  ask: Ask,
  user: UserId,
  token: string,
  joins: ReadonlyMap<ConversationId, { readonly seq: number; readonly check: ConversationCheck }>,
): Promise<Result<InboxReport, SessionError>> {
  const readers = new Map<ConversationId, HistoryReader>();
  for (const [conversation, { seq, check }] of joins) readers.set(conversation, new HistoryReader(check, user, seq));
  for (let from = token; ;) {
    const synced = await ask(user, { t: 'sync', token: from, limit: PAGE_MESSAGES });
    if (!synced.ok) return err(synced.error);
    if (synced.value.tooLong) return ok('trimmed');
    for (const { summary, messages } of synced.value.conversations) {
      const reader = readers.get(summary.conversation);
      for (const message of messages) reader?.shown(message);
    }
    from = synced.value.token;
    if (!synced.value.hasMore) break;
  }
  let complete = true;
  for (const reader of readers.values()) complete = reader.ended(0) && complete;
  return ok(complete ? 'complete' : 'incomplete');
}
