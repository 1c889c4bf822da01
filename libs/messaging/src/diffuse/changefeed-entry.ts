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
import type { Effect, ReadMoved } from '../effects.ts';

/**
 * What a commit changed, for the followers of the changefeed: it points at entries and does not repeat them.
 * Layout: `u8 version = 1`, then records: `u8 1 · string conversation · varint gen · from · count`, or
 * `u8 3 · string conversation · string user · varint gen · readSeq · readMsgNo · sentAtRead`, or `u8 4`, likewise and
 * `· sent`. Kind 2 was kind 3 without its generation.
 */
export type FeedChange =
  | {
      readonly kind: 'appended';
      readonly conversation: ConversationId;
      readonly gen: Generation;
      readonly from: SequenceId;
      readonly to: SequenceId;
    }
  | ({ readonly kind: 'read' } & Omit<ReadMoved, 'e'>);

const VERSION = 1;

/** @returns null when no follower needs to know of these effects. */
export function encodeFeed(effects: readonly Effect[]): Uint8Array | null {
  let writer: ByteWriter | null = null;
  let run: { conversation: ConversationId; gen: Generation; from: SequenceId; to: SequenceId } | null = null;
  const flush = (): void => {
    if (run === null) return;
    writer ??= new ByteWriter().u8(VERSION);
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
      writer ??= new ByteWriter().u8(VERSION);
      const { sent } = effect;
      writer
        .u8(sent === null ? 3 : 4)
        .string(effect.conversation)
        .string(effect.user);
      writer.varint(effect.gen).varint(effect.readSeq).varint(effect.readMsgNo).varint(effect.sentAtRead);
      if (sent !== null) writer.varint(sent);
    }
  }
  flush();
  return writer?.finish() ?? null;
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
    if (kind === 1) {
      const gen = generation(reader.varint());
      const from = sequenceId(reader.varint());
      changes.push({ kind: 'appended', conversation, gen, from, to: sequenceId(from + reader.varint() - 1) });
    } else if (kind >= 2 && kind <= 4) {
      const user = reader.string() as UserId;
      // Of an unknown one: where something was lost, the conversation is asked.
      const gen = generation(kind === 2 ? 0 : reader.varint());
      const readSeq = sequenceId(reader.varint());
      const readMsgNo = reader.varint();
      const sentAtRead = reader.varint();
      const sent = kind < 4 ? null : reader.varint();
      changes.push({ kind: 'read', conversation, user, gen, readSeq, readMsgNo, sentAtRead, sent });
    } else {
      throw new MalformedBytes(`changefeed record kind ${String(kind)} is not known`);
    }
  }
  return changes;
}
