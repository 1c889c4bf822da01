import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** What one run came to. */
export interface TestSummary {
  readonly passed: number;
  /** Tests that failed, files that could not be loaded, hooks that threw, and errors outside of any test. */
  readonly failed: number;
  readonly skipped: number;
  /** The tests alone among the failures. */
  readonly failedTests: number;
}

export function summarise(modules: readonly TestModule[], errorsOutsideTests: number): TestSummary {
  let passed = 0;
  let failed = errorsOutsideTests;
  let skipped = 0;
  let failedTests = 0;
  for (const module of modules) {
    // Of the module itself and of its `describe`s: an import that throws, a hook that fails.
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'failed') failedTests += 1;
      else skipped += 1;
    }
  }
  return { passed, failed: failed + failedTests, skipped, failedTests };
}

/**
 * Hands the counts to the script that runs the tests, which prints them as the last line of everything: by a file,
 * for what follows on the terminal is not ours to order.
 */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const file = process.env['MILLRACE_TEST_SUMMARY'];
    if (file !== undefined) writeFileSync(file, JSON.stringify(summarise(modules, unhandledErrors.length)));
  }
}
