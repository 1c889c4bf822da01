import {
  ByteReader,
  ByteWriter,
  err,
  generation,
  ok,
  sequenceId,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { frameError, fromBase64, toBase64, type FrameError } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';

/**
 * What a device keeps between syncs: it has everything of the inbox up to `position`, and of the record behind it the
 * first `offset` messages. Opaque to the device; the server keeps nothing about devices.
 */
export interface SyncToken {
  readonly position: Position;
  readonly offset: number;
}

const VERSION = 1;

/** Base64url of `u8 version · string user · varint gen · varint seq · varint offset`. */
export function encodeSyncToken(user: UserId, { position, offset }: SyncToken): string {
  const writer = new ByteWriter().u8(VERSION).string(user);
  const bytes = writer.varint(position.gen).varint(position.seq).varint(offset).finish();
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decodeSyncToken(user: UserId, token: string): Result<SyncToken, FrameError> {
  const refused = err(frameError('bad_request', 'this is no sync token of this user: sync without one'));
  const padded = token.padEnd(Math.ceil(token.length / 4) * 4, '=');
  const bytes = fromBase64(padded.replaceAll('-', '+').replaceAll('_', '/'));
  if (!bytes.ok) return refused;
  try {
    const reader = new ByteReader(bytes.value);
    if (reader.u8() !== VERSION || reader.string() !== user) return refused;
    const position = { gen: generation(reader.varint()), seq: sequenceId(reader.varint()) };
    return ok({ position, offset: reader.varint() });
  } catch {
    return refused;
  }
}

/** The token, moved on to what the device has seen by push since (same generation, further on). */
export function withSeen(
  token: SyncToken,
  seen: { readonly gen: number; readonly seq: SequenceId } | undefined,
): SyncToken {
  if (seen === undefined || seen.gen !== token.position.gen || seen.seq <= token.position.seq) return token;
  return { position: { gen: token.position.gen, seq: seen.seq }, offset: 0 };
}
