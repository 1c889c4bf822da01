import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { ConversationSummary, Message } from '@millrace/protocol';
import { beforeEach, describe, expect, it } from 'vitest';
import type { MessageRecord } from '../ledger/ledger-record.ts';
import { sha256Of } from '../sha256.ts';
import { ConversationCheck, HistoryReader } from './conversation-check.ts';

const conversation = 'run.lobby' as ConversationId;
const ada = 'ada' as UserId;
const bob = 'bob' as UserId;
const HEAD = 6;

/** Seq 1 tells of the creation, the others are messages of ada's (even) and bob's (odd). */
function entry(seq: number): Message {
  const isMessage = seq > 1;
  const from = seq % 2 === 0 ? ada : bob;
  return {
    gen: generation(1),
    seq: sequenceId(seq),
    msgNo: seq - 1,
    countable: isMessage,
    from: isMessage ? from : ada,
    deviceTag: isMessage ? 7 : 0,
    n: isMessage ? Math.floor(seq / 2) : 0,
    sentAt: 0,
    at: 0,
    type: isMessage ? 'text' : 'control',
    body: isMessage ? `text ${String(seq)}` : '{}',
  };
}

function record(seq: number): MessageRecord {
  const { gen, n, body } = entry(seq);
  const from = seq % 2 === 0 ? ada : bob;
  return { line: seq + 100, conversation, from, n, gen, seq: sequenceId(seq), sha256: sha256Of(body) };
}

const seqs = Array.from({ length: HEAD }, (_, index) => index + 1);
const booked = (messages: readonly MessageRecord[]) => ({
  record: { conversation, channel: 'lobby', creator: ada },
  members: new Map([
    [ada, sequenceId(1)],
    [bob, sequenceId(1)],
  ]),
  messages: [...messages],
  counters: new Map<UserId, number>(),
});

let check: ConversationCheck;
beforeEach(() => {
  check = new ConversationCheck(booked(seqs.slice(1).map(record)));
});

function read(reader: UserId, messages: readonly Message[], head = HEAD): boolean {
  const history = new HistoryReader(check, reader);
  for (const message of messages) history.shown(message);
  return history.ended(head);
}

const counts = () => ({ lost: check.lost.size, duplicated: check.duplicated.size, gaps: check.gaps.size });
const all = seqs.map(entry);
const without = (seq: number) => all.filter((message) => message.seq !== seq);
const changed = (seq: number, change: Partial<Message>) =>
  all.map((message) => (message.seq === seq ? { ...message, ...change } : message));

describe('a conversation read back', () => {
  it('is complete when every member sees every seq once with its text', () => {
    expect(read(ada, all)).toBe(true);
    expect(read(bob, all)).toBe(true);
    expect(counts()).toEqual({ lost: 0, duplicated: 0, gaps: 0 });
  });

  it('counts an acknowledged message that is missing as lost, and the hole as a gap (I3)', () => {
    expect(read(ada, without(4))).toBe(false);
    expect(counts()).toEqual({ lost: 1, duplicated: 0, gaps: 1 });
  });

  it('counts a message that one member alone lacks, once for all that lack it', () => {
    read(ada, all);
    expect(read(bob, without(4))).toBe(false);
    expect(read('eve' as UserId, without(4))).toBe(false);
    expect(counts()).toEqual({ lost: 1, duplicated: 0, gaps: 1 });
    expect(check.samples[0]).toMatch(/bob was not shown the seqs 4 to 4/);
  });

  it.each([
    ['the server says that there is more', all.slice(0, 4), HEAD],
    ['others were shown more', all.slice(0, 4), 4],
    ['nothing at all is shown', [], 0],
  ])('misses the end when %s', (_what, messages, head) => {
    read(ada, all);
    expect(read(bob, messages, head)).toBe(false);
    expect(check.lost.has(HEAD)).toBe(true);
  });

  it('loses the acknowledged end even when the server has forgotten that it was there', () => {
    expect(read(ada, all.slice(0, 4), 4)).toBe(false);
    expect([...check.lost]).toEqual([5, 6]);
  });

  it.each([
    ['another text', { body: 'else' }],
    ['another author', { from: bob }],
    ['another counter', { n: 9 }],
    ['another generation', { gen: generation(2) }],
  ])('finds a message with %s than was acknowledged', (_what, change) => {
    read(ada, changed(4, change));
    expect([...check.lost]).toEqual([4]);
    expect(check.samples[0]).toMatch(/line 104 is not what stands at seq 4/);
  });

  it('finds a member who is shown another text than the first reader', () => {
    read(ada, all);
    read(bob, changed(4, { body: 'else' }));
    expect([...check.lost]).toEqual([4]);
  });

  it('finds one client message id at two seqs (I4)', () => {
    const twice = { ...entry(4), seq: sequenceId(7), msgNo: 6 };
    read(ada, [...all, twice], 7);
    expect(counts()).toEqual({ lost: 0, duplicated: 1, gaps: 0 });
  });

  it('finds an entry that is shown twice', () => {
    expect(read(ada, [...all.slice(0, 3), ...all.slice(2)])).toBe(false);
    expect(counts()).toEqual({ lost: 0, duplicated: 1, gaps: 0 });
  });

  it('takes two acknowledgements of one seq for a loss', () => {
    check = new ConversationCheck(booked([...seqs.slice(1).map(record), { ...record(4), line: 999 }]));
    read(ada, all);
    expect([...check.lost]).toEqual([4]);
  });

  it('may hold more than was acknowledged: an answer can get lost after the commit (I5)', () => {
    check = new ConversationCheck(booked(seqs.slice(1, 4).map(record)));
    expect(read(ada, all)).toBe(true);
    expect(counts()).toEqual({ lost: 0, duplicated: 0, gaps: 0 });
  });
});

describe("a member's summary", () => {
  const summary: ConversationSummary = {
    conversation,
    kind: 'group',
    title: 'lobby',
    peer: null,
    member: true,
    diffusion: 'write',
    gen: generation(1),
    seq: sequenceId(HEAD),
    lastAt: 0,
    msgNo: 5,
    readSeq: sequenceId(3),
    readMsgNo: 2,
    own: 2,
    unread: 1,
  };

  beforeEach(() => {
    read(ada, all);
  });

  it('agrees with the history', () => {
    expect(check.summaryFault(ada, summary)).toBe(null);
  });

  it.each([
    ['a head that is behind', { seq: sequenceId(5) }, /ends at 1-5, the history at 1-6/],
    ['another generation', { gen: generation(2) }, /ends at 2-6/],
    ['too few messages', { msgNo: 4 }, /counts 4 messages/],
    ['own messages that are not', { own: 1 }, /own messages/],
    ['a wrong read position', { readMsgNo: 3 }, /read up to message 3/],
    ['a wrong unread count', { unread: 2 }, /has 2 unread, not 1/],
    ['no membership', { member: false }, /no member/],
  ])('with %s is a fault', (_what, change, fault) => {
    expect(check.summaryFault(ada, { ...summary, ...change })).toMatch(fault);
  });
});
