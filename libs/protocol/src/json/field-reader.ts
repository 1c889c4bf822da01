import {
  parseConversationId,
  parseDeviceId,
  parseUserId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type IdError,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import { fromBase64 } from '../base64.ts';
import { bodyProblem } from '../body.ts';
import type { FieldProblem } from '../errors.ts';
import { codePoints, isWellFormed, shown } from '../text.ts';
import { isJsonObject, type JsonObject } from './json-object.ts';

/** The first problem of a frame, shared by the readers of its parts. */
class Findings {
  problem: FieldProblem | null = null;
}

/**
 * Reads the fields of one frame that a peer sent. A field that is not as it must be is noted, the first one stays, and
 * a harmless value is answered, so that a decoder reads straight on and asks for `problem` once, at the end. Fields
 * that nobody asks for are ignored.
 */
export class FieldReader {
  readonly #record: JsonObject;
  readonly #path: string;
  readonly #findings: Findings;

  constructor(record: JsonObject, path = '', findings: Findings = new Findings()) {
    this.#record = record;
    this.#path = path;
    this.#findings = findings;
  }

  get problem(): FieldProblem | null {
    return this.#findings.problem;
  }

  /** @param shouldBe - what would be right, after the words "must be". */
  refuse(field: string, shouldBe: string, got = shown(this.#record[field])): void {
    this.#findings.problem ??= {
      code: 'bad_request',
      message: `${this.#path}${field} must be ${shouldBe}, got ${got}`,
    };
  }

  has(field: string): boolean {
    return this.#record[field] !== undefined;
  }

  isNull(field: string): boolean {
    return this.#record[field] === null;
  }

  whole(field: string, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#record[field];
    if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return value as number;
    this.refuse(field, `a whole number from ${String(min)} to ${String(max)}`);
    return min;
  }

  seq(field: string, min = 0): SequenceId {
    return this.whole(field, min) as SequenceId;
  }

  gen(field: string): Generation {
    return this.whole(field, 0) as Generation;
  }

  flag(field: string): boolean {
    const value = this.#record[field];
    if (typeof value === 'boolean') return value;
    this.refuse(field, 'true or false');
    return false;
  }

  /** A text of at most `max` code points. */
  text(field: string, max: number, min = 0): string {
    const value = this.#record[field];
    if (typeof value === 'string') {
      const length = codePoints(value, max);
      if (length >= min && length <= max && isWellFormed(value)) return value;
    }
    this.refuse(field, `a text of ${String(min)} to ${String(max)} Unicode characters`);
    return '';
  }

  /** Like {@link text}, but never shown in an error. */
  secret(field: string, max: number): string {
    const value = this.#record[field];
    if (typeof value === 'string' && value.length > 0 && value.length <= max && isWellFormed(value)) return value;
    const got = typeof value === 'string' ? `${String(value.length)} characters` : shown(value);
    this.refuse(field, `a text of 1 to ${String(max)} characters`, got);
    return '';
  }

  oneOf<const T extends string>(field: string, values: readonly [T, ...T[]]): T {
    const value = this.#record[field];
    const found = values.find((one) => one === value);
    if (found !== undefined) return found;
    this.refuse(field, `one of ${values.join(', ')}`);
    return values[0];
  }

  /** An array of one or more of these. */
  someOf<const T extends string>(field: string, values: readonly [T, ...T[]]): readonly T[] {
    const value: unknown = this.#record[field];
    const isOne = (item: unknown): boolean => values.some((one) => one === item);
    if (Array.isArray(value) && value.length > 0 && value.length <= values.length && value.every(isOne))
      return value as T[];
    this.refuse(field, `an array of 1 to ${String(values.length)} of ${values.join(', ')}`);
    return [];
  }

  /** The name of an application's own field. */
  name(field: string): string {
    const value = this.#record[field];
    if (typeof value === 'string' && /^[A-Za-z0-9_]{1,32}$/.test(value)) return value;
    this.refuse(field, '1 to 32 of A-Z a-z 0-9 _');
    return '';
  }

  /** A text of at most `max` code units, a whole number within 2^53, or a truth value. */
  scalar(field: string, max: number): string | number | boolean {
    const value = this.#record[field];
    if (typeof value === 'boolean' || Number.isSafeInteger(value)) return value as boolean | number;
    if (typeof value === 'string' && value.length <= max && isWellFormed(value)) return value;
    this.refuse(field, `a text of at most ${String(max)} characters, a whole number, true or false`);
    return '';
  }

  conversations(field: string, min: number, max: number): readonly ConversationId[] {
    return this.#ids(field, 'conversation ids', parseConversationId, min, max);
  }

  user(field: string): UserId {
    return this.#named(field, parseUserId(this.#record[field]));
  }

  device(field: string): DeviceId {
    return this.#named(field, parseDeviceId(this.#record[field]));
  }

  conversation(field: string): ConversationId {
    return this.#named(field, parseConversationId(this.#record[field]));
  }

  #named<Id extends string>(field: string, parsed: Result<Id, IdError>): Id {
    if (parsed.ok) return parsed.value;
    // The kernel's text begins with what the thing is; ours with where it stands.
    this.#findings.problem ??= { code: 'bad_request', message: `${this.#path}${field}: ${parsed.error.message}` };
    return '' as Id;
  }

  users(field: string, min: number, max: number): readonly UserId[] {
    return this.#ids(field, 'user ids', parseUserId, min, max);
  }

  #ids<Id extends string>(
    field: string,
    what: string,
    parse: (value: unknown) => Result<Id, IdError>,
    min: number,
    max: number,
  ): readonly Id[] {
    const value: unknown = this.#record[field];
    if (!Array.isArray(value) || value.length < min || value.length > max) {
      this.refuse(field, `an array of ${String(min)} to ${String(max)} ${what}`);
      return [];
    }
    const ids: Id[] = [];
    for (const [index, item] of value.entries()) {
      ids.push(this.#named(`${field}[${String(index)}]`, parse(item)));
      if (this.#findings.problem !== null) break;
    }
    return ids;
  }

  /** An array of positions. */
  seqs(field: string): readonly SequenceId[] {
    const value: unknown = this.#record[field];
    const isSeq = (item: unknown): boolean => Number.isSafeInteger(item) && (item as number) >= 1;
    if (Array.isArray(value) && value.every(isSeq)) return value as SequenceId[];
    this.refuse(field, 'an array of whole numbers from 1');
    return [];
  }

  /** The parts of a nested object. */
  object<T>(field: string, read: (fields: FieldReader) => T): T {
    return read(this.#part(this.#record[field], this.#path + field));
  }

  /** An array of objects, at most `max`. Reading stops at the first problem. */
  list<T>(field: string, read: (fields: FieldReader) => T, max = Number.POSITIVE_INFINITY): readonly T[] {
    const value: unknown = this.#record[field];
    if (!Array.isArray(value) || value.length > max) {
      this.refuse(field, max === Number.POSITIVE_INFINITY ? 'an array' : `an array of at most ${String(max)} objects`);
      return [];
    }
    const items: T[] = [];
    for (const [index, item] of value.entries()) {
      if (this.#findings.problem !== null) break;
      items.push(read(this.#part(item, `${this.#path}${field}[${String(index)}]`)));
    }
    return items;
  }

  #part(value: unknown, path: string): FieldReader {
    if (isJsonObject(value)) return new FieldReader(value, `${path}.`, this.#findings);
    this.#findings.problem ??= { code: 'bad_request', message: `${path} must be an object, got ${shown(value)}` };
    return new FieldReader({}, `${path}.`, this.#findings);
  }

  /** A message's body: `body`, or `bodyBase64` for bytes. */
  body(bodyBytes: number): string | Uint8Array {
    if (this.has('bodyBase64')) return this.#bytesBody(bodyBytes);
    const text = this.#record['body'];
    if (typeof text !== 'string') {
      this.refuse('body', 'a text (for bytes leave it out and give bodyBase64)');
      return '';
    }
    this.#noteBody(bodyProblem(text, { bodyBytes }));
    return text;
  }

  #bytesBody(bodyBytes: number): string | Uint8Array {
    const base64 = this.#record['bodyBase64'];
    if (this.has('body')) this.refuse('body', 'absent when there is a bodyBase64');
    const bytes = typeof base64 === 'string' ? fromBase64(base64) : null;
    if (bytes === null || !bytes.ok) {
      this.refuse('bodyBase64', 'base64 (the standard alphabet, padded)');
      return '';
    }
    this.#noteBody(bodyProblem(bytes.value, { bodyBytes }));
    return bytes.value;
  }

  #noteBody(problem: FieldProblem | null): void {
    if (problem !== null) {
      this.#findings.problem ??= { code: problem.code, message: this.#path + problem.message };
    }
  }
}
