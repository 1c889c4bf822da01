import type { KeyKind, MemoryByKind } from '../measure/redis-memory.ts';
import { whole } from './figures.ts';

/** Of a message beside its body: number, times, author, device. */
const MESSAGE_FIELDS_BYTES = 60;

/**
 * Bytes that Redis keeps. Where a name ends in `ByKey` it is what MEMORY USAGE says of the keys: more than there is, for of
 * a stream it guesses 240 bytes a node of its tree. The others are what `used_memory` grew by, less what is said of
 * inboxes and changefeeds where it is not of these.
 */
export interface MemoryFigures {
  /** Of a message in the Timeline of a conversation in which many are said. */
  readonly busyMessageBytes: number | null;
  /** The same to the payload and 60 bytes of fields. */
  readonly busyMessageTimes: number | null;
  readonly busyMessageBytesByKey: number | null;
  /** Of a record in the inbox of a user to whom much is said: by key. */
  readonly inboxRecordBytes: number | null;
  readonly inboxRecordsPerMessage: number | null;
  /** With inboxes and changefeed. */
  readonly usedPerBusyMessage: number | null;
  /** Of a conversation of two in which one message was said: its record and its Timeline. */
  readonly quietConversationBytes: number | null;
  readonly quietRecordBytesByKey: number | null;
  readonly quietTimelineBytesByKey: number | null;
  /** With the records in both inboxes, and the changefeed. */
  readonly usedPerQuietConversation: number | null;
}

/** Two looks at a Redis, and what came to be between them. */
export interface Grown {
  readonly before: MemoryByKind;
  readonly after: MemoryByKind;
  readonly count: number;
}

export interface MemoryLooks {
  readonly payloadBytes: number;
  /** Counts conversations. */
  readonly quiet: Grown;
  /** Counts messages. */
  readonly busy: Grown;
}

const per = (value: number, count: number): number | null => (count === 0 ? null : value / count);

const grownBytes = ({ before, after }: Grown, kind: KeyKind): number => after[kind].bytes - before[kind].bytes;
const usedBytes = ({ before, after }: Grown): number => after.usedBytes - before.usedBytes;
/** Without what belongs to users and to the partition. */
const ownBytes = (grown: Grown): number => usedBytes(grown) - grownBytes(grown, 'inbox') - grownBytes(grown, 'feed');

export function memoryFigures({ payloadBytes, quiet, busy }: MemoryLooks): MemoryFigures {
  const inboxRecords = busy.after.inbox.entries - busy.before.inbox.entries;
  const busyMessageBytes = per(ownBytes(busy), busy.count);
  return {
    busyMessageBytes,
    busyMessageTimes: busyMessageBytes === null ? null : busyMessageBytes / (payloadBytes + MESSAGE_FIELDS_BYTES),
    busyMessageBytesByKey: per(grownBytes(busy, 'timeline'), busy.count),
    inboxRecordBytes: per(grownBytes(busy, 'inbox'), inboxRecords),
    inboxRecordsPerMessage: per(inboxRecords, busy.count),
    usedPerBusyMessage: per(usedBytes(busy), busy.count),
    quietConversationBytes: per(ownBytes(quiet), quiet.count),
    quietRecordBytesByKey: per(grownBytes(quiet, 'conversation'), quiet.count),
    quietTimelineBytesByKey: per(grownBytes(quiet, 'timeline'), quiet.count),
    usedPerQuietConversation: per(usedBytes(quiet), quiet.count),
  };
}

const fine = (value: number | null): string => (value === null ? '-' : value.toFixed(2));

/** For people. */
export function memoryLines(figures: MemoryFigures): readonly string[] {
  return [
    `a message in a busy conversation: ${whole(figures.busyMessageBytes)} bytes, ` +
      `${fine(figures.busyMessageTimes)} of its payload and 60 bytes of fields ` +
      `(MEMORY USAGE of the Timelines: ${whole(figures.busyMessageBytesByKey)})`,
    `a record in an inbox: ${fine(figures.inboxRecordBytes)} bytes, ${fine(figures.inboxRecordsPerMessage)} records a message`,
    `a quiet conversation: ${whole(figures.quietConversationBytes)} bytes (MEMORY USAGE of its record ` +
      `${whole(figures.quietRecordBytesByKey)}, of its Timeline ${whole(figures.quietTimelineBytesByKey)})`,
    `used_memory grew by ${whole(figures.usedPerBusyMessage)} bytes a message of the busy ones, and by ` +
      `${whole(figures.usedPerQuietConversation)} a quiet conversation, inboxes and changefeed included`,
  ];
}
