export type { IndexUnderTest, OpenIndex } from './index-under-test.ts';
export { searchConformance } from './search-conformance.ts';
