import { invariant } from '@millrace/kernel';
import { afterEach, beforeEach, describe } from 'vitest';
import { claimSuite } from './claim-suite.ts';
import { clusterSuite } from './cluster-suite.ts';
import { commitSuite } from './commit-suite.ts';
import { readSuite } from './read-suite.ts';
import type { OpenStores, StoresUnderTest } from './stores-under-test.ts';

export { actorKey, APartition, appending, at, commitIdOf, head, nowhere, texts } from './a-partition.ts';
export type { OpenStores, StoresUnderTest } from './stores-under-test.ts';

/** Registers the tests that hold an implementation of the stores' ports to their contracts. */
export function partitionStoreConformance(name: string, open: OpenStores): void {
  describe(`${name} as a partition store`, () => {
    let stores: StoresUnderTest | undefined;
    beforeEach(async () => {
      stores = await open();
    });
    afterEach(async () => {
      await stores?.close();
      stores = undefined;
    });
    const opened = (): StoresUnderTest => {
      invariant(stores !== undefined, 'a store is open while a test runs');
      return stores;
    };
    commitSuite(opened);
    claimSuite(opened);
    readSuite(opened);
    clusterSuite(opened);
  });
}
