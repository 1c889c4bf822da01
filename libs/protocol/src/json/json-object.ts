import { fromUtf8 } from '@millrace/kernel';

/** What `JSON.parse` makes of an object: nothing is known of its fields. */
export type JsonObject = Readonly<Record<string, unknown>>;

export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Null when the text is not JSON. */
export function parseJson(text: string): { readonly value: unknown } | null {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return null;
  }
}

/** The same for a text that may still be UTF-8 bytes, as some sockets hand it over. */
export function parseJsonMessage(data: string | Uint8Array): { readonly value: unknown } | null {
  if (typeof data === 'string') return parseJson(data);
  let text: string;
  try {
    text = fromUtf8(data);
  } catch {
    return null;
  }
  return parseJson(text);
}
