import type { FieldProblem } from './errors.ts';
import { protocolLimits, type ProtocolLimits } from './limits.ts';
import { isLongerThan, isWellFormed } from './text.ts';

/** What is wrong with a message's body, null when nothing is. One rule for every encoding, and for the HTTP API. */
export function bodyProblem(
  body: string | Uint8Array,
  { bodyBytes }: Pick<ProtocolLimits, 'bodyBytes'> = protocolLimits,
): FieldProblem | null {
  const isTooLong = typeof body === 'string' ? isLongerThan(body, bodyBytes) : body.length > bodyBytes;
  if (isTooLong) {
    const got = typeof body === 'string' ? `${String(body.length)} characters` : String(body.length);
    const unit = typeof body === 'string' ? 'bytes of UTF-8' : 'bytes';
    return { code: 'too_large', message: `body must be at most ${String(bodyBytes)} ${unit}, got ${got}` };
  }
  if (typeof body === 'string' && !isWellFormed(body)) {
    return { code: 'bad_request', message: 'body must be well-formed Unicode, it has half of a surrogate pair' };
  }
  return null;
}
