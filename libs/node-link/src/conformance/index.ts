import { fromUtf8, invariant, parseNodeId, utf8, type NodeId } from '@millrace/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readEntry } from '../entry.ts';
import type { NodeStreams, Reader, SendAnswer } from '../node-streams.ts';
import type { OpenStreams, StreamsUnderTest } from './streams-under-test.ts';

export type { OpenStreams, StreamsUnderTest } from './streams-under-test.ts';

/** Which epoch of which sender an entry belongs to, for those who watch what a reader is given. */
export function epochOf(bytes: Uint8Array): string {
  const entry = readEntry(bytes);
  invariant(entry.ok, 'links send nothing malformed');
  return `${entry.value.head.from} ${String(entry.value.head.epoch)}`;
}

function nodeId(name: string): NodeId {
  const parsed = parseNodeId(name);
  invariant(parsed.ok, `not a node id: ${name}`);
  return parsed.value;
}

interface AReader {
  readonly node: NodeId;
  readonly reader: Reader;
  /** What was taken, as text. */
  readonly taken: string[];
  resets: number;
}

/** Registers the tests that hold an implementation of NodeStreams to its contract. */
export function nodeStreamsConformance(name: string, open: OpenStreams): void {
  describe(`${name} as node streams`, () => {
    let opened: StreamsUnderTest | undefined;
    beforeEach(async () => {
      opened = await open();
    });
    afterEach(async () => {
      await opened?.close();
      opened = undefined;
    });
    const world = (): StreamsUnderTest => {
      invariant(opened !== undefined, 'a store is open while a test runs');
      return opened;
    };

    const openReader = async (streams: NodeStreams, node: NodeId): Promise<AReader> => {
      const taken: string[] = [];
      const answer = await world().settled(
        streams.open(node, (entries) => taken.push(...entries.map((entry) => fromUtf8(entry)))),
      );
      if (!answer.ok) throw new Error(answer.error.message);
      const reader: AReader = { node, reader: answer.value, taken, resets: 0 };
      answer.value.onReset(() => (reader.resets += 1));
      return reader;
    };
    const send = async (streams: NodeStreams, to: NodeId, text: string): Promise<SendAnswer['code']> =>
      (await world().settled(streams.send(to, utf8(text)))).code;
    const sendAll = async (streams: NodeStreams, to: NodeId, texts: readonly string[]): Promise<string[]> => {
      const answers = Promise.all(texts.map((text) => streams.send(to, utf8(text))));
      return (await world().settled(answers)).map(({ code }) => code);
    };
    /** Tries until the store was reached and there was room: what tests wait for after a fault. */
    const sendAtLast = async (streams: NodeStreams, to: NodeId, text: string): Promise<void> => {
      for (;;) {
        if ((await send(streams, to, text)) === 'sent') return;
        await world().breathe();
      }
    };
    const texts = (prefix: string, count: number): string[] =>
      Array.from({ length: count }, (_, index) => `${prefix}${String(index)}`);
    const node = nodeId('reader@1');

    it('hands over what two others send, each in its order and each entry once', async () => {
      const [one, other, reading] = [await world().connect(), await world().connect(), await world().connect()];
      const reader = await openReader(reading, node);
      for (let round = 0; round < 5; round += 1) {
        const codes = await Promise.all([
          sendAll(one, node, [`one ${String(round)}a`, `one ${String(round)}b`]),
          sendAll(other, node, [`other ${String(round)}a`, `other ${String(round)}b`]),
        ]);
        expect(codes.flat()).toEqual(Array(4).fill('sent'));
        await world().until(() => reader.taken.length === (round + 1) * 4);
      }
      for (const from of ['one', 'other']) {
        const rounds = [0, 1, 2, 3, 4].flatMap((round) => [`${from} ${String(round)}a`, `${from} ${String(round)}b`]);
        expect(reader.taken.filter((text) => text.startsWith(`${from} `))).toEqual(rounds);
      }
    });

    it('hands over the very bytes', async () => {
      const streams = await world().connect();
      const taken: number[][] = [];
      const every = Uint8Array.from({ length: 256 }, (_, index) => index);
      const answer = await world().settled(
        streams.open(node, (entries) => taken.push(...entries.map((entry) => [...entry]))),
      );
      expect(answer.ok).toBe(true);
      expect(await world().settled(streams.send(node, every.subarray(3)))).toEqual({ code: 'sent' });
      await world().until(() => taken.length === 1);
      expect(taken).toEqual([[...every.subarray(3)]]);
    });

    it('is gone for a node that never opened a stream', async () => {
      const streams = await world().connect();
      expect(await send(streams, node, 'x')).toBe('gone');
    });

    it('is there while it is empty, also after everything in it was taken', async () => {
      const streams = await world().connect();
      const reader = await openReader(streams, node);
      for (const [index, text] of texts('t', 3 * world().bounds.entriesMax).entries()) {
        await sendAtLast(streams, node, text);
        await world().until(() => reader.taken.length > index);
      }
      expect(reader.taken).toEqual(texts('t', 3 * world().bounds.entriesMax));
      expect(reader.resets).toBe(0);
    });

    it('is gone after it was closed, and hands over nothing more', async () => {
      const streams = await world().connect();
      const reader = await openReader(streams, node);
      await sendAtLast(streams, node, 'before');
      await world().until(() => reader.taken.length === 1);
      await world().settled(reader.reader.close());
      expect(await send(streams, node, 'after')).toBe('gone');
      expect(reader.taken).toEqual(['before']);
    });

    it('is gone after it was discarded, and no other one is', async () => {
      const [streams, other] = [await world().connect(), await world().connect()];
      const dead = await openReader(other, nodeId('dead'));
      await openReader(streams, node);
      await world().settled(dead.reader.close());
      expect(await world().settled(streams.discard(nodeId('dead')))).toMatchObject({ ok: true });
      expect(await send(streams, nodeId('dead'), 'x')).toBe('gone');
      expect(await send(streams, node, 'x')).toBe('sent');
    });

    it('is full over the bound of entries, drops nothing, and takes again once it was read (I9)', async () => {
      const [streams, reading] = [await world().connect(), await world().connect()];
      const { entriesMax } = world().bounds;
      const reader = await openReader(reading, node);
      const codes = await sendAll(streams, node, texts('t', 2 * entriesMax));
      expect(codes).toEqual([...Array<string>(entriesMax).fill('sent'), ...Array<string>(entriesMax).fill('full')]);
      await world().until(() => reader.taken.length === entriesMax);
      await sendAtLast(streams, node, 'later');
      await world().until(() => reader.taken.length > entriesMax);
      expect(reader.taken).toEqual([...texts('t', entriesMax), 'later']);
    });

    it('is full over the bound of bytes, drops nothing, and takes again once it was read (I9)', async () => {
      const [streams, reading] = [await world().connect(), await world().connect()];
      const { bytesMax } = world().bounds;
      const reader = await openReader(reading, node);
      const large = 'x'.repeat(bytesMax);
      expect(await sendAll(streams, node, [large, 'y', 'z'])).toEqual(['sent', 'full', 'full']);
      await world().until(() => reader.taken.length === 1);
      await sendAtLast(streams, node, 'later');
      await world().until(() => reader.taken.length > 1);
      expect(reader.taken).toEqual([large, 'later']);
    });

    it('begins empty when it is opened again', async () => {
      const [streams, reading] = [await world().connect(), await world().connect()];
      const first = await openReader(reading, node);
      await sendAtLast(streams, node, 'first');
      await world().until(() => first.taken.length === 1);
      await world().settled(first.reader.close());
      const second = await openReader(reading, node);
      await sendAtLast(streams, node, 'second');
      await world().until(() => second.taken.length > 0);
      expect([first.taken, second.taken]).toEqual([['first'], ['second']]);
    });

    it('goes on from its place after a reconnect', async () => {
      const [streams, reading] = [await world().connect(), await world().connect()];
      const reader = await openReader(reading, node);
      for (const round of [0, 1, 2]) {
        for (const text of texts(`${String(round)}.`, 3)) await sendAtLast(streams, node, text);
        await world().until(() => reader.taken.length === 3 * (round + 1));
        await world().reconnect();
      }
      expect(reader.taken).toEqual([...texts('0.', 3), ...texts('1.', 3), ...texts('2.', 3)]);
      expect(reader.resets).toBe(0);
    });

    it('that the store lost is created anew, which is reported', async () => {
      const [streams, reading] = [await world().connect(), await world().connect()];
      const reader = await openReader(reading, node);
      await sendAtLast(streams, node, 'before');
      await world().until(() => reader.taken.length === 1);
      await world().loseEverything();
      await world().until(() => reader.resets === 1);
      await sendAtLast(streams, node, 'after');
      await world().until(() => reader.taken.length > 1);
      expect(reader.taken).toEqual(['before', 'after']);
      expect(reader.resets).toBe(1);
    });
  });
}
