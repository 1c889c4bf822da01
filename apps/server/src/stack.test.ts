import { describe, expect, it } from 'vitest';
import { StartedStack } from './stack.ts';

describe('what was started', () => {
  it('ends in the opposite order, once, and also after one that fails to end', async () => {
    const ended: string[] = [];
    const failed: string[] = [];
    const stack = new StartedStack((what, error) => failed.push(`${what}: ${String(error)}`));
    for (const what of ['http', 'redis', 'node']) {
      stack.push(what, () => {
        ended.push(what);
        return what === 'redis' ? Promise.reject(new Error('it hangs')) : Promise.resolve();
      });
    }
    expect(stack.isUnwinding).toBe(false);
    expect(await Promise.all([stack.unwind(), stack.unwind()])).toEqual([false, false]);
    expect(ended).toEqual(['node', 'redis', 'http']);
    expect(failed).toEqual(['redis: Error: it hangs']);
    expect(stack.isUnwinding).toBe(true);
  });

  it('tells when everything ended as it should', async () => {
    const stack = new StartedStack(() => undefined);
    stack.push('http', () => Promise.resolve());
    expect(await stack.unwind()).toBe(true);
  });
});
