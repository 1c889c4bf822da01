import { generation, sequenceId, type UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { lobbiesHeard } from './load/lobbies-plan.ts';
import { parseBenchOptions } from './options.ts';
import { checkKept, type KeptCheck } from './workloads/lobby-kept.ts';
import { lobbiesOfSockets, lobbyPlan, lobbyShape, writerOf } from './workloads/lobby-shape.ts';

describe('the lobbies of a run', () => {
  it.each([
    [1, null, { lobbies: 1_000, members: 50, sockets: 2_500, lobbiesOfSocket: 20 }],
    [0.04, 5, { lobbies: 10, members: 5, sockets: 10, lobbiesOfSocket: 5 }],
    [0.5, 100, { lobbies: 500, members: 100, sockets: 2_500, lobbiesOfSocket: 20 }],
    [0.06, 3, { lobbies: 9, members: 3, sockets: 9, lobbiesOfSocket: 3 }],
  ] as const)(
    'at %d of the size, of %s, are full, and each has a writer of its own in it',
    (scale, members, expected) => {
      const shape = lobbyShape(scale, members);
      expect(shape).toMatchObject(expected);
      const ofSockets = lobbiesOfSockets(shape);
      const inEach = Array.from({ length: shape.lobbies }, () => new Set<number>());
      for (const [socket, lobbies] of ofSockets.entries()) {
        expect(new Set(lobbies).size).toBe(shape.lobbiesOfSocket);
        for (const lobby of lobbies) inEach[lobby]?.add(socket);
      }
      for (const sockets of inEach) expect(sockets.size).toBe(shape.members);
      const writers = inEach.map((_, lobby) => writerOf(shape, lobby));
      expect(new Set(writers).size).toBe(shape.lobbies);
      for (const [lobby, writer] of writers.entries()) expect(inEach[lobby]?.has(writer)).toBe(true);
    },
  );

  it('mix: two sockets have few lobbies in common', () => {
    const [first = [], ...others] = lobbiesOfSockets(lobbyShape(1, null));
    for (const other of others) expect(other.filter((lobby) => first.includes(lobby)).length).toBeLessThanOrEqual(10);
  });

  it('are the same on both sides, a part of them at a rate, then all', () => {
    const shape = lobbyShape(1, null);
    const [millrace, relay] = (['millrace', 'relay'] as const).map((kind) =>
      lobbyPlan(shape, 'r', { kind, websockets: [''], secret: '' }),
    );
    expect({ ...millrace, target: 'relay' }).toEqual(relay);
    expect(millrace?.streams[999]).toMatchObject({ conversation: '~bench-r-999', deliveries: 50 });
    expect(shape.parts).toMatchObject([
      { name: 'lobby 100 at 20/s', mode: { kind: 'open', perSecond: 2_000, streams: 100 } },
      { name: 'lobby saturated' },
    ]);
  });

  it('have their size and seconds told by the options', () => {
    expect(parseBenchOptions(['lobby'])).toMatchObject({ ok: true, value: { members: null, seconds: 5 } });
    expect(parseBenchOptions(['lobby', '--members', '1000'])).toMatchObject({ ok: true, value: { members: 1_000 } });
    const options = parseBenchOptions(['lobby', '--members', '1001']);
    expect(options.ok ? '' : options.error).toMatch(/--members must be a whole number from 3 to 1000/);
  });
});

describe('what was heard in lobbies', () => {
  const ofUser = [[0], [0, 1]];
  it.each([
    [
      'is whole',
      [
        [3, 0],
        [3, 2],
      ],
      { lost: 0, strange: 0 },
    ],
    [
      'lacks the end at one',
      [
        [3, 0],
        [2, 2],
      ],
      { lost: 1, strange: 0 },
    ],
    [
      'lacks all of one lobby',
      [
        [3, 0],
        [3, 0],
      ],
      { lost: 2, strange: 0 },
    ],
    [
      'came to one who is not in it',
      [
        [3, 2],
        [3, 2],
      ],
      { lost: 0, strange: 2 },
    ],
  ] as const)('%s', (_what, last, expected) => {
    expect(lobbiesHeard({ ofUser }, [3, 2], (user, lobby) => last[user]?.[lobby] ?? 0)).toMatchObject(expected);
  });
});

describe('what a lobby keeps', () => {
  /** Entries, the latest first, each with its number; 0 for a control entry. */
  const entries = (...kept: readonly (readonly [number, number])[]): readonly Message[] =>
    kept.map(([seq, n]) => ({
      gen: generation(1),
      seq: sequenceId(seq),
      msgNo: n,
      at: 1,
      sentAt: 1,
      type: n === 0 ? 'control' : 'text',
      n,
      deviceTag: 1,
      countable: n > 0,
      from: 'a' as UserId,
      body: '',
    }));
  it.each<[string, readonly Message[], KeptCheck, number]>([
    ['is all of it', entries([4, 2], [3, 1], [2, 0], [1, 0]), { lost: 0, duplicated: 0, gaps: 0 }, 100],
    ['is the end of it', entries([4, 2], [3, 1]), { lost: 0, duplicated: 0, gaps: 0 }, 2],
    ['is too little', entries([4, 2]), { lost: 1, duplicated: 0, gaps: 0 }, 2],
    ['lacks the last', entries([3, 1], [2, 0], [1, 0]), { lost: 0, duplicated: 0, gaps: 2 }, 100],
    ['has a hole', entries([4, 2], [2, 0], [1, 0]), { lost: 0, duplicated: 0, gaps: 1 }, 100],
    ['has one twice', entries([4, 2], [4, 2], [3, 1], [2, 0], [1, 0]), { lost: 0, duplicated: 1, gaps: 0 }, 100],
    ['has a message as two entries', entries([4, 2], [3, 2], [2, 0], [1, 0]), { lost: 0, duplicated: 1, gaps: 1 }, 100],
    ['is nothing', [], { lost: 4, duplicated: 0, gaps: 0 }, 100],
  ])('%s', (_what, messages, expected, backlog) => {
    expect(checkKept(messages, 4, backlog, 2)).toEqual(expected);
  });
});
