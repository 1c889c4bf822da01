import type { ConversationId } from '@millrace/kernel';
import { beforeEach, describe, expect, it } from 'vitest';
import { AckLog } from './ack-log.ts';
import { DeviceLog } from './device-log.ts';
import { Findings, type ViolationKind } from './findings.ts';
import { LiveTexts } from './live-text.ts';
import { PositionBook } from './position-book.ts';
import { checkStored, gensOf, valueOf, type AckedMessage, type StoredEntry } from './stored-check.ts';

const conversation = 'c' as ConversationId;
let findings: Findings;
beforeEach(() => {
  findings = new Findings();
});

/** What was counted, without the zeros. */
const found = (): Partial<Record<ViolationKind, number>> =>
  Object.fromEntries(Object.entries(findings.counts).filter(([, count]) => count > 0));

describe('a conversation read at the end', () => {
  /** Seq 1 tells of the creation; then messages 1, 2, 3 … of one sender. */
  const stored = (seq: number, more: Partial<StoredEntry> = {}): StoredEntry => ({
    gen: 1,
    seq,
    value: seq === 1 ? 'created' : valueOf('s', seq - 1),
    clientMessage: seq === 1 ? null : `u/7/${String(seq - 1)}`,
    ...more,
  });
  const ack = (seq: number, more: Partial<AckedMessage> = {}): AckedMessage => ({
    sender: 's',
    number: seq - 1,
    n: seq - 1,
    gen: 1,
    seq,
    ...more,
  });
  const entries = [1, 2, 3, 4, 5].map((seq) => stored(seq));
  const acks = [2, 3, 4, 5].map((seq) => ack(seq));
  const check = (those: readonly StoredEntry[], acked: readonly AckedMessage[] = acks, head = those.at(-1)) =>
    checkStored({ conversation, entries: those, head: head ?? { gen: 1, seq: 0 } }, acked, findings);
  const changed = (seq: number, more: Partial<StoredEntry>) =>
    entries.map((entry) => (entry.seq === seq ? { ...entry, ...more } : entry));

  it('is as it must be when every ack stands where it said, once', () => {
    expect(check(entries)).toEqual([]);
    expect(found()).toEqual({});
  });

  it('may hold more than was acknowledged: an ack can get lost (I5)', () => {
    expect(check(entries, acks.slice(0, 2))).toEqual([]);
    expect(found()).toEqual({});
  });

  it('names an acknowledged message that is gone, and the gap that it left (I1)(I3)', () => {
    expect(check(entries.filter(({ seq }) => seq !== 4))).toEqual([{ conversation, ...ack(4), isTold: false }]);
    expect(found()).toEqual({ gap: 1 });
  });

  it('names an acknowledged end that is gone, though nothing is missing before it', () => {
    const lost = check(entries.slice(0, 3));
    expect(lost.map(({ seq, isTold }) => ({ seq, isTold }))).toEqual([
      { seq: 4, isTold: false },
      { seq: 5, isTold: false },
    ]);
  });

  it('tells a loss that a higher generation declares from one that nothing tells of', () => {
    const later = changed(4, { gen: 2, value: valueOf('s', 9), clientMessage: 'u/7/9' }).slice(0, 4);
    expect(check(later)).toMatchObject([
      { seq: 4, isTold: true },
      { seq: 5, isTold: true },
    ]);
    // Beyond the end, and the head is of no higher generation: nothing tells of it.
    expect(check(entries.slice(0, 4))).toMatchObject([{ seq: 5, isTold: false }]);
  });

  it('takes an ack of an earlier generation for lost where a later one stands', () => {
    expect(check(changed(5, { gen: 2 }))).toMatchObject([]);
    expect(found()).toEqual({ conflict: 1 });
  });

  it('finds a message at another seq than its ack said', () => {
    expect(check(entries, [ack(2), ack(3, { seq: 4 }), ack(5)])).toEqual([]);
    expect(found()).toEqual({ conflict: 1 });
  });

  it('finds a message that is stored twice, under another counter', () => {
    check([...entries, stored(6, { value: valueOf('s', 4), clientMessage: 'u/7/99' })]);
    expect(found()).toEqual({ duplicated: 1 });
  });

  it('finds a client message id that is stored twice, with another text (I4)', () => {
    check([...entries, stored(6, { clientMessage: 'u/7/4' })]);
    expect(found()).toEqual({ duplicated: 1 });
  });

  it('finds a head beyond the last entry', () => {
    check(entries, acks, { ...stored(6) });
    expect(found()).toEqual({ gap: 1 });
  });

  it('finds a generation that falls', () => {
    check(changed(3, { gen: 2 }), []);
    expect(found()).toEqual({ backwards: 1 });
  });

  it("finds a sender's messages in another order", () => {
    const swapped = [entries[0], stored(2, { value: valueOf('s', 2) }), stored(3, { value: valueOf('s', 1) })];
    check(swapped as StoredEntry[], []);
    expect(found()).toEqual({ disordered: 1 });
  });
});

describe('what stands at a position', () => {
  it('is one value for everybody', () => {
    const book = new PositionBook(conversation, findings);
    book.told(1, 2, 'a', 'one');
    book.told(1, 2, 'a', 'another');
    book.told(2, 2, 'b', 'one, in the next generation');
    expect(found()).toEqual({});
    book.told(1, 2, 'b', 'a third');
    expect(found()).toEqual({ conflict: 1 });
    expect(findings.samples).toEqual(['conflict, c: a third was told b at 1-2, others a']);
  });
});

describe('the acks of a sender', () => {
  let log: AckLog;
  beforeEach(() => {
    log = new AckLog(conversation, 's', new PositionBook(conversation, findings), findings);
    log.add(2, 2, 1, 5);
  });

  it('rise with what was sent, however late they come, and begin lower in the next generation', () => {
    log.add(4, 4, 1, 9);
    log.add(3, 3, 1, 7);
    log.add(1, 1, 1, 4);
    log.add(5, 3, 2, 6);
    expect(found()).toEqual({});
    expect(log.acked.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
  });

  it.each<[string, number, number, number, ViolationKind]>([
    ['the seq of the one before', 3, 3, 5, 'backwards'],
    ['a lower seq than the one before', 3, 3, 4, 'backwards'],
    ['a higher seq than the one behind', 1, 1, 6, 'backwards'],
    ['a lower counter than the one before', 3, 1, 6, 'backwards'],
    ['a counter that another had', 3, 2, 6, 'duplicated'],
  ])('must not come with %s', (_what, number, n, seq, kind) => {
    log.add(number, n, 1, seq);
    expect(found()).toMatchObject({ [kind]: 1 });
  });
});

describe('the way of a device through a conversation', () => {
  let log: DeviceLog;
  beforeEach(() => {
    log = new DeviceLog(conversation, 'd', findings);
    for (const seq of [1, 2, 3]) log.shown(1, seq);
  });
  const gens = (...of: number[]) =>
    gensOf(of.map((gen, index) => ({ gen, seq: index + 1, value: '', clientMessage: null })));

  it('is complete when it was shown everything once', () => {
    expect(log.differsFrom(gens(1, 1, 1))).toEqual([]);
    expect(found()).toEqual({});
  });

  it('is incomplete when the end is missing, and when it holds what is not stored', () => {
    expect(log.differsFrom(gens(1, 1, 1, 1))).toEqual([4]);
    expect(log.differsFrom(gens(1, 1))).toEqual([3]);
    expect(log.differsFrom(gens(1, 1, 2))).toEqual([3]);
  });

  it.each<[string, number, ViolationKind]>([
    ['the last one again', 3, 'duplicated'],
    ['an earlier one again', 2, 'duplicated'],
    ['one too far ahead', 5, 'gap'],
  ])('must not be shown %s', (_what, seq, kind) => {
    log.shown(1, seq);
    log.ended();
    expect(found()).toEqual({ [kind]: 1 });
  });

  it('must not go back to an earlier generation', () => {
    log.shown(2, 4);
    log.shown(1, 5);
    expect(found()).toEqual({ backwards: 1 });
  });

  it('goes on behind what survived in a higher generation, and drops the rest', () => {
    log.shown(2, 3);
    log.shown(2, 4);
    expect(found()).toEqual({});
    expect(log.differsFrom(gens(1, 1, 2, 2))).toEqual([]);
  });

  it.each([['before'], ['after']])('drops what it is told is lost, %s the next generation is shown', (when) => {
    if (when === 'before') log.regressed(1, 1);
    log.shown(2, 2);
    if (when === 'after') log.regressed(1, 1);
    expect(found()).toEqual({});
    expect(log.differsFrom(gens(1, 2))).toEqual([]);
  });

  it('fills by pages what its client skipped, and is incomplete until then', () => {
    log.skipped(1, 3, 5);
    log.shown(1, 6);
    log.ended();
    expect(found()).toEqual({});
    expect(log.differsFrom(gens(1, 1, 1, 1, 1, 1))).toEqual([4, 5]);
    log.paged(1, 4);
    log.paged(1, 5);
    expect(log.differsFrom(gens(1, 1, 1, 1, 1, 1))).toEqual([]);
  });

  it('may be told only afterwards what was lost and what was skipped, as its client finds it out by asking', () => {
    log.shown(2, 6);
    log.regressed(1, 2);
    log.skipped(2, 2, 5);
    log.ended();
    expect(found()).toEqual({});
    for (const seq of [3, 4, 5]) log.paged(2, seq);
    expect(log.differsFrom(gens(1, 1, 2, 2, 2, 2))).toEqual([]);
  });

  it('goes on paging what was skipped of a newer generation than the one that it is told is lost', () => {
    log.skipped(2, 4, 6);
    log.regressed(1, 2);
    log.skipped(2, 2, 4);
    log.shown(2, 7);
    log.ended();
    expect(found()).toEqual({});
    for (const seq of [3, 4, 5, 6]) log.paged(2, seq);
    expect(log.differsFrom(gens(1, 1, 2, 2, 2, 2, 2))).toEqual([]);
  });

  it('lacks what was skipped of the generation that is lost', () => {
    log.skipped(1, 3, 6);
    log.regressed(1, 2);
    log.shown(2, 7);
    log.ended();
    expect(found()).toEqual({ gap: 1 });
    expect(log.differsFrom(gens(1, 1, 2, 2, 2, 2, 2))).toEqual([3, 4, 5, 6]);
  });

  it('must not skip what it was shown', () => {
    log.skipped(1, 2, 6);
    expect(found()).toEqual({ backwards: 1 });
  });

  it('has a summary that never goes back, unless history was lost', () => {
    log.summary(1, 3);
    log.summary(1, 3);
    log.summary(2, 2);
    log.regressed(2, 1);
    log.summary(2, 1);
    expect(found()).toEqual({});
    log.summary(1, 9);
    log.summary(1, 8);
    expect(found()).toEqual({ backwards: 2 });
  });
});

describe('the text of a message', () => {
  it('says whose it is, and is told from one that did not come whole', () => {
    const texts = new LiveTexts('run', 60);
    const text = texts.textOf('c1s0', 17);
    expect(text).toHaveLength(60);
    expect(texts.valueOf(text)).toBe('c1s0 17');
    expect(texts.valueOf(text.slice(0, -1))).not.toBe('c1s0 17');
    expect(texts.valueOf(new LiveTexts('other', 60).textOf('c1s0', 17))).not.toBe('c1s0 17');
  });
});
