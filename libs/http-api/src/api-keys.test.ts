import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { allows, findApiKey, parseApiKeys, type ApiKey } from './api-keys.ts';

const secret = 'a-key-of-enough-characters';

function keysOf(text: string): readonly ApiKey[] {
  const parsed = parseApiKeys(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

describe('API keys', () => {
  it('are found by what is presented, whether configured plainly or as a hash', () => {
    const hash = createHash('sha256').update(secret).digest('hex');
    for (const text of [`backend:read:${secret}`, `backend:read:sha256=${hash}`]) {
      expect(findApiKey(keysOf(text), secret)?.name).toBe('backend');
      expect(findApiKey(keysOf(text), `${secret}x`)).toBeNull();
      expect(findApiKey(keysOf(text), hash)).toBeNull();
    }
  });

  it('are kept as hashes only', () => {
    expect(JSON.stringify(keysOf(`backend:read:${secret}`))).not.toContain(secret);
  });

  it('come several at a time, in lines or between commas, with comments', () => {
    const keys = keysOf(`# ours\na:read:${secret}1\n\nb:write+metrics:${secret}2,c:admin:${secret}3`);
    expect(keys.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect([...(keys[1]?.scopes ?? [])]).toEqual(['write', 'metrics']);
  });

  it('allow their scopes and no other, and admin allows everything', () => {
    const [write, admin] = keysOf(`w:write:${secret}1,a:admin:${secret}2`);
    if (write === undefined || admin === undefined) throw new Error('two keys were given');
    expect([allows(write, 'write'), allows(write, 'read'), allows(write, 'metrics'), allows(write, 'admin')]).toEqual([
      true,
      false,
      false,
      false,
    ]);
    expect([allows(admin, 'write'), allows(admin, 'read'), allows(admin, 'metrics'), allows(admin, 'admin')]).toEqual([
      true,
      true,
      true,
      true,
    ]);
  });

  it.each([
    ['only-a-key-without-anything', 'name:scope+scope:key'],
    [`bad name:read:${secret}`, 'needs a name'],
    [`a:root:${secret}`, 'none of read, write, metrics, admin'],
    ['a:read:short', 'at least 24'],
    ['a:read:sha256=abc', '64 hexadecimal digits'],
    [`a:read:${secret},a:write:${secret}2`, 'of an earlier one'],
  ])('refuse %s and show nothing of the key', (text, why) => {
    const parsed = parseApiKeys(text);
    if (parsed.ok) throw new Error('it was taken');
    expect(parsed.error).toContain(why);
    expect(parsed.error).not.toContain(secret);
    expect(parsed.error).not.toContain('short');
  });
});
