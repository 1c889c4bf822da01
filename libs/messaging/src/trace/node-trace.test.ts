import {
  generation,
  partitionId,
  sequenceId,
  type Clock,
  type ConversationId,
  type DeviceId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import type { CommittedBatch } from '@millrace/partition';
import { encodeEntry, WireEntry } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { Effect } from '../effects.ts';
import { silentTrace, UNTRACED } from './message-trace.ts';
import { NodeTrace } from './node-trace.ts';

const team = 'team' as ConversationId;
const [ann, ben] = ['ann', 'ben'] as UserId[] as [UserId, UserId];
const phone = { user: ann, device: 'phone' as DeviceId };

class AClock implements Clock {
  ms = 50;
  aheadMs = 1_000_000;
  nowMs = (): number => this.ms + this.aheadMs;
  monotonicMs = (): number => this.ms;
}

const entryAt = (seq: number): WireEntry =>
  new WireEntry(
    generation(1),
    sequenceId(seq),
    encodeEntry({
      from: ann,
      deviceTag: 1,
      n: seq,
      sentAt: 0,
      at: 0,
      type: 'text',
      body: '',
      msgNo: seq,
      countable: true,
    }),
  );

const appended = (seq: number, conversation = team): Effect => ({
  e: 'appended',
  facts: { conversation, kind: 'group', title: '' },
  gen: generation(1),
  from: sequenceId(seq),
  to: sequenceId(seq),
  entries: [entryAt(seq)],
  mode: 'write',
  recipients: [ann, ben],
  changes: null,
  behind: 'write',
  undiffused: null,
});

const inbox = (user: UserId, from: number, to: number, ...runs: readonly (readonly number[])[]): Effect => ({
  e: 'inbox',
  user,
  push: {
    gen: generation(2),
    from: sequenceId(from),
    to: sequenceId(to),
    items: runs.map((seqs) => ({ conversation: team, messages: seqs.map(entryAt) })),
  },
});

type Batch = CommittedBatch<AnyCommand, AnyReply, Effect>;
const mail = (queuedMs: number): Batch['handled'][number]['mail'] => ({
  command: { t: 'info' },
  answer: () => undefined,
  queuedMs,
});

/** One command for each list of effects, queued at 40, 41, … */
const batch = (...effects: readonly (readonly Effect[])[]): Batch => {
  const all: Effect[] = [];
  const handled = effects.map((of, index) => {
    all.push(...of);
    return { mail: mail(40 + index), reply: { ok: true, value: null } as const, effectsTo: all.length };
  });
  return { commitNo: 7, epoch: 3, decidedMs: 45, storedMs: 48, again: false, handled, effects: all };
};

const of = (seq: number, users: readonly UserId[] = []) => ({
  conversation: team,
  gen: 1,
  seq: sequenceId(seq),
  of: users,
});

const published = (seq: number, duplicate = false) => ({
  conversation: team,
  n: seq,
  gen: generation(1),
  seq: sequenceId(seq),
  msgNo: seq,
  at: 0,
  level: 'memory' as const,
  duplicate,
});

describe('the trace of a node', () => {
  it('tells how a message came in, in wall time as its own clock shows it, and how long it took', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 4);
    const publish = { t: 'publish' } as AnyCommand;
    clock.ms = 60;
    trace.routed(
      publish,
      { ok: true, value: published(5) },
      { to: 'n2' as NodeId, postedMs: 51, askedMs: 53, answeredMs: 60, tries: 2 },
    );
    trace.accepted(phone, 's1', published(5), 50.5);
    trace.accepted(phone, 's2', published(5, true), 58);
    trace.accepted(phone, 's1', published(6), 50);
    trace.routed(
      publish,
      { ok: false, error: { code: 'internal', message: '', retry: 'never' } },
      {
        to: 'n2' as NodeId,
        postedMs: 51,
        askedMs: 53,
        answeredMs: 60,
        tries: 2,
      },
    );
    const told = trace.tell(of(5));
    expect(told.kept).toEqual({ since: 1_000_050, messagesFrom: null, copiesFrom: null });
    expect(told.accepted).toEqual([
      { ...phone, session: 's2', receivedAt: 1_000_058, ackedAt: 1_000_060, tookMs: 2, duplicate: true },
      { ...phone, session: 's1', receivedAt: 1_000_051, ackedAt: 1_000_060, tookMs: 9.5, duplicate: false },
    ]);
    expect(told.routed).toEqual([{ to: 'n2', keyed: false, postedAt: 1_000_051, waitedMs: 2, tookMs: 7, tries: 2 }]);
    expect(trace.tell({ ...of(5), gen: 2 }).accepted).toEqual([]);
    expect(trace.tell({ ...of(5), conversation: 'other' as ConversationId }).accepted).toEqual([]);
  });

  it('tells which commit a message is in, how long it waited, and when its inboxes had it', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 4);
    const commit = trace.committed(
      partitionId(9),
      batch([appended(1)], [], [appended(1, 'other' as ConversationId), appended(2)]),
    );
    const committed = {
      partition: 9,
      commitNo: 7,
      epoch: 3,
      commands: 3,
      decidedAt: 1_000_045,
      storedAt: 1_000_048,
      tookMs: 3,
      again: false,
      diffused: null,
    };
    expect(trace.tell(of(1)).sequenced).toEqual({ waitedMs: 5, recipients: 2, commit: committed });
    expect(trace.tell(of(2)).sequenced?.waitedMs).toBe(3);
    expect(trace.tell(of(3)).sequenced).toBe(null);
    clock.ms = 90;
    trace.diffused(commit);
    trace.diffused(UNTRACED);
    expect(trace.tell(of(2)).sequenced?.commit?.diffused).toEqual({ at: 1_000_090, tookMs: 42 });
    expect(trace.committed(partitionId(9), batch([], []))).toBe(UNTRACED);
  });

  it('tells into which inboxes it came and where, of the users asked for; and of how many in all', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 4);
    trace.committed(partitionId(1), batch([inbox(ann, 4, 5, [1, 2], [3])], [inbox(ben, 8, 8, [2])]));
    const told = trace.tell(of(2, [ann]));
    expect(told.delivered).toEqual([{ user: ann, inbox: { gen: 2, seq: 4 }, at: 1_000_048, tookMs: 8 }]);
    expect(told.copies.delivered).toEqual({ count: 2, firstAt: 1_000_048, lastAt: 1_000_048 });
    expect(trace.tell(of(3, [ann, ben])).delivered).toMatchObject([{ inbox: { seq: 5 } }]);
    // The inbox broke before it: which of the two records is the pointer, only the inbox itself tells.
    trace.committed(partitionId(1), batch([inbox(ben, 9, 10, [4])]));
    expect(trace.tell(of(4, [ben])).delivered).toMatchObject([{ user: ben, inbox: { gen: 2, seq: null } }]);
  });

  it('tells what devices were sent and what they said, also when they have gone', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 4);
    const device = trace.connected(phone, 's1');
    trace.told(phone, { gen: generation(2), seq: sequenceId(3) });
    clock.ms = 60;
    const items = [{ conversation: team, messages: [entryAt(2), entryAt(3)] }];
    device.pushed({ t: 'push', gen: generation(2), prev: sequenceId(3), seq: sequenceId(4), items });
    device.resynced('slow');
    trace.receipt(phone, team, sequenceId(3), 'read');
    clock.ms = 70;
    trace.pulled(phone, { gen: generation(2), seq: sequenceId(9) }, false);
    trace.pulled(phone, { gen: generation(2), seq: sequenceId(8) }, true);
    device.ended();
    const told = trace.tell(of(3, [ann]));
    expect(told.pushed).toEqual([{ ...phone, session: 's1', at: 1_000_060 }]);
    expect(told.copies.pushed?.count).toBe(1);
    expect(told.receipts).toEqual([{ ...phone, what: 'read', at: 1_000_060 }]);
    expect(told.devices).toEqual([
      {
        ...phone,
        session: null,
        told: { gen: 2, seq: 3, at: 1_000_050 },
        pushed: { gen: 2, seq: 4, at: 1_000_060 },
        pulled: { gen: 2, seq: 9, at: 1_000_070 },
        skipped: { gen: 2, seq: 8, at: 1_000_070 },
        resynced: { reason: 'slow', at: 1_000_060 },
      },
    ]);
    expect(trace.tell(of(4, [ann])).receipts).toEqual([]);
    expect(trace.tell(of(3, [ben])).devices).toEqual([]);
  });

  it('tells what went out live to devices that listened then, and not to those that were passed over', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 8);
    const tablet = { user: ben, device: 'tablet' as DeviceId };
    const [phones, tablets] = [trace.connected(phone, 's1'), trace.connected(tablet, 's2')];
    const show = (seq: number, topic = 'live-1'): void => {
      clock.ms = 100 + seq;
      trace.shown(team, topic, { gen: 1, from: sequenceId(seq), to: sequenceId(seq + 1) }, 2);
      trace.flushed();
    };
    phones.listens('live-1');
    show(1);
    tablets.listens('live-1');
    show(3);
    show(3, 'live-2');
    const pushed = (seq: number) =>
      trace.tell(of(seq, [ann, ben])).pushed.map(({ user, session, at }) => `${user} ${session} ${String(at)}`);
    expect([pushed(2), pushed(3)]).toEqual([['ann s1 1000101'], ['ann s1 1000103', 'ben s2 1000103']]);
    expect(trace.tell(of(3)).copies.pushed).toEqual({ count: 4, firstAt: 1_000_103, lastAt: 1_000_103 });
    show(5);
    // Of this one, or the one before, as far as the engine says.
    tablets.passedOver();
    tablets.unlistens('live-1');
    phones.ended();
    show(7);
    tablets.listens('live-1');
    show(9);
    expect([3, 5, 7, 9].map(pushed)).toEqual([
      ['ann s1 1000103', 'ben s2 1000103'],
      ['ann s1 1000105'],
      [],
      ['ben s2 1000109'],
    ]);
  });

  it('tells what devices pulled of what is in no inbox, and when they said that they have it', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 8);
    trace.connected(phone, 's1');
    const at = (seq: number) => ({ gen: generation(1), seq: sequenceId(seq) });
    const pulls = (seq: number) => trace.tell(of(seq, [ann])).pulls?.map((each) => [each.isHeld, each.at - 1_000_000]);
    // It stood there before.
    trace.holds(phone, team, at(4), 'token');
    trace.brought(phone, team, { gen: 1, from: sequenceId(5), to: sequenceId(9) });
    clock.ms = 60;
    trace.holds(phone, team, at(8), 'token');
    expect([pulls(4), pulls(5), pulls(10)]).toEqual([[], [[false, 50]], []]);
    trace.holds(phone, team, at(9), 'token');
    clock.ms = 70;
    trace.holds(phone, team, at(9), 'token');
    expect(pulls(9)).toEqual([
      [false, 50],
      [true, 60],
    ]);
    trace.holds(phone, team, at(12), 'reached');
    expect(pulls(11)).toEqual([[true, 70]]);
    trace.holds(phone, team, { gen: generation(2), seq: sequenceId(1) }, 'reached');
    expect(pulls(30)).toEqual([[true, 70]]);
    expect(trace.tell(of(9, [ben])).pulls).toEqual([]);
  });

  it('says from when on it still has all, once newer steps have taken the place of older ones (I9)', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 2);
    for (let seq = 1; seq <= 20; seq += 1) {
      clock.ms = 100 + seq;
      trace.accepted(phone, 's', published(seq), clock.ms);
      trace.receipt(phone, team, sequenceId(seq), 'read');
    }
    const told = trace.tell(of(12, [ann]));
    expect(told.kept).toEqual({ since: 1_000_050, messagesFrom: 1_000_113, copiesFrom: 1_000_105 });
    expect([told.accepted.length, trace.tell(of(13)).accepted.length]).toEqual([0, 1]);
    expect(told.receipts).toHaveLength(9);
  });

  it('tells the same times again, unless the clock was set', () => {
    const clock = new AClock();
    const trace = new NodeTrace(clock, 4);
    const since = (): number | undefined => trace.tell(of(1)).kept?.since;
    const told = [1_000_000, 1_000_001, 999_999, 1_000_500].map((aheadMs) => {
      clock.aheadMs = aheadMs;
      return since();
    });
    expect(told).toEqual([1_000_050, 1_000_050, 1_000_050, 1_000_550]);
  });

  it('that is switched off says that nothing is kept', () => {
    expect(silentTrace.committed(partitionId(1), batch([appended(1)]))).toBe(UNTRACED);
    silentTrace.connected(phone, 's').ended();
    expect(silentTrace.tell(of(1, [ann]))).toMatchObject({ kept: null, accepted: [], sequenced: null, devices: [] });
  });
});
