import {
  ByteReader,
  ByteWriter,
  generation,
  MalformedBytes,
  sequenceId,
  type ConversationId,
  type Generation,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import type { DeletedFor, Effect, Imported, ReadMoved } from '../effects.ts';
import type { Gone } from '@millrace/protocol';

/**
 * What a commit changed, for the followers of the changefeed: it points at entries and does not repeat them.
 * Layout: `u8 version = 1`, then records: `u8 1 · string conversation · varint gen · from · count`, or
 * `u8 3 · string conversation · string user · varint gen · readSeq · readMsgNo · sentAtRead`, or `u8 4`, likewise and
 * `· sent`, or `u8 5 · string conversation · string user · varint gen · seq · u8 1 when it counted, else 0`. Kinds 6 and 7
 * are kinds 3 and 4 with `varint before · count · (difference to the one before)…` behind them, what is gone. Kind 2 was
 * kind 3 without its generation. Kind 8 is as 1:
 * entries that came from an export.
 */
export type FeedChange =
  | {
      readonly kind: 'appended';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly from: SequenceId;
      readonly to: SequenceId;
    }
  | ({ readonly kind: 'imported' } & Omit<Imported, 'e'>)
  | ({ readonly kind: 'read' } & Omit<ReadMoved, 'e'>)
  | ({ readonly kind: 'deleted' } & Omit<DeletedFor, 'e'>);

const VERSION = 1;

const scratch = new ByteWriter(256);

/** @returns null when no follower needs to know of these effects. */
export function encodeFeed(effects: readonly Effect[]): Uint8Array | null {
  let writer: ByteWriter | null = null;
  let run: { conversation: ConversationId; gen: Generation; from: SequenceId; to: SequenceId } | null = null;
  const flush = (): void => {
    if (run === null) return;
    writer ??= scratch.reset().u8(VERSION);
    writer
      .u8(1)
      .string(run.conversation)
      .varint(run.gen)
      .varint(run.from)
      .varint(run.to - run.from + 1);
    run = null;
  };
  for (const effect of effects) {
    if (effect.e === 'appended') {
      const { facts, gen, from, to } = effect;
      if (run !== null && run.conversation === facts.conversation && run.gen === gen && from === run.to + 1)
        run.to = to;
      else {
        flush();
        run = { conversation: facts.conversation, gen, from, to };
      }
    } else if (effect.e === 'read') {
      flush();
      writer ??= scratch.reset().u8(VERSION);
      const { sent, gone } = effect;
      const isAnyGone = gone !== undefined && gone.before + gone.seqs.length > 0;
      writer
        .u8((sent === null ? 3 : 4) + (isAnyGone ? 3 : 0))
        .string(effect.conversation)
        .string(effect.user);
      writer.varint(effect.gen).varint(effect.readSeq).varint(effect.readMsgNo).varint(effect.sentAtRead);
      if (sent !== null) writer.varint(sent);
      if (isAnyGone) writeGone(writer, gone);
    } else if (effect.e === 'deleted') {
      flush();
      writer ??= scratch.reset().u8(VERSION);
      const { conversation, user, gen, seq, counted } = effect;
      writer.u8(5).string(conversation).string(user).varint(gen).varint(seq);
      writer.u8(counted ? 1 : 0);
    } else if (effect.e === 'imported') {
      flush();
      const { conversation, gen, from, to } = effect;
      writer ??= scratch.reset().u8(VERSION);
      writer
        .u8(8)
        .string(conversation)
        .varint(gen)
        .varint(from)
        .varint(to - from + 1);
    }
  }
  flush();
  return writer?.copy() ?? null;
}

function writeGone(writer: ByteWriter, { before, seqs }: Gone): void {
  writer.varint(before).varint(seqs.length);
  let last = 0;
  for (const seq of seqs) {
    writer.varint(seq - last);
    last = seq;
  }
}

function readGone(reader: ByteReader): Gone {
  const before = reader.varint();
  const seqs: SequenceId[] = [];
  let last = 0;
  for (let count = reader.varint(); count > 0; count -= 1) seqs.push(sequenceId((last += reader.varint())));
  return { before, seqs };
}

/** @throws MalformedBytes when the bytes were not written by {@link encodeFeed} or a later version of it. */
export function decodeFeed(bytes: Uint8Array): readonly FeedChange[] {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) throw new MalformedBytes(`changefeed version ${String(version)} is not known`);
  const changes: FeedChange[] = [];
  while (reader.remaining > 0) {
    const kind = reader.u8();
    const conversation = reader.string() as ConversationId;
    if (kind === 1 || kind === 8) {
      const gen = generation(reader.varint());
      const from = sequenceId(reader.varint());
      const to = sequenceId(from + reader.varint() - 1);
      changes.push({ kind: kind === 1 ? 'appended' : 'imported', conversation, gen, from, to });
    } else if (kind === 5) {
      const user = reader.string() as UserId;
      const gen = generation(reader.varint());
      const seq = sequenceId(reader.varint());
      changes.push({ kind: 'deleted', conversation, user, gen, seq, counted: reader.u8() !== 0 });
    } else if (kind >= 2 && kind <= 7) {
      const user = reader.string() as UserId;
      // Of an unknown one: where something was lost, the conversation is asked.
      const gen = generation(kind === 2 ? 0 : reader.varint());
      const readSeq = sequenceId(reader.varint());
      const readMsgNo = reader.varint();
      const sentAtRead = reader.varint();
      const sent = kind === 4 || kind === 7 ? reader.varint() : null;
      const gone = kind < 6 ? {} : { gone: readGone(reader) };
      changes.push({ kind: 'read', conversation, user, gen, readSeq, readMsgNo, sentAtRead, sent, ...gone });
    } else {
      throw new MalformedBytes(`changefeed record kind ${String(kind)} is not known`);
    }
  }
  return changes;
}
