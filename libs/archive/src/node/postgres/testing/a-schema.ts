import { Client } from 'pg';
import type { TestPostgres } from '@millrace/local-postgres/testing';
import { valueOf } from '../../../conformance/a-conversation.ts';
import type { DamageableArchive } from '../../../conformance/archive-under-test.ts';
import { damagedBytes } from '../../testing/damaged-bytes.ts';
import { PostgresArchive } from '../postgres-archive.ts';

/** One statement past the code under test. */
export async function query(
  url: string,
  text: string,
  values: readonly unknown[] = [],
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text, [...values])).rows;
  } finally {
    await client.end();
  }
}

let opened = 0;

/** An archive in a schema of its own, which goes with it. */
export async function postgresUnderTest(postgres: TestPostgres): Promise<DamageableArchive> {
  opened += 1;
  const schema = `archive_${String(opened)}`;
  const { url } = postgres;
  let archive = valueOf(await PostgresArchive.open({ url, schema }));
  return {
    get archive() {
      return archive;
    },
    async reopen() {
      await archive.close();
      archive = valueOf(await PostgresArchive.open({ url, schema }));
      return archive;
    },
    async close() {
      await archive.close();
      await query(url, `DROP SCHEMA ${schema} CASCADE`);
    },
    async damage({ conversation, gen, first }, damage) {
      const place = 'WHERE conversation = $1 AND gen = $2 AND first = $3';
      const key = [conversation, gen, first];
      const [row] = await query(url, `SELECT bytes FROM ${schema}.chunk ${place}`, key);
      if (!(row?.['bytes'] instanceof Uint8Array)) throw new Error('there is no such chunk to damage');
      const bytes = damagedBytes({ conversation, gen, first }, row['bytes'], damage);
      if (bytes === null) await query(url, `DELETE FROM ${schema}.chunk ${place}`, key);
      else await query(url, `UPDATE ${schema}.chunk SET bytes = $4 ${place}`, [...key, Buffer.from(bytes)]);
    },
    async storedBytes() {
      const rows = await query(url, `SELECT bytes FROM ${schema}.chunk`);
      return Buffer.concat(rows.map(({ bytes }) => (bytes instanceof Uint8Array ? bytes : new Uint8Array())));
    },
  };
}
