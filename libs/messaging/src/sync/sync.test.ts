import {
  generation,
  ok,
  partitionId,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type UserId,
} from '@millrace/kernel';
import type { ConversationSummary, Reached } from '@millrace/protocol';
import { emptyHead, userKey, type RangeQuery, type TimelineEntry, type TimelineReader } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import type { ChatReads } from '../chat.ts';
import type { ConversationHead } from '../conversation/commands.ts';
import { silentTrace } from '../trace/message-trace.ts';
import type { UserCommand } from '../user/commands.ts';
import { encodeInboxEntry } from '../user/inbox-entry.ts';
import { ReadAhead } from './read-ahead.ts';
import { encodeSyncToken } from './sync-token.ts';
import { sync } from './sync.ts';

const ann = { user: 'ann' as UserId, device: 'phone' as DeviceId };
const gen = generation(1);
const at = (seq: number) => ({ gen, seq: sequenceId(seq) });
const SEEN = 1;

/** A user who has nothing in the inbox, and conversations in read mode, by slot from 1, of so many entries each. */
class AReader {
  readonly heads: number[];
  /** Heads that were asked for, by question. */
  readonly asked: number[] = [];
  /** Ranges of conversations that were read. */
  ranges = 0;
  /** How far the user has read in all of them, and records of the inbox that say so. */
  #readSeq = sequenceId(0);
  readonly #inbox: TimelineEntry[] = [];
  readonly #bytesEach: number;

  constructor(pending: readonly number[], bytesEach = 10) {
    this.heads = pending.map((count) => SEEN + count);
    this.#bytesEach = bytesEach;
  }

  readonly #calls = {
    partitionOf: () => partitionId(0),
    user: (_user: UserId, command: UserCommand) => {
      if (command.t === 'inbox') {
        const inbox = {
          head: { ...emptyHead(gen), ...at(this.#inbox.length) },
          oldest: sequenceId(1),
          switched: sequenceId(0),
          slots: [],
        };
        const slotsOf = command.slotsOf ?? [];
        return Promise.resolve(ok({ ...inbox, slots: slotsOf.map(Number), unconfirmed: [], uncounted: [] }));
      }
      const slots = command.t === 'summaries' ? command.slots : [];
      const summaries = new Map(
        slots.map((slot) => [
          slot,
          { conversation: String(slot), diffusion: 'read' } as unknown as ConversationSummary,
        ]),
      );
      return Promise.resolve(ok({ summaries, unconfirmed: [], uncounted: [] }));
    },
  } as unknown as ActorCalls;

  readonly #reads: ChatReads = {
    heads: {
      of: (_user, conversations) => {
        this.asked.push(conversations.length);
        return Promise.resolve(ok(new Map(conversations.map((each) => [each, this.#headOf(each)]))));
      },
    },
    timelines: {
      range: (_partition: unknown, actor: unknown, { from, to, budget }: RangeQuery) => {
        if (actor === userKey(ann.user)) return Promise.resolve(this.#inbox.slice(from.seq - 1, to.seq));
        this.ranges += 1;
        const entries: TimelineEntry[] = [];
        for (let seq: number = from.seq; seq <= to.seq && budget?.isSpent !== true; seq += 1) {
          entries.push({ ...at(seq), data: new Uint8Array(this.#bytesEach) });
          budget?.draw(this.#bytesEach);
        }
        return Promise.resolve(entries);
      },
    } as unknown as TimelineReader,
    records: { fields: () => Promise.resolve(new Map()) },
  };

  #headOf(conversation: ConversationId): ConversationHead {
    const seq = this.heads[Number(conversation) - 1] ?? 0;
    return {
      head: { ...at(seq), first: sequenceId(1), past: [] },
      msgNo: seq,
      lastAt: 0,
      segments: [{ from: sequenceId(1), to: null }],
      intervals: [{ joined: sequenceId(1), from: sequenceId(1), to: null }],
      reading: { readSeq: this.#readSeq, readMsgNo: 0, sentAtRead: 0 },
      sent: 0,
    };
  }

  /** On another device, whose inbox record of it this one has not seen. */
  readsUpTo(seq: number, slot: number): void {
    this.#readSeq = sequenceId(seq);
    const read = { kind: 'read', slot, readSeq: this.#readSeq, readMsgNo: 0, sentAtRead: 0 } as const;
    this.#inbox.push({ ...at(this.#inbox.length + 1), data: encodeInboxEntry(read) });
  }

  get token(): string {
    const cursors = new Map(this.heads.map((_, index) => [index + 1, at(SEEN)]));
    return encodeSyncToken(ann.user, { position: at(0), offset: 0, cursors });
  }

  /**
   * Syncs until there is nothing more.
   *
   * @param meanwhile - what happens while the device takes an answer. @returns what it has by other means then.
   * @returns the seqs of each answer by conversation.
   */
  async all(
    limit: number,
    meanwhile: (told: readonly ConversationSummary[]) => readonly Reached[] | Promise<readonly Reached[]> = () => [],
  ): Promise<readonly ReadonlyMap<string, readonly number[]>[]> {
    const answers: ReadonlyMap<string, readonly number[]>[] = [];
    const ahead = new ReadAhead({ nowMs: () => 0, monotonicMs: () => 0 });
    let reached: readonly Reached[] = [];
    for (let { token } = this; ;) {
      const answer = await sync(this.#calls, this.#reads, ann, { token, limit, reached }, silentTrace, ahead);
      if (!answer.ok) throw new Error(answer.error.message);
      const { conversations, hasMore, tooLong } = answer.value;
      expect(tooLong).toBe(false);
      answers.push(
        new Map(conversations.map(({ summary, messages }) => [summary.conversation, messages.map(({ seq }) => seq)])),
      );
      if (!hasMore) return answers;
      reached = await meanwhile(conversations.map(({ summary }) => summary));
      ({ token } = answer.value);
    }
  }
}

const seqs = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => SEEN + 1 + index);

describe('a sync of conversations that are pulled', () => {
  it('brings everything once and in order, and asks for each head about once in a chain of answers', async () => {
    const pending = Array.from({ length: 500 }, () => 20);
    const reader = new AReader(pending);
    const answers = await reader.all(1_000);
    pending.forEach((count, index) => {
      expect(answers.flatMap((answer) => answer.get(String(index + 1)) ?? [])).toEqual(seqs(count));
    });
    // The last one finds that there is nothing more.
    expect(answers).toHaveLength(11);
    expect(Math.max(...answers.map(({ size }) => size))).toBeLessThanOrEqual(50);
    expect(reader.asked.reduce((sum, count) => sum + count, 0)).toBeLessThan(2.5 * pending.length);
  });

  it('reads the messages of an answer while the device takes the one before', async () => {
    const reader = new AReader(Array.from({ length: 100 }, () => 20));
    const read: number[] = [];
    await reader.all(400, async () => {
      await new Promise(setImmediate);
      read.push(reader.ranges);
      return [];
    });
    expect(read).toEqual([40, 60, 80, 100, 100]);
  });

  it('says that there is no more only when those whom it asks then have none, whatever comes meanwhile', async () => {
    const sizes = fc.array(fc.nat(30), { minLength: 1, maxLength: 60 });
    const growths = fc.array(fc.record({ slot: fc.nat(59), by: fc.integer({ min: 1, max: 9 }) }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.integer({ min: 1, max: 60 }), growths, async (pending, limit, growing) => {
        const reader = new AReader(pending);
        const left = [...growing];
        const answers = await reader.all(limit, async () => {
          // Some of it before what the next answer begins with is asked where it stands, some behind.
          if (left.length % 2 === 0) await new Promise(setImmediate);
          const { slot, by } = left.pop() ?? { slot: 0, by: 0 };
          const at = slot % pending.length;
          reader.heads[at] = (reader.heads[at] ?? 0) + by;
          return [];
        });
        reader.heads.forEach((head, index) => {
          expect(answers.flatMap((answer) => answer.get(String(index + 1)) ?? [])).toEqual(seqs(head - SEEN));
        });
      }),
      { numRuns: 400 },
    );
  });

  it('tells nothing of before what the inbox has told since', async () => {
    const reader = new AReader(Array.from({ length: 100 }, () => 20));
    const told: number[] = [];
    let answers = 0;
    await reader.all(400, async (summaries) => {
      told.push(...summaries.map(({ readSeq }) => readSeq));
      answers += 1;
      await new Promise(setImmediate);
      if (answers === 2) reader.readsUpTo(9, 1);
      return [];
    });
    // The third answer tells of the record; those of the conversations behind it are of then.
    expect(told.slice(0, 40)).toEqual(Array.from({ length: 40 }, () => 0));
    expect(new Set(told.slice(40))).toEqual(new Set([9]));
  });

  it('asks those once in an answer of which each takes its part', async () => {
    const reader = new AReader([100, 50, 0]);
    const answers = await reader.all(10, async () => {
      await new Promise(setImmediate);
      return [];
    });
    expect(reader.asked.reduce((sum, count) => sum + count, 0)).toBe(3 * answers.length);
  });

  it('takes nothing for lost of which the device has more than what was asked before', async () => {
    const reader = new AReader([100, 0, 0]);
    const answers = await reader.all(10, async () => {
      await new Promise(setImmediate);
      reader.heads[1] = (reader.heads[1] ?? 0) + 1;
      return [{ conversation: '2' as ConversationId, ...at(reader.heads[1]) }];
    });
    expect(answers.flatMap((answer) => answer.get('1') ?? [])).toEqual(seqs(100));
    expect(answers.flatMap((answer) => answer.get('2') ?? [])).toEqual([]);
  });

  it('asks for all heads when few have anything', async () => {
    const pending = Array.from({ length: 200 }, (_, index) => (index === 150 ? 30 : 0));
    const reader = new AReader(pending);
    const answers = await reader.all(100);
    expect(answers).toHaveLength(1);
    expect(answers[0]?.get('151')).toEqual(seqs(30));
    expect(reader.asked).toEqual([32, 128, 40]);
  });

  it('of large messages is cut to what an answer may hold (I9), and loses none', async () => {
    const bytesEach = 100_000;
    const reader = new AReader([25, 25], bytesEach);
    const answers = await reader.all(1_000);
    for (const conversation of ['1', '2'])
      expect(answers.flatMap((answer) => answer.get(conversation) ?? [])).toEqual(seqs(25));
    for (const answer of answers) {
      const count = [...answer.values()].reduce((sum, those) => sum + those.length, 0);
      expect(count * bytesEach).toBeLessThanOrEqual(1_048_576);
    }
  });
});
