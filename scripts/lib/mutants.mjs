import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { run } from './processes.mjs';
import { sourceFiles } from './source-files.mjs';

/**
 * A fault put into the program on purpose, which a test must notice.
 *
 * @typedef {object} Mutant
 * @property {string} name - what is taken away, in a few words
 * @property {string} guards - the invariant that then no longer holds
 * @property {string} file - from the root
 * @property {string} find - a piece of its text that occurs once
 * @property {string} replace
 * @property {string[]} tests - filters for the test runner
 *
 * `killed`: a test went red, as it must. `survived`: none did. `stale`: the text is not there any more, or twice.
 * `broken`: no test ran, so none can have judged it.
 * @typedef {{ name: string, guards: string, verdict: 'killed' | 'survived' | 'stale' | 'broken', detail: string }} Verdict
 */

/**
 * @param {string} text
 * @param {Pick<Mutant, 'find' | 'replace'>} mutant
 * @returns {string | undefined} the faulty text; undefined when `find` does not occur exactly once
 */
export function mutate(text, { find, replace }) {
  const parts = text.split(find);
  return parts.length === 2 ? parts.join(replace) : undefined;
}

/**
 * Copies a project to a temporary folder. The packages of the workspace must be the copies, too, or a test of one lib
 * would import the other, faulty one from the original, where nothing is wrong.
 *
 * @param {string} root
 */
function copyProject(root) {
  const copy = mkdtempSync(join(tmpdir(), 'millrace-mutants-'));
  for (const path of sourceFiles(root)) {
    mkdirSync(join(copy, dirname(path)), { recursive: true });
    cpSync(join(root, path), join(copy, path));
  }
  linkModules(root, copy, 'node_modules');
  for (const folder of ['libs', 'apps']) {
    if (!existsSync(join(root, folder))) continue;
    for (const name of readdirSync(join(root, folder))) {
      const modules = join(folder, name, 'node_modules');
      if (existsSync(join(root, modules))) symlinkSync(join(root, modules), join(copy, modules));
    }
  }
  return copy;
}

/**
 * @param {string} root
 * @param {string} copy
 * @param {string} modules
 */
function linkModules(root, copy, modules) {
  mkdirSync(join(copy, modules, '@millrace'), { recursive: true });
  for (const name of readdirSync(join(root, modules))) {
    // Caches belong to one tree.
    if (name === '@millrace' || name === '.vite' || name === '.cache') continue;
    symlinkSync(join(root, modules, name), join(copy, modules, name));
  }
  for (const folder of ['libs', 'apps']) {
    if (!existsSync(join(copy, folder))) continue;
    for (const directory of readdirSync(join(copy, folder))) {
      const manifest = join(copy, folder, directory, 'package.json');
      if (!existsSync(manifest)) continue;
      const { name } = JSON.parse(readFileSync(manifest, 'utf8'));
      if (!String(name).startsWith('@millrace/')) continue;
      const link = join(copy, modules, name);
      symlinkSync(relative(dirname(link), join(copy, folder, directory)), link);
    }
  }
}

/**
 * @param {string} copy
 * @param {readonly string[]} tests
 * @param {boolean} stopAtFirst
 * @returns {Promise<{ failedTests: number, failed: number, passed: number, output: string }>}
 */
async function runTests(copy, tests, stopAtFirst) {
  const summaryFile = join(copy, '.summary.json');
  rmSync(summaryFile, { force: true });
  const vitest = join(copy, 'node_modules', 'vitest', 'vitest.mjs');
  const { output } = await run(process.execPath, [vitest, 'run', ...(stopAtFirst ? ['--bail=1'] : []), ...tests], {
    cwd: copy,
    capture: true,
    env: { ...process.env, MILLRACE_TEST_SUMMARY: summaryFile, NO_COLOR: '1' },
  });
  if (!existsSync(summaryFile)) return { failedTests: 0, failed: 1, passed: 0, output };
  return { ...JSON.parse(readFileSync(summaryFile, 'utf8')), output };
}

/**
 * Puts one fault at a time into a copy of the project and runs the tests that guard against it.
 *
 * @param {string} root
 * @param {readonly Mutant[]} mutants
 * @param {(line: string) => void} say
 * @returns {Promise<Verdict[]>}
 */
export async function runMutants(root, mutants, say) {
  const copy = copyProject(root);
  try {
    const tests = [...new Set(mutants.flatMap((mutant) => mutant.tests))];
    say(`without a fault: ${tests.join(' ')}`);
    const sound = await runTests(copy, tests, false);
    if (sound.failed > 0 || sound.passed === 0) {
      say(sound.output);
      throw new Error('These tests are not green without a fault, so they cannot judge one.');
    }
    /** @type {Verdict[]} */
    const verdicts = [];
    for (const mutant of mutants) {
      const verdict = await judge(copy, mutant);
      say(`${verdict.verdict.padEnd(8)} ${mutant.name}`);
      verdicts.push(verdict);
    }
    return verdicts;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/**
 * @param {string} copy
 * @param {Mutant} mutant
 * @returns {Promise<Verdict>}
 */
async function judge(copy, mutant) {
  const { name, guards } = mutant;
  const file = join(copy, mutant.file);
  const sound = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const faulty = mutate(sound, mutant);
  if (faulty === undefined) return { name, guards, verdict: 'stale', detail: `not exactly once in ${mutant.file}` };
  writeFileSync(file, faulty);
  try {
    const { failedTests, passed, output } = await runTests(copy, mutant.tests, true);
    if (failedTests > 0) {
      const failure = /FAIL {2}(.*)/.exec(output)?.[1] ?? '';
      return { name, guards, verdict: 'killed', detail: failure.trim() };
    }
    if (passed === 0) return { name, guards, verdict: 'broken', detail: output.trim().split('\n').at(-1) ?? '' };
    return { name, guards, verdict: 'survived', detail: mutant.tests.join(' ') };
  } finally {
    writeFileSync(file, sound);
  }
}
