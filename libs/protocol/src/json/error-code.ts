import { errorRetry, type ErrorCode } from '../errors.ts';
import type { FieldReader } from './field-reader.ts';

/** One that a newer server may send and this program does not know is `internal`. */
export function readErrorCode(fields: FieldReader): ErrorCode {
  const code = fields.text('code', Number.MAX_SAFE_INTEGER);
  return Object.hasOwn(errorRetry, code) ? (code as ErrorCode) : 'internal';
}
