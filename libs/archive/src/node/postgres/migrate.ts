import type { ClientBase } from 'pg';
import { err, ok, type Result } from '@millrace/kernel';
import type { ArchiveOpenError } from '../../archive-errors.ts';
import { MIGRATION_LOCK, migrationsOf } from './schema.ts';

interface Found {
  readonly identity: string;
  readonly version: number;
}

async function recordIn(client: ClientBase, schema: string): Promise<Found | null> {
  const { rows: tables } = await client.query<{ there: string | null }>('SELECT to_regclass($1)::text AS there', [
    `${schema}.archive`,
  ]);
  if ((tables[0]?.there ?? null) === null) return null;
  const { rows } = await client.query<Found>(`SELECT identity, version FROM ${schema}.archive`);
  return rows[0] ?? null;
}

/**
 * Brings the schema of an archive up to date, and makes it when it is missing. Any number of nodes may do so at once: one
 * does it, and the others wait for it and find it done. It takes no right to create anything when nothing is to be done.
 *
 * @param newIdentity - of the archive, when it is made now.
 * @returns the identity of the archive.
 */
export async function migrate(
  client: ClientBase,
  schema: string,
  newIdentity: string,
  shown: string,
): Promise<Result<string, ArchiveOpenError>> {
  const migrations = migrationsOf(schema);
  const before = await recordIn(client, schema);
  if (before?.version === migrations.length) return ok(before.identity);
  await client.query('BEGIN');
  try {
    // Until the end of the transaction, and of the session should it break.
    await client.query('SELECT pg_advisory_xact_lock($1, $2)', [...MIGRATION_LOCK]);
    await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
    await client.query(
      `CREATE TABLE IF NOT EXISTS ${schema}.archive (
         only_row boolean PRIMARY KEY CHECK (only_row),
         identity text NOT NULL,
         version integer NOT NULL
       )`,
    );
    await client.query(`INSERT INTO ${schema}.archive VALUES (true, $1, 0) ON CONFLICT DO NOTHING`, [newIdentity]);
    const found = await recordIn(client, schema);
    const version = found?.version ?? 0;
    if (version > migrations.length) {
      await client.query('ROLLBACK');
      return err({
        code: 'too_new',
        message: `The archive at ${shown} has layout ${String(version)}; this program knows up to ${String(migrations.length)}.`,
        whatToDo: 'Start the newer version of Millrace that wrote it; nothing in it was changed.',
      });
    }
    for (const statements of migrations.slice(version)) await client.query(statements);
    await client.query(`UPDATE ${schema}.archive SET version = $1`, [migrations.length]);
    await client.query('COMMIT');
    return ok(found?.identity ?? newIdentity);
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  }
}
