import { testRedis } from '@millrace/local-redis/testing';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Packer } from './pack.ts';

const redis = testRedis();
let client: Redis;
beforeAll(() => {
  client = new Redis(redis.url, { protocol: 2 });
});
afterAll(() => {
  client.disconnect();
});

/** What Lua makes of packed bytes: each value of the outer array as text, with its type in front. */
async function unpacked(packed: Buffer): Promise<readonly Buffer[]> {
  const script = `
    local shown = {}
    for i, value in ipairs(cmsgpack.unpack(ARGV[1])) do
      if type(value) == 'table' then shown[i] = 'table:' .. #value
      elseif type(value) == 'boolean' then shown[i] = 'boolean:' .. tostring(value)
      else shown[i] = type(value) .. ':' .. value end
    end
    return shown`;
  return (await client.callBuffer('EVAL', script, 0, packed)) as Buffer[];
}

describe('what a Packer writes, Redis reads', () => {
  it.each([0, 1, 10, 11, 31, 32, 255, 256, 65_535, 65_536, 300_000])('a text of %d characters', async (length) => {
    const text = 'x'.repeat(length);
    const [value] = await unpacked(new Packer(4).array(1).text(text).take());
    expect(value?.toString()).toBe(`string:${text}`);
  });

  it.each([0, 31, 32, 255, 256, 65_535, 65_536])('%d bytes of every value', async (length) => {
    const bytes = Uint8Array.from({ length }, (_, index) => index % 256);
    const [value] = await unpacked(new Packer(4).array(1).bytes(bytes).take());
    expect(value?.equals(Buffer.concat([Buffer.from('string:'), bytes]))).toBe(true);
  });

  it('text beyond ASCII, short and long, as UTF-8', async () => {
    const packed = new Packer(4).array(2).text('é漢🙂').text('漢'.repeat(40)).take();
    expect((await unpacked(packed)).map(String)).toEqual(['string:é漢🙂', `string:${'漢'.repeat(40)}`]);
  });

  it.each([0, 15, 16, 65_535, 65_536])('an array, and a list, of %d values', async (length) => {
    const packer = new Packer(4).array(3);
    packer.array(length);
    for (let count = 0; count < length; count += 1) packer.text('v');
    packer.list(() => {
      for (let count = 0; count < length; count += 1) packer.text('v');
    });
    packer.text('end');
    expect((await unpacked(packer.take())).map(String)).toEqual([
      `table:${String(length)}`,
      `table:${String(length)}`,
      'string:end',
    ]);
  });

  it('lengths, and false for none', async () => {
    const packer = new Packer(4).array(4).none().count(0).count(127).count(4_000);
    expect((await unpacked(packer.take())).map(String)).toEqual([
      'boolean:false',
      'number:0',
      'number:127',
      'number:4000',
    ]);
  });
});

describe('a Packer', () => {
  it('starts anew after a take, and what was taken stays', () => {
    const packer = new Packer(4);
    const first = packer.text('first').take();
    const second = packer.text('other').take();
    expect(first.toString('latin1')).toBe('\u00a5first');
    expect(second.toString('latin1')).toBe('\u00a5other');
  });
});
