const { charCodeAt } = String.prototype as { readonly charCodeAt: (this: string, index: number) => number };

/**
 * As `text.charCodeAt(index)`, for loops over texts of all kinds: inside the engine these have many shapes, and where a
 * loop has met more than a few of them it would look up the method anew for each character. For the same reason whoever
 * loops takes the length once.
 */
export const codeUnitAt: (text: string, index: number) => number = Function.prototype.call.bind(charCodeAt);

/**
 * Writes a text of ASCII, a byte for each character, at `at` of `bytes`, which has room for it.
 *
 * @returns false when there are other characters in it: what stands from `at` on is then of no use.
 */
export function writeAscii(text: string, bytes: Uint8Array, at: number): boolean {
  const { length } = text;
  for (let index = 0; index < length; index += 1) {
    const unit = codeUnitAt(text, index);
    if (unit >= 0x80) return false;
    bytes[at + index] = unit;
  }
  return true;
}

/** Of longer texts the platform's decoder is as fast. */
const ASCII_READ_MAX = 32;
/** Used again and again, one for each length: an array made for each text costs more than filling it. */
const units: readonly number[][] = Array.from({ length: ASCII_READ_MAX + 1 }, (_, length) =>
  Array.from({ length }, () => 0),
);

/**
 * Reads a text of `length` bytes at `at` of `bytes`.
 *
 * @returns null when it is not of ASCII only, or of more than 32 bytes.
 */
export function readAscii(bytes: Uint8Array, at: number, length: number): string | null {
  const read = units[length];
  if (read === undefined) return null;
  for (let index = 0; index < length; index += 1) {
    const byte = bytes[at + index] ?? 0x80;
    if (byte >= 0x80) return null;
    read[index] = byte;
  }
  return String.fromCharCode(...read);
}
