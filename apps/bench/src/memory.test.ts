import { describe, expect, it } from 'vitest';
import { kindOfKey, nothingKept, sumByKind, type MemoryByKind } from './measure/redis-memory.ts';
import { memoryFigures } from './report/memory.ts';

describe('the memory of Redis', () => {
  it('is added up by what a key is part of', () => {
    const keys = ['blue:{p1}:t:c:a!b', '{p1}:t:u:a', '{p1}:u:a', '{p1}:feed', '{p1}:owner'];
    expect(keys.map(kindOfKey)).toEqual(['timeline', 'inbox', 'user', 'feed', 'other']);
    expect(kindOfKey('{p1}:c:a!b')).toBe('conversation');
    const sums = sumByKind([
      { key: '{p1}:t:c:a!b', bytes: 10, entries: 2 },
      { key: '{p2}:t:c:c!d', bytes: 5, entries: 1 },
    ]);
    expect(sums.timeline).toEqual({ keys: 2, bytes: 15, entries: 3 });
    expect(sums.inbox).toEqual(nothingKept);
  });

  const kept = (timeline: number, inbox: number, usedBytes: number): MemoryByKind => ({
    ...sumByKind([]),
    timeline: { keys: 1, bytes: timeline, entries: 1 },
    inbox: { keys: 1, bytes: inbox * 30, entries: inbox },
    conversation: { keys: 1, bytes: 400, entries: 0 },
    usedBytes,
  });

  it('is told for each message, inbox record and quiet conversation', () => {
    const figures = memoryFigures({
      payloadBytes: 200,
      quiet: { before: { ...sumByKind([]), usedBytes: 1_000 }, after: kept(800, 4, 5_120), count: 2 },
      busy: { before: kept(1_000, 10, 6_000), after: kept(1_000 + 450 * 100, 210, 38_000), count: 100 },
    });
    expect(figures).toEqual({
      busyMessageBytes: 260,
      busyMessageTimes: 1,
      busyMessageBytesByKey: 450,
      inboxRecordBytes: 30,
      inboxRecordsPerMessage: 2,
      usedPerBusyMessage: 320,
      quietConversationBytes: 2_000,
      quietRecordBytesByKey: 200,
      quietTimelineBytesByKey: 400,
      usedPerQuietConversation: 2_060,
    });
  });
});
