import { invariant } from '@millrace/kernel';
import { afterEach, beforeEach, describe } from 'vitest';
import { appendSuite } from './append-suite.ts';
import type { ArchiveUnderTest, OpenArchive, OpenDamageableArchive } from './archive-under-test.ts';
import { chainSuite } from './chain-suite.ts';
import { damageSuite } from './damage-suite.ts';
import { eraseSuite } from './erase-suite.ts';
import { propertySuite } from './property-suite.ts';
import { readSuite } from './read-suite.ts';
import { trimSuite } from './trim-suite.ts';

/** Opens what a test needs before it, and closes it behind it. */
function eachTest<T extends ArchiveUnderTest>(open: () => Promise<T>): () => T {
  let current: T | undefined;
  beforeEach(async () => {
    current = await open();
  });
  afterEach(async () => {
    await current?.close();
    current = undefined;
  });
  return () => {
    invariant(current !== undefined, 'an archive is open while a test runs');
    return current;
  };
}

/**
 * Registers the tests that hold an implementation of the archive's port to its contract.
 *
 * @param runs - how many random histories are compared with the model.
 */
export function archiveConformance(name: string, open: OpenArchive, runs = 60): void {
  describe(`${name} as an archive`, () => {
    const opened = eachTest(open);
    appendSuite(opened);
    readSuite(opened);
    eraseSuite(opened);
    trimSuite(opened);
    chainSuite(opened);
    propertySuite(opened, runs);
  });
}

/** The tests of what an archive does when somebody changed what it stores. */
export function archiveDamageConformance(name: string, open: OpenDamageableArchive): void {
  describe(`${name} as an archive that is damaged`, () => {
    damageSuite(eachTest(open));
  });
}
