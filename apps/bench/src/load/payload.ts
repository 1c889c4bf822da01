/*
 * The body of a bench message: printable ASCII that tells, at its beginning, the stream it belongs to, its number in
 * the stream and when it was due. Six bits a character, so that reading it costs next to nothing.
 */

const STREAM_CHARS = 4;
const NUMBER_CHARS = 5;
const TIME_CHARS = 5;
export const PAYLOAD_HEAD_CHARS = STREAM_CHARS + NUMBER_CHARS + TIME_CHARS;

const FIRST_CHAR = 48;
const FILLER = 'x'.charCodeAt(0);
/** Times are told modulo this many microseconds, about 18 minutes. */
const TIME_MODULUS = 2 ** (6 * TIME_CHARS);

function put(bytes: Uint8Array, from: number, chars: number, value: number): void {
  let rest = value;
  for (let at = from + chars - 1; at >= from; at -= 1) {
    bytes[at] = FIRST_CHAR + (rest & 63);
    rest = Math.floor(rest / 64);
  }
}

function take(bytes: Uint8Array, from: number, chars: number): number {
  let value = 0;
  for (let at = from; at < from + chars; at += 1) value = value * 64 + ((bytes[at] ?? FIRST_CHAR) - FIRST_CHAR);
  return value;
}

export const newPayload = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(FILLER);

/** @param micros - a monotonic time of this process. */
export function writePayload(payload: Uint8Array, stream: number, n: number, micros: number): void {
  put(payload, 0, STREAM_CHARS, stream);
  put(payload, STREAM_CHARS, NUMBER_CHARS, n);
  put(payload, STREAM_CHARS + NUMBER_CHARS, TIME_CHARS, Math.floor(micros) % TIME_MODULUS);
}

export const streamAt = (bytes: Uint8Array, from: number): number => take(bytes, from, STREAM_CHARS);
export const numberAt = (bytes: Uint8Array, from: number): number => take(bytes, from + STREAM_CHARS, NUMBER_CHARS);

/** Microseconds from the time that the payload tells until `nowMicros`. */
export function ageAt(bytes: Uint8Array, from: number, nowMicros: number): number {
  const due = take(bytes, from + STREAM_CHARS + NUMBER_CHARS, TIME_CHARS);
  const age = (Math.floor(nowMicros) % TIME_MODULUS) - due;
  return age < -TIME_MODULUS / 2 ? age + TIME_MODULUS : Math.max(0, age);
}
