import { searchConformance } from '../../conformance/search-conformance.ts';
import { sqliteUnderTest } from './testing/a-folder.ts';

searchConformance('SQLite', sqliteUnderTest, 60);
