const OPCODE_TEXT = 1;
const OPCODE_BINARY = 2;
const FIN = 0x80;

/** Above this a copy costs more than a second chunk. */
const COPIED_BYTES_MAX = 16_384;

function headerLength(payloadLength: number): number {
  if (payloadLength < 126) return 2;
  return payloadLength < 65_536 ? 4 : 10;
}

function writeHeader(target: Buffer, payloadLength: number, isBinary: boolean): void {
  target[0] = FIN | (isBinary ? OPCODE_BINARY : OPCODE_TEXT);
  if (payloadLength < 126) {
    target[1] = payloadLength;
  } else if (payloadLength < 65_536) {
    target[1] = 126;
    target.writeUInt16BE(payloadLength, 2);
  } else {
    target[1] = 127;
    target.writeUInt32BE(Math.floor(payloadLength / 0x1_0000_0000), 2);
    target.writeUInt32BE(payloadLength >>> 0, 6);
  }
}

/** One unmasked, uncompressed frame as RFC 6455 section 5.2 has it: in one chunk, or two when the payload is large. */
export function serverFrame(data: string | Uint8Array, isBinary: boolean): readonly Buffer[] {
  const length = typeof data === 'string' ? Buffer.byteLength(data) : data.length;
  const start = headerLength(length);
  if (typeof data === 'string') {
    const frame = Buffer.allocUnsafe(start + length);
    writeHeader(frame, length, isBinary);
    frame.write(data, start, 'utf8');
    return [frame];
  }
  if (length > COPIED_BYTES_MAX) {
    const header = Buffer.allocUnsafe(start);
    writeHeader(header, length, isBinary);
    return [header, Buffer.from(data.buffer, data.byteOffset, length)];
  }
  const frame = Buffer.allocUnsafe(start + length);
  writeHeader(frame, length, isBinary);
  frame.set(data, start);
  return [frame];
}
