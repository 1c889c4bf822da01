import { InvariantViolation } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { Packer } from './pack.ts';
import { Unpacker } from './unpack.ts';

describe('an Unpacker', () => {
  it.each([0, 31, 32, 255, 256, 65_535, 65_536])('reads a text of %d bytes', (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => index % 256);
    expect(new Unpacker(new Packer().bytes(bytes).take()).bytes()).toEqual(Buffer.from(bytes));
  });

  it.each([0, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1])('reads the length %d', (count) => {
    expect(new Unpacker(new Packer().count(count).take()).count()).toBe(count);
  });

  it('reads lengths as Redis writes them: as short as they can be', () => {
    expect(new Unpacker(Buffer.from([0xcc, 200])).count()).toBe(200);
    expect(new Unpacker(Buffer.from([0xcd, 1, 2])).count()).toBe(258);
  });

  it.each([0, 15, 16, 65_535, 65_536])('reads a list of %d values', (length) => {
    expect(new Unpacker(new Packer().array(length).take()).array()).toBe(length);
  });

  it('reads ids of two numbers, up to the largest that is safe', () => {
    const largest = Number.MAX_SAFE_INTEGER;
    for (const id of ['1-1', '0-7', '12-1000', `${String(largest)}-${String(largest)}`]) {
      expect(new Unpacker(new Packer().text(id).take()).id().join('-')).toBe(id);
    }
  });

  it('tells a text from a length', () => {
    expect(new Unpacker(new Packer().text('x'.repeat(300)).take()).isAtText).toBe(true);
    expect(new Unpacker(new Packer().text('').take()).isAtText).toBe(true);
    for (const count of [0, 127, 128, 70_000])
      expect(new Unpacker(new Packer().count(count).take()).isAtText).toBe(false);
  });

  it('takes what is cut off, or something else, for a defect', () => {
    const text = new Packer().text('some text').take();
    expect(() => new Unpacker(text.subarray(0, 4)).bytes()).toThrow(InvariantViolation);
    expect(() => new Unpacker(Buffer.alloc(0)).count()).toThrow(InvariantViolation);
    expect(() => new Unpacker(text).count()).toThrow(InvariantViolation);
    expect(() => new Unpacker(text).array()).toThrow(InvariantViolation);
    expect(() => new Unpacker(Buffer.from([7])).bytes()).toThrow(InvariantViolation);
    expect(() => new Unpacker(Buffer.from([7])).id()).toThrow(InvariantViolation);
  });
});
