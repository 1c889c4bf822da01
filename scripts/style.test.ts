import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { inRoot } from './lib/paths.mjs';
import { sourceFiles } from './lib/source-files.mjs';

const LINES_MAX = 450;

/** Longer files, each with its reason. */
const LONGER: Readonly<Record<string, string>> = {
  'libs/partition/src/partition-owner.test.ts': 'every behaviour of the owner, a section each, on one stage',
};

const code = sourceFiles().filter((path) => /^(apps|libs|scripts)\/.*\.(ts|mjs|lua)$/.test(path));
const tests = code.filter((path) => path.endsWith('.test.ts'));

const textOf = (path: string): string => readFileSync(inRoot(path), 'utf8');

/** `path:line` of each line that matches. */
function linesMatching(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    textOf(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim()}`] : [])),
  );
}

describe('the style of the sources', () => {
  it('finds the sources that it judges', () => {
    expect(code).toContain('libs/kernel/src/ids.ts');
    expect(tests).toContain('scripts/style.test.ts');
  });

  it(`keeps files within ${LINES_MAX} lines, but for those with a reason`, () => {
    const lines = (path: string): number => textOf(path).split('\n').length - 1;
    expect(code.filter((path) => lines(path) > LINES_MAX && LONGER[path] === undefined)).toEqual([]);
    expect(Object.keys(LONGER).filter((path) => lines(path) <= LINES_MAX)).toEqual([]);
  });

  it('leaves no work for later in a comment', () => {
    const words = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|');
    expect(linesMatching(code, new RegExp(`\\b(${words})\\b`))).toEqual([]);
  });

  it('runs every test that is there', () => {
    expect(linesMatching(tests, /\b(it|test|describe)\.(only|skip|skipIf|runIf|todo|fails)\b/)).toEqual([]);
  });

  it('has something to check in every test file', () => {
    expect(tests.filter((path) => !/\bexpect\b|\bassert\b|[cC]onformance\(/.test(textOf(path)))).toEqual([]);
  });

  it('waits for conditions in tests, and never a fixed time, but for how long a fault lasts end to end', () => {
    const ofLibs = tests.filter((path) => !path.includes('/e2e/'));
    expect(linesMatching(ofLibs, /await (sleep|delay|wait)\(\d/)).toEqual([]);
  });
});
