import { err, ok, type Result } from '@millrace/kernel';
import { protocolLimits, type SearchField } from '@millrace/protocol';

const FIELD = /^([A-Za-z0-9_]{1,32})=(.+)$/s;
const BOUNDS = /^(-?\d+)?\.\.(-?\d+)?$/;
const WHOLE = /^-?\d+$/;

/** What a field must be: a whole number, `true` or `false`, bounds such as `10..20`, or a text, between `"` where it looks like one of those. */
function fieldOf(text: string): SearchField | null {
  const [, name, value] = FIELD.exec(text) ?? [];
  if (name === undefined || value === undefined) return null;
  if (value === 'true' || value === 'false') return { name, is: value === 'true' };
  if (WHOLE.test(value)) return Number.isSafeInteger(Number(value)) ? { name, is: Number(value) } : null;
  const [bounds, min, max] = BOUNDS.exec(value) ?? [];
  if (bounds !== undefined) {
    const some = {
      ...(min === undefined ? {} : { min: Number(min) }),
      ...(max === undefined ? {} : { max: Number(max) }),
    };
    const all = Object.values(some);
    return all.length > 0 && all.every(Number.isSafeInteger) ? { name, ...some } : null;
  }
  return { name, is: /^".*"$/s.test(value) ? value.slice(1, -1) : value };
}

/** The fields that a command line asks for, or what is wrong with one. */
export function searchFieldsOf(texts: readonly string[]): Result<readonly SearchField[], string> {
  if (texts.length > protocolLimits.searchFields)
    return err(`--field may be given ${String(protocolLimits.searchFields)} times at most.`);
  const fields: SearchField[] = [];
  for (const text of texts) {
    const field = fieldOf(text);
    if (field === null)
      return err(`--field must be NAME=VALUE, such as order=17, paid=true, state=open or order=10..20; got "${text}".`);
    fields.push(field);
  }
  return ok(fields);
}
