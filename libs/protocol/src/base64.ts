import { err, ok, type Result } from '@millrace/kernel';

/** `String.fromCharCode` takes its characters as arguments: a bounded number of them at a time. */
const CHUNK = 8_192;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** RFC 4648 §4: the standard alphabet, padded. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  }
  return btoa(binary);
}

export function fromBase64(text: string): Result<Uint8Array, 'bad_base64'> {
  if (text.length % 4 !== 0 || !BASE64.test(text)) return err('bad_base64');
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    return err('bad_base64');
  }
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return ok(bytes);
}
