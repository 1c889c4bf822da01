import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mutate, runMutants, type Mutant } from './lib/mutants.mjs';
import { inRoot } from './lib/paths.mjs';
import { sourceFiles } from './lib/source-files.mjs';

let project: string;

/** A workspace of two libs; the tests of `user` import `adder` by its package name. */
beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'millrace-mutants-test-'));
  const write = (path: string, text: string): void => {
    mkdirSync(join(project, path, '..'), { recursive: true });
    writeFileSync(join(project, path), text);
  };
  write('package.json', '{ "type": "module" }');
  write('libs/adder/package.json', '{ "name": "@millrace/adder", "type": "module", "exports": "./adder.js" }');
  write('libs/adder/adder.js', 'export const add = (a, b) => a + b;\nexport const unused = () => 1;\n');
  write(
    'libs/user/user.test.js',
    `import { expect, it } from 'vitest';
     import { add } from '@millrace/adder';
     it('adds', () => expect(add(2, 3)).toBe(5));`,
  );
  const reporter = inRoot('scripts/vitest/summary-reporter.ts');
  write('vitest.config.js', `export default { test: { reporters: ['default', ${JSON.stringify(reporter)}] } };`);
  mkdirSync(join(project, 'node_modules'));
  symlinkSync(inRoot('node_modules/vitest'), join(project, 'node_modules/vitest'));
});

afterAll(() => {
  rmSync(project, { recursive: true, force: true });
});

const mutant = (name: string, find: string, replace: string) => ({
  name,
  guards: 'I0',
  file: 'libs/adder/adder.js',
  find,
  replace,
  tests: ['user.test'],
});

describe('mutants', () => {
  it('are told apart: noticed by a test of another lib, unnoticed, without their text, without a test that runs', async () => {
    const verdicts = await runMutants(
      project,
      [
        mutant('noticed', 'a + b', 'a - b'),
        mutant('unnoticed', '=> 1', '=> 2'),
        mutant('gone', 'no such text', ''),
        mutant('nonsense', 'a + b', 'a +'),
      ],
      () => undefined,
    );
    expect(verdicts.map(({ name, verdict }) => [name, verdict])).toEqual([
      ['noticed', 'killed'],
      ['unnoticed', 'survived'],
      ['gone', 'stale'],
      ['nonsense', 'broken'],
    ]);
  });

  it('judge nothing while the tests are red without a fault', async () => {
    const red = { ...mutant('noticed', 'a + b', 'a - b'), tests: ['no-such-test'] };
    await expect(runMutants(project, [red], () => undefined)).rejects.toThrow('not green without a fault');
  });

  it('are refused when their text occurs twice', () => {
    expect(mutate('x y x', mutant('twice', 'x', 'z'))).toBeUndefined();
    expect(mutate('x y', mutant('once', 'x', '$& z'))).toBe('$& z y');
  });

  it('of this project still find their text and their tests', () => {
    const mutants = JSON.parse(readFileSync(inRoot('scripts/mutants.json'), 'utf8')) as Mutant[];
    expect(mutants.length).toBeGreaterThan(0);
    const files = sourceFiles();
    const stale = mutants.filter((one) => {
      const isFound = files.includes(one.file) && mutate(readFileSync(inRoot(one.file), 'utf8'), one) !== undefined;
      const isTested = one.tests.every((filter) =>
        files.some((file) => /\.test\.ts$/.test(file) && file.includes(filter)),
      );
      return !isFound || !isTested || one.tests.length === 0;
    });
    expect(stale.map(({ name }) => name)).toEqual([]);
  });
});
