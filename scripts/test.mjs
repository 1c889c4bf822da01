import './lib/require-node.mjs';

// `npm test`: from a fresh clone to every check, then one plain line. `npm test -- <filter>` runs only those tests.
const { chmodSync, mkdtempSync, readFileSync, rmSync } = await import('node:fs');
const { tmpdir } = await import('node:os');
const { join } = await import('node:path');
const { ensureInstalled } = await import('./lib/install.mjs');
const { ensureBuilt } = await import('./lib/build.mjs');
const { inRoot } = await import('./lib/paths.mjs');
const { endAll, endMarked, run, watchParent } = await import('./lib/processes.mjs');

const filters = process.argv.slice(2);
// Below one directory of this run, so that a test which is killed leaves nothing behind either.
const temporary = mkdtempSync(join(tmpdir(), 'millrace-run-'));
// Others may pass through to what is theirs, and see nothing: PostgreSQL does not run as root.
chmodSync(temporary, 0o711);
const summaryFile = join(temporary, 'summary.json');
const MARK = 'MILLRACE_TEST_RUN';
const env = { ...process.env, TMPDIR: temporary, MILLRACE_TEST_SUMMARY: summaryFile, [MARK]: temporary };
const startedMs = performance.now();
/** @type {string[]} */
const failedStages = [];
let interrupted = false;

const seconds = (/** @type {number} */ sinceMs) => `${((performance.now() - sinceMs) / 1000).toFixed(1)} s`;

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    if (interrupted) return;
    interrupted = true;
    console.log(`\n• ${signal}: ending the tests`);
    void endAll('SIGTERM')
      .then(() => endMarked(MARK, temporary, 0))
      .then(() => {
        rmSync(temporary, { recursive: true, force: true });
        process.exit(130);
      });
  });
}

watchParent(() => process.emit('SIGTERM'));

/**
 * @param {string} name
 * @param {string} command
 * @param {readonly string[]} args
 * @param {{ capture?: boolean }} [options]
 */
async function stage(name, command, args, options = {}) {
  const sinceMs = performance.now();
  console.log(`• ${name} …`);
  const { code, output } = await run(command, args, { ...options, env });
  if (interrupted) return false;
  if (output !== '' && code !== 0) console.log(output);
  console.log(`  ${name}: ${code === 0 ? 'ok' : `FAILED (exit code ${code})`}, ${seconds(sinceMs)}`);
  if (code !== 0) failedStages.push(name);
  return code === 0;
}

/** @param {string} name @param {() => Promise<void>} work */
async function step(name, work) {
  try {
    await work();
  } catch (error) {
    console.log(error instanceof Error ? error.message : error);
    console.log(`  ${name}: FAILED`);
    failedStages.push(name);
  }
}

/** @returns {{ passed: number, failed: number, skipped: number } | undefined} */
function readSummary() {
  try {
    return JSON.parse(readFileSync(summaryFile, 'utf8'));
  } catch {
    return undefined;
  }
}

const node = process.execPath;
const bin = (/** @type {string[]} */ ...parts) => inRoot('node_modules', ...parts);

await step('install', () => ensureInstalled());
if (failedStages.length === 0) {
  await step('build', () => ensureBuilt());
  const needsPostgres = filters.length === 0 || filters.some((filter) => /archive|postgres/.test(filter));
  await stage('servers', node, [inRoot('dist/setup.mjs'), ...(needsPostgres ? ['--postgres'] : [])]);
  if (filters.length === 0) {
    // Two cores: these two side by side, and then the tests alone, for they measure time.
    await Promise.all([
      stage('typecheck', node, [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json'], { capture: true }),
      stage('lint', node, [inRoot('scripts/lint.mjs')], { capture: true }),
    ]);
  }
  if (!interrupted) await stage('tests', node, [bin('vitest', 'vitest.mjs'), 'run', ...filters]);
}

if (!interrupted) {
  await endAll();
  const left = await endMarked(MARK, temporary);
  for (const { pid, command } of left) console.log(`  left behind by a test, now ended: ${pid} ${command}`);
  if (left.length > 0) failedStages.push('processes left behind');

  const summary = readSummary() ?? { passed: 0, failed: 0, skipped: 0 };
  // The tests' own failures are counted one by one; every other stage that failed is one more.
  const otherFailures = failedStages.filter((name) => name !== 'tests' || summary.failed === 0);
  const failed = summary.failed + otherFailures.length;
  rmSync(temporary, { recursive: true, force: true });
  console.log(
    `\n${failedStages.length === 0 ? 'all stages passed' : `failed: ${failedStages.join(', ')}`}, ${seconds(startedMs)}`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
  console.log(`${summary.passed} passed, ${failed} failed, ${summary.skipped} skipped`);
}
