import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fileStorage } from './file-storage.ts';

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'millrace-client-'));
  path = join(directory, 'device');
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

const entries = (values: Record<string, string | null>): ReadonlyMap<string, string | null> =>
  new Map(Object.entries(values));

async function kept(): Promise<Record<string, string>> {
  const storage = fileStorage(path);
  const all = Object.fromEntries(await storage.load());
  await storage.close?.();
  return all;
}

/** A file of two sets: the first one is `size` bytes. */
async function twoLines(): Promise<{ readonly size: number; readonly bytes: Buffer }> {
  const storage = fileStorage(path);
  await storage.set(entries({ a: '1' }));
  const { size } = statSync(path);
  await storage.set(entries({ b: '2' }));
  await storage.close?.();
  return { size, bytes: readFileSync(path) };
}

test('what was set is there after it was opened again, and what was deleted is not', async () => {
  const storage = fileStorage(path);
  expect(await storage.load()).toEqual(new Map());
  await storage.set(entries({ a: '1', b: 'ü\n"', c: '3' }));
  await storage.set(entries({ a: '2', c: null }));
  await storage.close?.();
  expect(await kept()).toEqual({ a: '2', b: 'ü\n"' });
});

test('wherever the file was torn, what is left is a state that was set, whole', async () => {
  const storage = fileStorage(path);
  const states: Record<string, string>[] = [{}];
  for (let count = 1; count <= 5; count += 1) {
    await storage.set(entries({ count: String(count), [`key${String(count)}`]: 'x'.repeat(count * 7) }));
    states.push({ ...states.at(-1), count: String(count), [`key${String(count)}`]: 'x'.repeat(count * 7) });
  }
  await storage.close?.();
  const bytes = readFileSync(path);
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: bytes.length }), fc.boolean(), async (length, zeros) => {
      // A power cut can leave the length of the file behind without its bytes.
      writeFileSync(
        path,
        zeros ? Buffer.concat([bytes.subarray(0, length), Buffer.alloc(9)]) : bytes.subarray(0, length),
      );
      const found = await kept();
      expect(states).toContainEqual(found);
      const again = fileStorage(path);
      await again.set(entries({ after: 'yes' }));
      await again.close?.();
      expect(await kept()).toEqual({ ...found, after: 'yes' });
    }),
    { numRuns: 150 },
  );
});

test('who only loads changes nothing, as the torn line may be one that is being written', async () => {
  const { size, bytes } = await twoLines();
  for (let length = size; length < bytes.length; length += 1) {
    const torn = bytes.subarray(0, length);
    writeFileSync(path, torn);
    expect(await kept()).toEqual({ a: '1' });
    expect(readFileSync(path)).toEqual(torn);
  }
});

test('damage before the last line is an error, not an older state', async () => {
  const { size, bytes } = await twoLines();
  bytes[size - 4] = 0x20;
  writeFileSync(path, bytes);
  await expect(fileStorage(path).load()).rejects.toThrow('line 1 is damaged');
});

test('the log is written anew when it has grown too long, and holds the same', async () => {
  const storage = fileStorage(path);
  const big = 'x'.repeat(100_000);
  for (let count = 0; count < 40; count += 1) await storage.set(entries({ big, count: String(count) }));
  expect(statSync(path).size).toBeLessThan(2_000_000);
  await storage.set(entries({ last: 'yes' }));
  await storage.close?.();
  expect(await kept()).toEqual({ big, count: '39', last: 'yes' });
});

test('kill -9 at any moment loses nothing that was acknowledged, also amid a rewrite of the log', async () => {
  const script = join(directory, 'writer.mjs');
  await build({
    stdin: {
      contents: `import { fileStorage } from './file-storage.ts';
        const storage = fileStorage(process.argv[2]);
        let count = Number((await storage.load()).get('count') ?? 0);
        for (;;) {
          count += 1;
          await storage.set(new Map([['count', String(count)], ['twin', String(count)], ['big', 'x'.repeat(200000)]]));
          process.stdout.write(count + '\\n');
        }`,
      resolveDir: import.meta.dirname,
    },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: script,
  });
  let acknowledged = 0;
  for (let round = 0; round < 6; round += 1) {
    const child = spawn(process.execPath, [script, path], { stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    const exited = once(child, 'exit');
    for await (const chunk of child.stdout) {
      output += String(chunk);
      // Somewhere within the next few sets, one of which rewrites the log.
      if (output.split('\n').length > 3 + round * 3) child.kill('SIGKILL');
    }
    await exited;
    acknowledged = Math.max(acknowledged, ...output.split('\n').slice(0, -1).map(Number));
    const found = await kept();
    expect(found['count'], 'a set is there whole').toBe(found['twin']);
    expect(Number(found['count'])).toBeGreaterThanOrEqual(acknowledged);
  }
}, 60_000);
