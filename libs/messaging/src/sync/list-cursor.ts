import { err, ok, type Result } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';
import type { ListCursor } from '../user/commands.ts';

/** The text form that clients hand back: `<lastAt>.<slot>`. */
export const encodeListCursor = ({ lastAt, slot }: ListCursor): string => `${String(lastAt)}.${String(slot)}`;

export function decodeListCursor(text: string): Result<ListCursor, FrameError> {
  const match = /^(\d{1,15})\.(\d{1,15})$/.exec(text);
  if (match === null) return err(frameError('bad_request', 'after must be `next` of the page before'));
  return ok({ lastAt: Number(match[1]), slot: Number(match[2]) });
}
