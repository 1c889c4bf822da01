/** CRC-32C (Castagnoli), reflected: the polynomial 0x1EDC6F41, which finds more errors than the one of zip. */
const POLYNOMIAL = 0x82f63b78;
/** Bytes that are taken at once: what the first of them comes to does not wait for the one before it ("slicing"). */
const SLICES = 8;

/** For each slice, what a byte comes to with so many zero bytes behind it. */
const TABLE = new Uint32Array(SLICES * 256);
for (let byte = 0; byte < 256; byte += 1) {
  let value = byte;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
  TABLE[byte] = value;
}
for (let at = 256; at < TABLE.length; at += 1) {
  const shorter = TABLE[at - 256] ?? 0;
  TABLE[at] = (TABLE[shorter & 0xff] ?? 0) ^ (shorter >>> 8);
}

const byteOf = (bytes: Uint8Array, at: number): number => bytes[at] ?? 0;
const comesTo = (zeroBytes: number, byte: number): number => TABLE[zeroBytes * 256 + (byte & 0xff)] ?? 0;

/** The checksum of these bytes behind those that `before` is the checksum of; 0..2^32-1. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  let crc = ~before;
  let at = 0;
  for (; at + SLICES <= bytes.length; at += SLICES) {
    crc =
      comesTo(7, byteOf(bytes, at) ^ crc) ^
      comesTo(6, byteOf(bytes, at + 1) ^ (crc >>> 8)) ^
      comesTo(5, byteOf(bytes, at + 2) ^ (crc >>> 16)) ^
      comesTo(4, byteOf(bytes, at + 3) ^ (crc >>> 24)) ^
      comesTo(3, byteOf(bytes, at + 4)) ^
      comesTo(2, byteOf(bytes, at + 5)) ^
      comesTo(1, byteOf(bytes, at + 6)) ^
      comesTo(0, byteOf(bytes, at + 7));
  }
  for (; at < bytes.length; at += 1) crc = comesTo(0, byteOf(bytes, at) ^ crc) ^ (crc >>> 8);
  return ~crc >>> 0;
}
