import { err, generation, ok, sequenceId, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { frameError, type ConversationSummary, type Message } from '@millrace/protocol';
import type { RequestContent, SessionError } from '@millrace/raw-client';
import { beforeEach, describe, expect, it } from 'vitest';
import { emptyBook, enter, type LedgerBook } from '../ledger/ledger-book.ts';
import { sha256Of } from '../sha256.ts';
import type { Ask } from './verify-member.ts';
import { isClean, verdict, verifyRun, type VerifyReport } from './verify-run.ts';

const MEMBERS = ['ada', 'bob', 'eve', 'kim'] as const as readonly string[] as readonly UserId[];
const CONVERSATIONS = ['run.a', 'run.b'] as readonly string[] as readonly ConversationId[];
const MESSAGES = 9;
const gen = generation(1);

/** Entries 1..4 create and join, each later one is a message of one of the members. */
function timeline(): Message[] {
  return Array.from({ length: MEMBERS.length + MESSAGES }, (_, index) => {
    const said = index - MEMBERS.length;
    const isMessage = said >= 0;
    return {
      gen,
      seq: sequenceId(index + 1),
      msgNo: Math.max(0, said + 1),
      countable: isMessage,
      from: MEMBERS[index % MEMBERS.length] ?? null,
      deviceTag: isMessage ? 1 : 0,
      n: isMessage ? Math.floor(said / MEMBERS.length) + 1 : 0,
      sentAt: 0,
      at: 0,
      type: isMessage ? 'text' : 'control',
      body: `entry ${String(index + 1)}`,
    };
  });
}

/** What a server shows: its timelines, except where a test makes one view of it wrong. */
class ModelViews {
  readonly timelines = new Map(CONVERSATIONS.map((conversation) => [conversation, timeline()]));
  history: (user: UserId, conversation: ConversationId, messages: readonly Message[]) => readonly Message[] = (
    _user,
    _conversation,
    messages,
  ) => messages;
  inbox: (messages: readonly Message[]) => readonly Message[] = (messages) => messages;
  summary: (user: UserId, summary: ConversationSummary) => ConversationSummary | null = (_user, summary) => summary;
  refuse: (user: UserId, content: RequestContent) => SessionError | null = () => null;
  trimmed = false;
  pages = 0;

  readonly ask: Ask = async (user, content) => {
    await Promise.resolve();
    const refusal = this.refuse(user, content);
    const outcome = refusal === null ? this.#answer(user, content) : err(refusal);
    return outcome as Result<never, SessionError>;
  };

  #summaryOf(user: UserId, conversation: ConversationId): ConversationSummary {
    const all = this.timelines.get(conversation) ?? [];
    const head = all.at(-1);
    const own = all.filter(({ countable, from }) => countable && from === user).length;
    const msgNo = head?.msgNo ?? 0;
    const unreadInputs = { msgNo, readSeq: sequenceId(0), readMsgNo: 0, own, unread: msgNo - own };
    const place = { gen: head?.gen ?? gen, seq: head?.seq ?? sequenceId(0), lastAt: 0 };
    return {
      conversation,
      kind: 'group',
      title: '',
      peer: null,
      member: true,
      diffusion: 'write',
      ...place,
      ...unreadInputs,
    };
  }

  #answer(user: UserId, content: RequestContent): Result<unknown, SessionError> {
    if (content.t === 'history') {
      this.pages += 1;
      const all = this.history(user, content.conversation, this.timelines.get(content.conversation) ?? []);
      // Pages of three, so that the seam between pages is crossed.
      const from = all.filter(({ seq }) => seq >= (content.from ?? 1));
      const head = all.at(-1) ?? { gen, seq: sequenceId(0) };
      return ok({ messages: from.slice(0, 3), hasMore: from.length > 3, head: { gen: head.gen, seq: head.seq } });
    }
    if (content.t !== 'sync') return err({ kind: 'refused', error: frameError('bad_request', 'no') });
    if (content.token?.startsWith('before') === true && !this.trimmed) {
      const skip = Number(content.token.slice('before'.length));
      const conversations = CONVERSATIONS.map((conversation) => ({
        summary: this.#summaryOf(user, conversation),
        messages: this.inbox(this.timelines.get(conversation) ?? []).slice(skip, skip + 4),
      }));
      const hasMore = skip + 4 < MEMBERS.length + MESSAGES;
      return ok({ tooLong: false, conversations, hasMore, token: `before${String(skip + 4)}` });
    }
    const conversations = CONVERSATIONS.map((conversation) =>
      this.summary(user, this.#summaryOf(user, conversation)),
    ).flatMap((summary) => (summary === null ? [] : [{ summary, messages: [] }]));
    return ok({ tooLong: true, conversations, hasMore: false, token: 'now' });
  }
}

function bookOf(): LedgerBook {
  const book = emptyBook();
  enter(book, { sync: MEMBERS[0] as UserId, token: 'before0' });
  for (const conversation of CONVERSATIONS) {
    for (const [index, message] of timeline().entries()) {
      const { seq, n, body } = message;
      const from = message.from ?? ('' as UserId);
      if (index === 0) enter(book, { conversation, channel: 'c', creator: from });
      else if (index < MEMBERS.length) enter(book, { joined: from, conversation, gen, seq });
      else enter(book, { line: index, conversation, from, n, gen, seq, sha256: sha256Of(body) });
    }
  }
  return book;
}

let server: ModelViews;
let settled = 0;
beforeEach(() => {
  server = new ModelViews();
  settled = 0;
});

function verify(): Promise<VerifyReport> {
  return verifyRun({
    ask: server.ask,
    book: bookOf(),
    membersAtOnce: 3,
    settleTries: 2,
    settle: async () => {
      settled += 1;
    },
    interrupted: new AbortController().signal,
    onMember: () => undefined,
  });
}

const without = (messages: readonly Message[], at: number) => messages.filter(({ seq }) => seq !== at);

describe('verify', () => {
  it('reads every conversation as every member and says so in its last line', async () => {
    const report = await verify();
    expect(verdict(report)).toBe('verified 18 messages, 2 conversations, 4 members: 0 lost, 0 duplicated, 0 gaps');
    expect(isClean(report)).toBe(true);
    expect(report.entriesRead).toBe(4 * 2 * (MEMBERS.length + MESSAGES));
    expect(report.inboxes).toEqual({ complete: 1, incomplete: 0, trimmed: 0 });
  });

  it('finds what one member of one conversation cannot see', async () => {
    server.history = (user, conversation, messages) =>
      user === 'kim' && conversation === 'run.b' ? without(messages, 7) : messages;
    const report = await verify();
    expect(verdict(report)).toMatch(/: 1 lost, 0 duplicated, 1 gaps, 1 member incomplete$/);
    expect(isClean(report)).toBe(false);
  });

  it('finds a message that everybody lacks (I3)', async () => {
    server.timelines.set('run.a' as ConversationId, without(timeline(), 7));
    const report = await verify();
    expect(report).toMatchObject({ lost: 1, gaps: 1, membersIncomplete: 4 });
  });

  it('finds a message that was stored twice (I4)', async () => {
    const all = timeline();
    const first = all[5] as Message;
    all.push({ ...first, seq: sequenceId(all.length + 1), msgNo: MESSAGES + 1 });
    server.timelines.set('run.a' as ConversationId, all);
    const report = await verify();
    expect(report).toMatchObject({ lost: 0, duplicated: 1, gaps: 0 });
    expect(isClean(report)).toBe(false);
  });

  it('finds a conversation that a member may not read', async () => {
    server.refuse = (user, content) =>
      user === 'bob' && content.t === 'history' && content.conversation === 'run.a'
        ? { kind: 'refused', error: frameError('not_member', 'you are not a member') }
        : null;
    const report = await verify();
    expect(report).toMatchObject({ lost: MESSAGES, membersIncomplete: 1, stoppedBy: null });
    expect(report.faults.join()).toMatch(/bob may not read it: you are not a member/);
  });

  it('finds a wrong unread count, after it gave diffusion time to arrive', async () => {
    server.summary = (user, summary) => (user === 'eve' ? { ...summary, unread: summary.unread + 1 } : summary);
    const report = await verify();
    expect(settled).toBe(2);
    expect(report).toMatchObject({ lost: 0, membersIncomplete: 1 });
    expect(report.faults[0]).toMatch(/eve's summary of run\.a has 8 unread, not 7/);
    expect(isClean(report)).toBe(false);
  });

  it('waits for a summary that is late', async () => {
    server.summary = (_user, summary) => (settled < 2 ? null : summary);
    expect(isClean(await verify())).toBe(true);
  });

  it('finds an inbox that did not bring everything, though the history has it', async () => {
    server.inbox = (messages) => without(messages, 8);
    const report = await verify();
    expect(report.inboxes.incomplete).toBe(1);
    expect(isClean(report)).toBe(false);
  });

  it('does not blame an inbox that was trimmed', async () => {
    server.trimmed = true;
    const report = await verify();
    expect(report.inboxes).toEqual({ complete: 0, incomplete: 0, trimmed: 1 });
    expect(isClean(report)).toBe(true);
  });

  it('is never clean when it could not read everything', async () => {
    server.refuse = (user) =>
      user === 'eve' ? { kind: 'lost', closeCode: 1006, reason: 'gone', reconnect: 'backoff' } : null;
    const report = await verify();
    expect(isClean(report)).toBe(false);
    expect(verdict(report)).toMatch(/^did not verify /);
    expect(report.stoppedBy).toMatch(/eve cannot be read as: the connection was lost \(1006: gone\)/);
  });
});
