import { archiveConformance, archiveDamageConformance } from '../../conformance/archive-conformance.ts';
import { sqliteUnderTest } from './testing/a-file.ts';

archiveConformance('SQLite', sqliteUnderTest, 40);
archiveDamageConformance('SQLite', sqliteUnderTest);
