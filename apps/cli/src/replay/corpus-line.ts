import { err, ok, utf8, type Result } from '@millrace/kernel';
import { nameToId } from './name-to-id.ts';

/** One message of a corpus: a line of `{"channel", "at", "from", "text"}`, `at` in ISO 8601. */
export interface CorpusLine {
  /** From 1, counting every line of the file. */
  readonly line: number;
  readonly channel: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly from: string;
  readonly text: string;
}

/** A line that is not replayed, and what is wrong with it. */
export interface Misfit {
  readonly line: number;
  readonly reason: string;
}

const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;
const ISO_TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})$/;

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function stringOf(record: Readonly<Record<string, unknown>>, field: string): Result<string, string> {
  const value = record[field];
  if (typeof value !== 'string') return err(`"${field}" must be a string, got ${shown(value)}`);
  if (LONE_SURROGATE.test(value)) return err(`"${field}" holds half of a surrogate pair, which UTF-8 cannot carry`);
  return ok(value);
}

/**
 * Reads one line of a corpus.
 *
 * @param bodyBytesMax - what the protocol allows a message.
 */
export function parseCorpusLine(text: string, line: number, bodyBytesMax: number): Result<CorpusLine, Misfit> {
  const misfit = (reason: string): Result<never, Misfit> => err({ line, reason });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return misfit(`not JSON: ${shown(text)}`);
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return misfit('not a JSON object');
  const record = parsed as Readonly<Record<string, unknown>>;
  const channel = stringOf(record, 'channel');
  if (!channel.ok) return misfit(channel.error);
  const at = stringOf(record, 'at');
  if (!at.ok) return misfit(at.error);
  const from = stringOf(record, 'from');
  if (!from.ok) return misfit(from.error);
  const body = stringOf(record, 'text');
  if (!body.ok) return misfit(body.error);

  if (nameToId(channel.value) === null) return misfit('"channel" is empty');
  if (nameToId(from.value) === null) return misfit('"from" is empty');
  const atMs = Date.parse(at.value);
  if (!ISO_TIME.test(at.value) || !Number.isFinite(atMs)) {
    return misfit(`"at" must be a time in ISO 8601 with its zone, got ${shown(at.value)}`);
  }
  const bytes = utf8(body.value).length;
  if (bytes > bodyBytesMax) {
    return misfit(`"text" is ${String(bytes)} bytes of UTF-8, a message may have ${String(bodyBytesMax)}`);
  }
  return ok({ line, channel: channel.value, atMs, from: from.value, text: body.value });
}
