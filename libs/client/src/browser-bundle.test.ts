import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** Far above what it is today: a dependency that comes in by accident is larger than that. */
const GZIP_BYTES_MAX = 40_000;

test('the main entry bundles for a browser, without anything of Node', async () => {
  const { outputFiles, metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'index.ts')],
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
    logLevel: 'silent',
  });
  const [output] = outputFiles;
  const text = output?.text ?? '';
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => path.includes('/node_modules/') && !path.includes('@millrace/'))).toEqual([]);
  expect(inputs.some((path) => path.includes('/src/node/'))).toBe(false);
  expect(text).not.toMatch(/["'`]node:|\bBuffer\b|\brequire\(|\bprocess\./);
  const gzipBytes = gzipSync(text).length;
  console.info(`@millrace/client for browsers: ${String(text.length)} bytes, ${String(gzipBytes)} gzipped`);
  expect(gzipBytes).toBeLessThan(GZIP_BYTES_MAX);
});
