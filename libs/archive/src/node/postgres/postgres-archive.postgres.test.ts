import { testPostgres } from '@millrace/local-postgres/testing';
import { archiveConformance, archiveDamageConformance } from '../../conformance/archive-conformance.ts';
import { postgresUnderTest } from './testing/a-schema.ts';

const postgres = testPostgres();

archiveConformance('PostgreSQL', () => postgresUnderTest(postgres), 40);
archiveDamageConformance('PostgreSQL', () => postgresUnderTest(postgres));
