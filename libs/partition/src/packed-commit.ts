import { ByteReader, ByteWriter, generation, sequenceId } from '@millrace/kernel';
import type { ActorKey, GenerationSpan, Position, TimelineHead } from '@millrace/timeline';
import type { AckLevel, ActorWrite, Commit, CommitIdentity } from './commit.ts';

/** What of a commit is packed: the rest names it, or is the same for all of an owner. */
export type PackedPart = Omit<Commit, keyof CommitIdentity | 'memo'>;

const LEVELS: readonly AckLevel[] = ['memory', 'disk', 'replicated'];

/** Null as 0, a number as one more than it is. */
function writeOptional(writer: ByteWriter, value: number | null): void {
  writer.varint(value === null ? 0 : value + 1);
}

function readOptional(reader: ByteReader): number | null {
  const value = reader.varint();
  return value === 0 ? null : value - 1;
}

function writePosition(writer: ByteWriter, { gen, seq }: Position): void {
  writer.varint(gen).varint(seq);
}

function readPosition(reader: ByteReader): Position {
  return { gen: generation(reader.varint()), seq: sequenceId(reader.varint()) };
}

function writeHead(writer: ByteWriter, head: TimelineHead): void {
  writePosition(writer, head);
  writer.varint(head.first).varint(head.past.length);
  for (const { gen, first, last } of head.past) writer.varint(gen).varint(first).varint(last);
}

function readHead(reader: ByteReader): TimelineHead {
  const { gen, seq } = readPosition(reader);
  const first = sequenceId(reader.varint());
  const past: readonly GenerationSpan[] = readList(reader, () => ({
    gen: generation(reader.varint()),
    first: sequenceId(reader.varint()),
    last: sequenceId(reader.varint()),
  }));
  return { gen, seq, first, past };
}

function readList<T>(reader: ByteReader, item: () => T): readonly T[] {
  return Array.from({ length: reader.varint() }, item);
}

function writeField(writer: ByteWriter, [field, value]: ActorWrite['set'][number]): void {
  writer.string(field);
  if (typeof value === 'string') writer.u8(0).string(value);
  else writer.u8(1).bytes(value);
}

function readField(reader: ByteReader): ActorWrite['set'][number] {
  const field = reader.string();
  return [field, reader.u8() === 0 ? reader.string() : reader.bytes()];
}

function writeActor(writer: ByteWriter, write: ActorWrite): void {
  const { actor, expected, head, entries, set, unset, trimBefore } = write;
  writer.string(actor);
  writePosition(writer, expected);
  writeHead(writer, head);
  writer.varint(entries.length);
  for (const entry of entries) writer.bytes(entry);
  writer.varint(set.length);
  for (const field of set) writeField(writer, field);
  writer.varint(unset.length);
  for (const field of unset) writer.string(field);
  writer.u8(trimBefore === null ? 0 : 1);
  if (trimBefore !== null) writePosition(writer, trimBefore);
}

function readActor(reader: ByteReader): ActorWrite {
  return {
    actor: reader.string() as ActorKey,
    expected: readPosition(reader),
    head: readHead(reader),
    entries: readList(reader, () => reader.bytes()),
    set: readList(reader, () => readField(reader)),
    unset: readList(reader, () => reader.string()),
    trimBefore: reader.u8() === 0 ? null : readPosition(reader),
  };
}

/**
 * A commit as one run of bytes, for a memory that keeps many of them: as objects they take ten times the room, and each
 * of their parts is one more for the garbage collector to look at.
 *
 * @param writer - used again and again.
 * @returns what stands in the writer: good until that is used again.
 */
export function packCommit(writer: ByteWriter, commit: Commit): Uint8Array {
  const { writes, feed, diffusedTo, feedFrom, deadLetters, settle, recovering } = commit;
  writer.reset().varint(writes.length);
  for (const write of writes) writeActor(writer, write);
  writer.u8(feed === null ? 0 : 1);
  if (feed !== null) writer.bytes(feed);
  writeOptional(writer, diffusedTo);
  writeOptional(writer, feedFrom);
  writer.varint(deadLetters.length);
  for (const letter of deadLetters) writer.bytes(letter);
  writer.u8(settle === null ? 0 : 1);
  if (settle !== null) writer.varint(settle.gen).string(settle.run).varint(LEVELS.indexOf(settle.level));
  writeOptional(writer, recovering);
  return writer.finish();
}

export function unpackCommit(bytes: Uint8Array): PackedPart {
  const reader = new ByteReader(bytes);
  const writes = readList(reader, () => readActor(reader));
  const feed = reader.u8() === 0 ? null : reader.bytes();
  const diffusedTo = readOptional(reader);
  const feedFrom = readOptional(reader);
  const deadLetters = readList(reader, () => reader.bytes());
  const settle =
    reader.u8() === 0
      ? null
      : {
          gen: generation(reader.varint()),
          run: reader.string(),
          level: LEVELS[reader.varint()] ?? ('memory' as const),
        };
  const recovering = readOptional(reader);
  return {
    ...{ writes, feed, diffusedTo, feedFrom, deadLetters, settle },
    recovering: recovering === null ? null : generation(recovering),
  };
}
