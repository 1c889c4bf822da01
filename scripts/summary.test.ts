import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { inRoot } from './lib/paths.mjs';
import { run } from './lib/processes.mjs';

let project: string;

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'millrace-summary-test-'));
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(inRoot('node_modules/vitest'), join(project, 'node_modules/vitest'));
  const reporter = JSON.stringify(inRoot('scripts/vitest/summary-reporter.ts'));
  writeFileSync(join(project, 'vitest.config.js'), `export default { test: { reporters: [${reporter}] } };`);
  const write = (name: string, lines: readonly string[]): void => {
    const head = "import { beforeAll, describe, expect, it } from 'vitest';";
    writeFileSync(join(project, `${name}.test.js`), [head, ...lines].join('\n'));
  };
  write('mixed', [
    "it('is right', () => expect(1).toBe(1));",
    "describe('inner', () => { it('is right, too', () => expect(1).toBe(1)); });",
    "it('is wrong', () => expect(1).toBe(2));",
    "it['skip']('is left out', () => undefined);",
  ]);
  write('unloadable', ["throw new Error('no');"]);
  write('hook', [
    "describe('suite', () => { beforeAll(() => { throw new Error('no'); }); it('waits', () => undefined); });",
  ]);
  write('stray', ["it('leaves a rejection behind', () => { void Promise.reject(new Error('no')); });"]);
});

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

async function summaryOf(...filters: string[]): Promise<unknown> {
  const file = join(project, `summary-${filters.join('-')}.json`);
  const vitest = join(project, 'node_modules/vitest/vitest.mjs');
  const env = { ...process.env, MILLRACE_TEST_SUMMARY: file };
  await run(process.execPath, [vitest, 'run', ...filters], { cwd: project, capture: true, env });
  return JSON.parse(readFileSync(file, 'utf8'));
}

it('counts what passed, failed and was skipped, at every depth', async () => {
  expect(await summaryOf('mixed')).toEqual({ passed: 2, failed: 1, skipped: 1, failedTests: 1 });
});

it('counts a file that cannot be loaded and a hook that throws as failures', async () => {
  expect(await summaryOf('unloadable')).toEqual({ passed: 0, failed: 1, skipped: 0, failedTests: 0 });
  expect(await summaryOf('hook')).toMatchObject({ passed: 0, failed: 1, failedTests: 0 });
});

it('counts an error outside of any test as a failure', async () => {
  expect(await summaryOf('stray')).toMatchObject({ passed: 1, failed: 1, failedTests: 0 });
});
