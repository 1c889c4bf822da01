import { writeFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';

/** What one run came to. A file that could not be loaded and an error outside of any test are failures, too. */
export interface TestSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export function summarise(modules: readonly TestModule[], errorsOutsideTests: number): TestSummary {
  let passed = 0;
  let failed = errorsOutsideTests;
  let skipped = 0;
  for (const module of modules) {
    // Of the module itself and of its `describe`s: an import that throws, a hook that fails.
    failed += module.errors().length;
    for (const suite of module.children.allSuites()) failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') passed += 1;
      else if (state === 'failed') failed += 1;
      else skipped += 1;
    }
  }
  return { passed, failed, skipped };
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
