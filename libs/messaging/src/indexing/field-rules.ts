import { err, ok, type Result } from '@millrace/kernel';
import { FIELDS_MAX, FIELD_TEXT_MAX, type FieldValue } from '@millrace/search';
import { messageTypes } from '@millrace/protocol';

/** What of the bodies of one type of message is searched for. A pointer is as in RFC 6901, `/order/number`. */
export interface TypeRules {
  /** Texts that a person reads; all strings below a pointer, in the order of the body. */
  readonly text: readonly string[];
  /** By name of the field: the value at the pointer. */
  readonly fields: Readonly<Record<string, string>>;
}

/** By type of message. */
export type FieldRules = Readonly<Record<string, TypeRules>>;

export const noFieldRules: FieldRules = {};

const NAME = /^[A-Za-z0-9_]{1,32}$/;
const POINTER = /^(\/([^~/]|~[01])*)*$/;
const sendableTypes: readonly string[] = messageTypes.filter((type) => type !== 'control' && type !== 'void');
const TEXTS_MAX = 16;
const TEXT_DEPTH_MAX = 8;

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isPointer = (value: unknown): value is string => typeof value === 'string' && POINTER.test(value);

/**
 * Reads rules out of JSON: `{"custom": {"text": ["/title"], "fields": {"order": "/order/number"}}}`.
 *
 * @returns what is wrong, for a person.
 */
export function parseFieldRules(json: string): Result<FieldRules, string> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch (error) {
    return err(`it is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isFields(parsed)) return err('it is no object with a type of message for each name');
  const rules: Record<string, TypeRules> = {};
  for (const [type, of] of Object.entries(parsed)) {
    if (!sendableTypes.includes(type)) {
      return err(`${JSON.stringify(type)} is no type of a message; there are ${sendableTypes.join(', ')}`);
    }
    const read = typeRules(type, of);
    if (!read.ok) return read;
    rules[type] = read.value;
  }
  return ok(rules);
}

function typeRules(type: string, of: unknown): Result<TypeRules, string> {
  if (!isFields(of)) return err(`${type}: it is no object with "text" and "fields"`);
  const unknown = Object.keys(of).find((name) => name !== 'text' && name !== 'fields');
  if (unknown !== undefined) return err(`${type}: there is "text" and "fields", and no ${JSON.stringify(unknown)}`);
  const { text = [], fields = {} } = of;
  if (!Array.isArray(text) || !text.every(isPointer) || text.length > TEXTS_MAX) {
    return err(`${type}: "text" is a list of up to ${String(TEXTS_MAX)} JSON pointers, such as ["/title"]`);
  }
  if (!isFields(fields)) return err(`${type}: "fields" is an object with a JSON pointer for each name`);
  const named = Object.entries(fields);
  if (named.length > FIELDS_MAX) return err(`${type}: there are at most ${String(FIELDS_MAX)} fields`);
  for (const [name, pointer] of named) {
    if (!NAME.test(name)) return err(`${type}: a field is called by 1 to 32 of A-Z a-z 0-9 _, not ${name}`);
    if (!isPointer(pointer)) return err(`${type}: field ${name} is no JSON pointer, such as "/order/number"`);
  }
  return ok({ text, fields: fields as Readonly<Record<string, string>> });
}

/** What stands at a pointer; undefined for nothing. */
export function pointedAt(body: unknown, pointer: string): unknown {
  let at = body;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (Array.isArray(at) && /^(0|[1-9]\d*)$/.test(name)) at = (at as readonly unknown[])[Number(name)];
    else if (isFields(at) && Object.hasOwn(at, name)) at = at[name];
    else return undefined;
  }
  return at;
}

function textsIn(value: unknown, depth: number): readonly string[] {
  if (typeof value === 'string') return [value];
  if (depth === 0 || typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap((each) => textsIn(each, depth - 1));
}

/** What rules find in a body. A value that no field takes is left out: a fraction, a list, a text that is too long. */
export function found(
  body: unknown,
  { text, fields }: TypeRules,
): { readonly text: string; readonly fields: Readonly<Record<string, FieldValue>> } {
  const values = Object.entries(fields).flatMap(([name, pointer]): readonly (readonly [string, FieldValue])[] => {
    const value = pointedAt(body, pointer);
    return isFieldValue(value) ? [[name, value]] : [];
  });
  const texts = text.flatMap((pointer) => textsIn(pointedAt(body, pointer), TEXT_DEPTH_MAX));
  return { text: texts.join('\n'), fields: Object.fromEntries(values) };
}

const isFieldValue = (value: unknown): value is FieldValue =>
  typeof value === 'boolean' ||
  (typeof value === 'string' && value.length <= FIELD_TEXT_MAX) ||
  (typeof value === 'number' && Number.isSafeInteger(value));
