import { readFileSync } from 'node:fs';
import type { Random } from '@millrace/kernel';
import type { Encoding } from '@millrace/protocol';

interface Vectors {
  readonly client: readonly { readonly json: string; readonly binaryHex: string }[];
}

const file = new URL('../../../../libs/protocol/vectors/v1.json', import.meta.url);
const { client } = JSON.parse(readFileSync(file, 'utf8')) as Vectors;
const jsonFrames = client.map(({ json }) => json);
const records = client.map(({ binaryHex }) => Buffer.from(binaryHex, 'hex'));

const oddValues: readonly unknown[] = [
  null, true, -1, 0, 1.5, 2 ** 53, -(2 ** 53), 1e308, '', ' ', 'x'.repeat(5_000), '\u0000', '\ud800', '\u202e', '__proto__',
  [], {}, [[]], { toString: 1 }, Array.from({ length: 300 }, () => 'u'), 'constructor', '../../etc', '{p1}:owner', '9'.repeat(400),
]; // prettier-ignore

const pick = <T>(random: Random, from: readonly T[]): T => from[random.uint32() % from.length] as T;

function bytes(random: Random, length: number): Buffer {
  const made = Buffer.alloc(length);
  for (let index = 0; index < length; index += 1) made[index] = random.uint32() & 0xff;
  return made;
}

/** Changes, leaves out or adds a field: the message can be read, the frame in it is refused or means something else. */
function withOddField(random: Random, json: string): string {
  const frame = JSON.parse(json) as Record<string, unknown>;
  const names = Object.keys(frame);
  for (let changes = 1 + (random.uint32() % 2); changes > 0; changes -= 1) {
    const name = random.uint32() % 8 === 0 ? `extra${String(random.uint32() % 9)}` : pick(random, names);
    if (random.uint32() % 6 === 0) Reflect.deleteProperty(frame, name);
    else frame[name] = pick(random, oddValues);
  }
  return JSON.stringify(frame);
}

/** Flips, cuts, doubles or inserts bytes anywhere. */
function withOddBytes(random: Random, message: Buffer): Buffer {
  const at = random.uint32() % Math.max(1, message.length);
  switch (random.uint32() % 4) {
    case 0: {
      const flipped = Buffer.from(message);
      flipped[at] = random.uint32() & 0xff;
      return flipped;
    }
    case 1:
      return message.subarray(0, at);
    case 2:
      return Buffer.concat([message, message.subarray(at)]);
    default:
      return Buffer.concat([message.subarray(0, at), bytes(random, 1 + (random.uint32() % 16)), message.subarray(at)]);
  }
}

/** The payload changed and the length in the header with it, so that the record can still be cut out. */
function withOddPayload(random: Random, record: Buffer): Buffer {
  const payload = withOddBytes(random, record.subarray(12));
  const header = Buffer.from(record.subarray(0, 12));
  header.writeUInt32BE(payload.length, 0);
  if (random.uint32() % 8 === 0) header[4] = random.uint32() & 0xff;
  return Buffer.concat([header, payload]);
}

/**
 * One message of a hostile client. Most can be cut into frames, so that the socket lives and the frames behind are read;
 * one in about a hundred cannot, and costs the sender the socket.
 */
export function hostileMessage(random: Random, encoding: Encoding): string | Buffer {
  const kind = random.uint32() % 300;
  if (encoding === 'json') {
    const json = pick(random, jsonFrames);
    if (kind === 0) return bytes(random, random.uint32() % 200);
    if (kind === 1) return bytes(random, random.uint32() % 200).toString('latin1');
    if (kind === 2) return withOddBytes(random, Buffer.from(json)).toString('latin1');
    if (kind === 3) return `${'['.repeat(random.uint32() % 5_000)}${json}`;
    if (kind < 20)
      return `[${Array.from({ length: 1 + (random.uint32() % 20) }, () => withOddField(random, pick(random, jsonFrames))).join(',')}]`;
    return kind < 40 ? json : withOddField(random, json);
  }
  const record = pick(random, records);
  if (kind === 0) return bytes(random, random.uint32() % 200);
  if (kind === 1) return bytes(random, 12 + (random.uint32() % 60)).fill(0, 0, 3);
  if (kind === 2) return withOddBytes(random, record);
  if (kind < 20)
    return Buffer.concat(
      Array.from({ length: 1 + (random.uint32() % 20) }, () => withOddPayload(random, pick(random, records))),
    );
  return kind < 40 ? record : withOddPayload(random, record);
}
