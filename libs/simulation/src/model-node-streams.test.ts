import { utf8, type NodeId } from '@millrace/kernel';
import { nodeStreamsConformance, type StreamsUnderTest } from '@millrace/node-link/conformance';
import { describe, expect, it } from 'vitest';
import { ModelNodeStreams, type StreamRequest } from './model-node-streams.ts';
import type { ModelFate } from './model-connection.ts';
import { VirtualTime } from './virtual-time.ts';

const PATIENCE_MS = 60_000;
const node = 'n1' as NodeId;

function underTest(
  fate?: (request: StreamRequest) => ModelFate,
): StreamsUnderTest & { readonly model: ModelNodeStreams } {
  const time = new VirtualTime();
  const { clock, timers } = time;
  const bounds = { entriesMax: 8, bytesMax: 1_000 };
  const model = new ModelNodeStreams({
    clock,
    timers,
    bounds,
    answerMsMax: 100,
    ...(fate === undefined ? {} : { fate }),
  });
  const clients: ReturnType<ModelNodeStreams['connect']>[] = [];
  return {
    model,
    bounds,
    connect: async () => {
      const client = model.connect();
      clients.push(client);
      return client;
    },
    async settled(promise) {
      let isDone = false;
      const mark = (): void => {
        isDone = true;
      };
      promise.then(mark, mark);
      expect(await time.run(() => isDone, time.nowMs + PATIENCE_MS)).toBe(true);
      return await promise;
    },
    async breathe() {
      const untilMs = time.nowMs + 5;
      timers.after(5, () => undefined);
      await time.run(() => time.nowMs >= untilMs, untilMs);
    },
    async until(condition) {
      expect(await time.run(condition, time.nowMs + PATIENCE_MS)).toBe(true);
    },
    loseEverything: async () => {
      model.crash({ lostOperations: model.logLength, downMs: 10 });
    },
    reconnect: async () => {
      for (const client of clients) client.cut(10);
    },
    close: () => Promise.resolve(),
  };
}

nodeStreamsConformance('the model', () => Promise.resolve(underTest()));

describe('the model of node streams', () => {
  const fated = (...fates: Partial<ModelFate>[]): ReturnType<typeof underTest> =>
    underTest((request) => ({
      kind: 'none',
      requestMs: 0,
      replyMs: 0,
      ...(request === 'send' ? fates.shift() : {}),
    }));

  it.each([
    ['lose-reply', 'unknown', 1],
    ['lose-request', 'unknown', 0],
    ['refuse', 'unavailable', 0],
  ] as const)('answers a send whose fate is %s with %s', async (kind, code, added) => {
    const world = fated({ kind });
    const streams = await world.connect();
    const taken: Uint8Array[] = [];
    await world.settled(streams.open(node, (entries) => taken.push(...entries)));
    expect(await world.settled(streams.send(node, utf8('x')))).toMatchObject({ code });
    await world.breathe();
    await world.breathe();
    expect(taken).toHaveLength(added);
  });

  it('takes nothing while its reader is stopped, and is full then', async () => {
    const world = underTest();
    const reading = world.model.connect();
    const streams = await world.connect();
    const taken: Uint8Array[] = [];
    await world.settled(reading.open(node, (entries) => taken.push(...entries)));
    reading.pause();
    const answers = await world.settled(
      Promise.all(Array.from({ length: 9 }, (_, index) => streams.send(node, Uint8Array.of(index)))),
    );
    expect(answers.at(-1)).toEqual({ code: 'full' });
    expect(taken).toEqual([]);
    reading.resume();
    await world.until(() => taken.length === 8);
    await world.breathe();
    expect(world.model.state.size).toBe(0);
  });

  it('goes back when the end of its log is lost: what was taken does not come again', async () => {
    const world = underTest();
    const streams = await world.connect();
    const taken: number[] = [];
    let resets = 0;
    const reader = await world.settled(
      streams.open(node, (entries) => taken.push(...entries.map((entry) => entry[0] ?? -1))),
    );
    if (reader.ok) reader.value.onReset(() => (resets += 1));
    await world.settled(streams.send(node, Uint8Array.of(1)));
    await world.until(() => taken.length === 1);
    await world.settled(streams.send(node, Uint8Array.of(2)));
    await world.until(() => taken.length === 2);
    // Its last operations are an add and its trim.
    world.model.crash({ lostOperations: 2, downMs: 10 });
    await world.until(() => resets === 1);
    expect((await world.settled(streams.send(node, Uint8Array.of(3)))).code).toBe('sent');
    await world.until(() => taken.length === 3);
    expect(taken).toEqual([1, 2, 3]);
  });
});
