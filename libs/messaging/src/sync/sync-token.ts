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
 * first `offset` messages. Of each conversation that is pulled from there on it has what its cursor says, by the slot that
 * it has in the user's list. Opaque to the device; the server keeps nothing about devices.
 */
export interface SyncToken {
  readonly position: Position;
  readonly offset: number;
  readonly cursors: ReadonlyMap<number, Position>;
  /** The slot with which the next answer begins to pull; left out for the lowest. */
  readonly turn?: number;
  /** What it has of the records behind those, when they are answered by conversation. */
  readonly window?: InWindow;
}

/** How far a device is in an `InboxWindow`, which begins behind the token's position. */
export interface InWindow {
  readonly to: Position;
  /** Of so many of its conversations the device has everything. */
  readonly done: number;
  /** Of the next one it has so many messages. */
  readonly given: number;
}

export const noCursors: SyncToken['cursors'] = new Map();

/** Without a cursor; readable by programs that know nothing of them. */
const VERSION_PLAIN = 1;
const VERSION = 2;

/**
 * Cursors in one token, so that it stays within `protocolLimits.opaqueChars`. Of more conversations that are pulled a
 * device learns by the list and by history.
 */
export const CURSORS_MAX = 1_000;

/** Slots are numbered from 1. */
const NO_TURN = 0;

/**
 * Base64url of `u8 version · string user · varint gen · varint seq · varint offset`, and in version 2
 * `varint count`, then for each cursor, in rising slot: `varint slots since the last · varint gen · varint seq`, and behind
 * them `varint turn`, 0 for none; and in both, where there is a window, `varint to.gen · varint to.seq · varint done ·
 * varint given`. What is behind the offset of version 1, and the cursors of version 2, was added: programs that know nothing
 * of it do not read so far, and answer what stands before it, which is true.
 */
export function encodeSyncToken(user: UserId, { position, offset, cursors, turn, window }: SyncToken): string {
  const writer = new ByteWriter().u8(cursors.size === 0 ? VERSION_PLAIN : VERSION).string(user);
  writer.varint(position.gen).varint(position.seq).varint(offset);
  if (cursors.size > 0) {
    const slots = [...cursors].sort(([one], [other]) => one - other).slice(0, CURSORS_MAX);
    writer.varint(slots.length);
    let before = 0;
    for (const [slot, { gen, seq }] of slots) {
      writer
        .varint(slot - before)
        .varint(gen)
        .varint(seq);
      before = slot;
    }
    if (turn !== undefined || window !== undefined) writer.varint(turn ?? NO_TURN);
  }
  if (window !== undefined) {
    const { to, done, given } = window;
    writer.varint(to.gen).varint(to.seq).varint(done).varint(given);
  }
  return toBase64(writer.finish()).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

export function decodeSyncToken(user: UserId, token: string): Result<SyncToken, FrameError> {
  const refused = err(frameError('bad_request', 'this is no sync token of this user: sync without one'));
  const padded = token.padEnd(Math.ceil(token.length / 4) * 4, '=');
  const bytes = fromBase64(padded.replaceAll('-', '+').replaceAll('_', '/'));
  if (!bytes.ok) return refused;
  try {
    const reader = new ByteReader(bytes.value);
    const version = reader.u8();
    if ((version !== VERSION && version !== VERSION_PLAIN) || reader.string() !== user) return refused;
    const position = { gen: generation(reader.varint()), seq: sequenceId(reader.varint()) };
    const offset = reader.varint();
    const cursors = version === VERSION ? readCursors(reader) : noCursors;
    const turn = cursors.size > 0 && reader.remaining > 0 ? reader.varint() : NO_TURN;
    const window = reader.remaining > 0 ? { window: readWindow(reader) } : {};
    return ok({ position, offset, cursors, ...(turn === NO_TURN ? {} : { turn }), ...window });
  } catch {
    return refused;
  }
}

function readCursors(reader: ByteReader): SyncToken['cursors'] {
  const cursors = new Map<number, Position>();
  let slot = 0;
  for (let count = reader.varint(); count > 0; count -= 1) {
    slot += reader.varint();
    cursors.set(slot, { gen: generation(reader.varint()), seq: sequenceId(reader.varint()) });
  }
  return cursors;
}

function readWindow(reader: ByteReader): InWindow {
  const to = { gen: generation(reader.varint()), seq: sequenceId(reader.varint()) };
  return { to, done: reader.varint(), given: reader.varint() };
}

/**
 * The token, moved on to what the device has seen by push since (same generation, further on). Where the entries up to
 * there tell of conversations that are pulled from then on or not any more, the caller has to follow them.
 */
export function withSeen(
  token: SyncToken,
  seen: { readonly gen: number; readonly seq: SequenceId } | undefined,
): SyncToken {
  if (seen === undefined || seen.gen !== token.position.gen || seen.seq <= token.position.seq) return token;
  const { window: _window, ...rest } = token;
  return { ...rest, position: { gen: token.position.gen, seq: seen.seq }, offset: 0 };
}
