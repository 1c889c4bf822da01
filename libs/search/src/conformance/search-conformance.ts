import { invariant } from '@millrace/kernel';
import { afterEach, beforeEach, describe } from 'vitest';
import type { IndexUnderTest, OpenIndex } from './index-under-test.ts';
import { applySuite } from './apply-suite.ts';
import { eraseSuite } from './erase-suite.ts';
import { pageSuite } from './page-suite.ts';
import { propertySuite } from './property-suite.ts';
import { scopeSuite } from './scope-suite.ts';
import { textSuite } from './text-suite.ts';

/**
 * Registers the tests that hold an implementation of the search port to its contract.
 *
 * @param runs - how many random corpora are compared with the model.
 */
export function searchConformance(name: string, open: OpenIndex, runs = 40): void {
  describe(`${name} as a search index`, () => {
    let current: IndexUnderTest | undefined;
    beforeEach(async () => {
      current = await open();
    });
    afterEach(async () => {
      await current?.close();
      current = undefined;
    });
    const opened = (): IndexUnderTest => {
      invariant(current !== undefined, 'an index is open while a test runs');
      return current;
    };
    applySuite(opened);
    textSuite(opened);
    scopeSuite(opened);
    pageSuite(opened);
    eraseSuite(opened);
    propertySuite(opened, runs);
  });
}
