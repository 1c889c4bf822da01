import { testPostgres } from '@millrace/local-postgres/testing';
import { Client } from 'pg';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { append, chunkFrom, conversationId, read, room, span, valueOf } from '../../conformance/a-conversation.ts';
import { PostgresArchive } from './postgres-archive.ts';
import { BEGIN_LOCK } from './schema.ts';
import { query } from './testing/a-schema.ts';

const postgres = testPostgres();
let number = 0;
let schema: string;

beforeEach(() => {
  number += 1;
  schema = `races_${String(number)}`;
});

async function opened(): Promise<PostgresArchive> {
  const archive = valueOf(await PostgresArchive.open({ url: postgres.url, schema }));
  onTestFinished(() => archive.close());
  return archive;
}

/**
 * Holds transactions up in their middle, where they change the chunks.
 *
 * @param when - which change: of a row (`NEW`), or any.
 */
async function gate(event: 'INSERT' | 'DELETE', when: string | null) {
  const holder = new Client({ connectionString: postgres.url });
  await holder.connect();
  onTestFinished(() => holder.end());
  await holder.query('SELECT pg_advisory_lock(77)');
  await holder.query(
    `CREATE FUNCTION ${schema}.held_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       PERFORM pg_advisory_xact_lock_shared(77); RETURN NULL; END $$`,
  );
  const each = when === null ? 'FOR EACH STATEMENT' : `FOR EACH ROW WHEN (${when})`;
  await holder.query(
    `CREATE TRIGGER held_up AFTER ${event} ON ${schema}.chunk ${each} EXECUTE FUNCTION ${schema}.held_up()`,
  );
  const waiting = async (): Promise<number> => {
    const text = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'millrace-archive' AND wait_event_type = 'Lock'`;
    return (await query(postgres.url, text)).length;
  };
  return {
    /** So many wait: there, or for whoever does. */
    reached: (count: number) => expect.poll(waiting, { timeout: 10_000 }).toBe(count),
    open: () => holder.query('SELECT pg_advisory_unlock(77)'),
  };
}

describe('a conversation of which nothing is archived', () => {
  it('is begun by one at a time: an older generation does not come behind a later one, nor beside it', async () => {
    const archive = await opened();
    const at = await gate('INSERT', 'NEW.gen = 2');
    const newer = append(archive, chunkFrom(2, 6, 9));
    await at.reached(1);
    const other = await opened();
    const older = append(other, chunkFrom(1, 1, 5), chunkFrom(1, 1, 5, conversationId('free')));
    await at.reached(2);
    await at.open();
    expect(await newer).toEqual(['stored']);
    expect(await older).toEqual(['conflict', 'stored']);
    expect(valueOf(await archive.extent(room))).toEqual([span(2, 6, 9)]);
  });

  it('is begun and dropped one after the other, and can be begun again', async () => {
    const archive = await opened();
    const at = await gate('DELETE', null);
    const dropped = archive.drop(room);
    await at.reached(1);
    const begun = append(archive, chunkFrom(1, 1, 5));
    await at.reached(2);
    await at.open();
    valueOf(await dropped);
    expect(await begun).toEqual(['stored']);
    expect(await append(archive, chunkFrom(1, 1, 5), chunkFrom(1, 6, 9))).toEqual(['already', 'stored']);
    expect(await read(archive)).toHaveLength(9);
  });

  it('is begun together with others in one order, whatever order they come in: nobody waits for each other', async () => {
    const archive = await opened();
    const holder = new Client({ connectionString: postgres.url });
    await holder.connect();
    onTestFinished(() => holder.end());
    const rooms = Array.from({ length: 10 }, (_, index) => conversationId(`room-${String(index)}`));
    const chunks = rooms.map((conversation) => chunkFrom(1, 1, 5, conversation));
    const least = `SELECT min(hashtext('${schema} ' || name)) FROM unnest($1::text[]) AS name`;
    await holder.query('BEGIN');
    await holder.query(`SELECT pg_advisory_xact_lock(${String(BEGIN_LOCK)}, (${least}))`, [rooms]);
    const calls = [append(archive, ...chunks), append(archive, ...chunks.toReversed())];
    const held = `SELECT granted FROM pg_locks WHERE locktype = 'advisory' AND classid = ${String(BEGIN_LOCK)}`;
    await expect.poll(async () => (await query(postgres.url, `${held} AND NOT granted`)).length).toBe(2);
    // The holder's alone: whoever waits for the first one has none of the others.
    expect(await query(postgres.url, `${held} AND granted`)).toHaveLength(1);
    await holder.query('ROLLBACK');
    expect((await Promise.all(calls)).map((verdicts) => new Set(verdicts).size)).toEqual([1, 1]);
  });
});
