import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom, type Random } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames } from './client-codec.ts';
import type { Encoding } from './encoding.ts';
import { protocolLimits } from './limits.ts';
import { decodeClientFrames, encodeServerFrames } from './server-codec.ts';
import { clientFrame, serverFrame, toWire } from './testing/arbitraries.ts';

const SEED = 20_250_117;
const CASES = 25_000;
const SAMPLES = 400;

const below = (random: Random, max: number): number => random.uint32() % max;
const interesting = [0x00, 0x01, 0x7f, 0x80, 0xff, 0x22, 0x5b, 0x5d, 0x7b, 0x7d, 0x2c, 0x3a, 0x5c, 0x30];

/** Flips, cuts, repeats, inserts, or splices with another message. */
function mutated(source: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  let bytes: number[] = [...source];
  for (let count = 1 + below(random, 4); count > 0; count -= 1) {
    const at = below(random, bytes.length + 1);
    switch (below(random, 6)) {
      case 0:
        bytes[Math.min(at, bytes.length - 1)] = below(random, 256);
        break;
      case 1:
        bytes = bytes.slice(0, at);
        break;
      case 2:
        bytes.splice(at, below(random, 8));
        break;
      case 3:
        bytes.splice(at, 0, interesting[below(random, interesting.length)] ?? 0);
        break;
      case 4:
        bytes = [...bytes.slice(0, at), ...bytes.slice(below(random, bytes.length + 1))].slice(0, 4_096);
        break;
      default:
        bytes = [...bytes.slice(0, at), ...other.slice(below(random, other.length))];
    }
  }
  return Uint8Array.from(bytes);
}

const noise = (random: Random): Uint8Array => Uint8Array.from({ length: below(random, 200) }, () => below(random, 256));

const asBytes = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? new TextEncoder().encode(data) : data;

interface Decoded {
  readonly ok: boolean;
  readonly value?: readonly unknown[];
}

/** How much a result holds: every text, number and byte in it. */
function sizeOf(value: unknown): number {
  if (typeof value === 'string' || value instanceof Uint8Array) return value.length + 8;
  if (typeof value !== 'object' || value === null) return 8;
  let size = 16;
  for (const part of Object.values(value)) size += sizeOf(part);
  return size;
}

/** An error may answer a frame of two characters: what it says is bounded, and so is their number. */
const sizeMax = (bytes: number): number => 40 * bytes + protocolLimits.framesPerMessage * 1_000;

function fuzz(samples: readonly Uint8Array[], decode: (data: Uint8Array) => Decoded): { readonly taken: number } {
  const random = seededRandom(SEED);
  let taken = 0;
  for (let run = 0; run < CASES; run += 1) {
    const source = samples[below(random, samples.length)] ?? new Uint8Array(0);
    const other = samples[below(random, samples.length)] ?? new Uint8Array(0);
    const data = run % 5 === 0 ? noise(random) : mutated(source, other, random);
    let result: Decoded;
    try {
      result = decode(data);
    } catch (error) {
      throw new Error(`seed ${String(SEED)}, run ${String(run)}: ${JSON.stringify([...data])} threw`, { cause: error });
    }
    if (sizeOf(result) > sizeMax(data.length)) {
      throw new Error(`seed ${String(SEED)}, run ${String(run)}: ${String(data.length)} bytes became far more`);
    }
    if (result.ok) taken += 1;
  }
  return { taken };
}

describe.each<Encoding>(['json', 'binary'])('random and mutated messages over %s', (encoding) => {
  it('of a client are answered by values, never by a throw, and take memory in proportion (I9)', () => {
    const samples = fc
      .sample(fc.array(clientFrame, { minLength: 1, maxLength: 3 }), { seed: SEED, numRuns: SAMPLES })
      .map((frames) => asBytes(encodeClientFrames(frames, encoding)));
    const { taken } = fuzz(samples, (data) => decodeClientFrames(data, encoding));
    // Neither all nor none: the mutations reach behind the first check.
    expect(taken).toBeGreaterThan(CASES / 50);
    expect(taken).toBeLessThan(CASES);
  });

  it('of a server are answered by values, never by a throw, and take memory in proportion (I9)', () => {
    const samples = fc
      .sample(fc.array(serverFrame, { minLength: 1, maxLength: 3 }), { seed: SEED, numRuns: SAMPLES })
      .map((frames) => asBytes(encodeServerFrames(frames.map(toWire), encoding)));
    const { taken } = fuzz(samples, (data) => decodeServerFrames(data, encoding));
    expect(taken).toBeGreaterThan(CASES / 100);
    expect(taken).toBeLessThan(CASES);
  });
});

it('texts that no JSON parser likes are answered by values too', () => {
  const deep = '['.repeat(60_000);
  const wide = `{"t":"send","body":${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}}`;
  const lone = '{"t":"\ud800","id":1}';
  for (const text of [deep, wide, lone, '\u0000', '\uFEFF{}', `[${'{},'.repeat(20_000)}{}]`]) {
    const fromClient = decodeClientFrames(text, 'json');
    expect(fromClient.ok ? fromClient.value.every((frame) => !frame.ok) : true).toBe(true);
    expect(sizeOf(fromClient)).toBeLessThan(10_000);
    expect(sizeOf(decodeServerFrames(text, 'json'))).toBeLessThan(10_000);
  }
});
