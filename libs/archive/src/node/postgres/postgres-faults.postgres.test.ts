import { inspect } from 'node:util';
import { testPostgres } from '@millrace/local-postgres/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { append, chunkFrom, conversationId, read, valueOf } from '../../conformance/a-conversation.ts';
import { appendBatches, checkBatches } from '../../testing/steady-appends.ts';
import { PostgresArchive, type PostgresArchiveOptions } from './postgres-archive.ts';
import { query } from './testing/a-schema.ts';

const postgres = testPostgres();
const open: PostgresArchive[] = [];
let number = 0;
let schema: string;

beforeEach(() => {
  number += 1;
  schema = `faults_${String(number)}`;
});
afterEach(async () => {
  for (const archive of open.splice(0)) await archive.close();
});

async function opened(more: Partial<PostgresArchiveOptions> = {}): Promise<PostgresArchive> {
  const archive = valueOf(await PostgresArchive.open({ url: postgres.url, schema, ...more }));
  open.push(archive);
  return archive;
}

const refusal = async (url: string, name = schema) => {
  const outcome = await PostgresArchive.open({ url, schema: name });
  if (outcome.ok) open.push(outcome.value);
  return outcome.ok ? null : outcome.error;
};

describe('a PostgreSQL that is killed', () => {
  it('in the middle of appends has all that was confirmed, and the rest whole or not at all (I8)', async () => {
    const archive = await opened();
    let confirmed = 0;
    let next = 1;
    for (const more of [2, 15, 40]) {
      const reached = confirmed + more;
      let killing: Promise<void> | undefined;
      await appendBatches(archive, next, (batch) => {
        confirmed = batch;
        // The next batch is on its way while all processes go.
        if (batch >= reached) killing ??= postgres.server.kill();
      });
      expect(killing).toBeDefined();
      await killing;
      const down = await archive.extent(conversationId('steady-0'));
      expect(down).toMatchObject({ ok: false, error: { code: 'unavailable', retry: 'backoff' } });
      valueOf(await postgres.server.restart());
      next = await checkBatches(archive, confirmed);
      expect(next).toBeGreaterThan(confirmed);
    }
  });

  it('or started again is found again by the same archive, whose idle sessions had broken', async () => {
    const archive = await opened();
    await append(archive, chunkFrom(1, 1, 5));
    valueOf(await postgres.server.stop());
    valueOf(await postgres.server.restart());
    expect(await append(archive, chunkFrom(1, 6, 9))).toEqual(['stored']);
    expect(await read(archive)).toHaveLength(9);
  });
});

describe('the schema of an archive', () => {
  it('is made once, by whichever of many nodes comes first', async () => {
    const archives = await Promise.all(Array.from({ length: 6 }, () => opened({ limits: { sessionsMax: 1 } })));
    const identities = await Promise.all(archives.map((archive) => archive.identity()));
    expect(new Set(identities.map(valueOf)).size).toBe(1);
    const [first, last] = [archives[0], archives.at(-1)];
    if (first === undefined || last === undefined) throw new Error('six archives are open');
    await append(first, chunkFrom(1, 1, 5));
    expect(await append(last, chunkFrom(1, 6, 9), chunkFrom(1, 1, 5))).toEqual(['stored', 'already']);
  });

  it('of a newer program is refused, and left as it is', async () => {
    await opened();
    await query(postgres.url, `UPDATE ${schema}.archive SET version = 99`);
    expect(await refusal(postgres.url)).toMatchObject({ code: 'too_new' });
    expect(await query(postgres.url, `SELECT version FROM ${schema}.archive`)).toEqual([{ version: 99 }]);
  });

  it('may be used by a user who may create nothing', async () => {
    const archive = await opened();
    await append(archive, chunkFrom(1, 1, 5));
    await query(postgres.url, `CREATE ROLE ${schema} LOGIN PASSWORD 'plain'`);
    await query(postgres.url, `GRANT USAGE ON SCHEMA ${schema} TO ${schema}`);
    await query(postgres.url, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${schema}`);
    const url = postgres.url.replace(/\/\/[^@]+@/, `//${schema}:plain@`);
    expect(await append(await opened({ url }), chunkFrom(1, 6, 9))).toEqual(['stored']);
    expect(await refusal(url, 'another_schema')).toMatchObject({ code: 'denied' });
  });

  it('that is another one behind the same address takes nothing: nodes would not see the same entries', async () => {
    const archive = await opened();
    await append(archive, chunkFrom(1, 1, 5));
    await query(postgres.url, `UPDATE ${schema}.archive SET identity = 'another'`);
    // As a database that was restored, or a failover to the wrong one: sessions break, and the next ones are new.
    valueOf(await postgres.server.restart());
    const outcome = await archive.append([chunkFrom(1, 6, 9)]);
    expect(outcome).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(outcome.ok ? '' : outcome.error.message).toContain('another one');
  });

  it('has a name that needs no quotes', async () => {
    expect(await refusal(postgres.url, 'x; DROP SCHEMA public')).toMatchObject({ code: 'bad_address' });
  });
});

describe('what a PostgreSQL refuses', () => {
  it('is told with what to do, and without the password', async () => {
    const secret = 'hunter2-is-secret';
    const wrong = postgres.url.replace(/:[0-9a-f]{32}@/, `:${secret}@`);
    const nowhere = wrong.replace(/:\d+\//, ':1/');
    const noDatabase = postgres.url.replace(/\/postgres$/, '/nothing');
    const errors = [await refusal(wrong), await refusal(nowhere), await refusal(noDatabase)];
    expect(errors.map((error) => error?.code)).toEqual(['denied', 'unavailable', 'bad_address']);
    for (const error of errors) {
      const shown = inspect(error, { depth: 9 });
      expect(shown).not.toContain(secret);
      expect(shown).not.toMatch(/[0-9a-f]{32}/);
      expect(error?.whatToDo).not.toBe('');
    }
  });

  it('is a server that may lose what it confirmed', async () => {
    await query(postgres.url, 'ALTER SYSTEM SET fsync = off');
    await query(postgres.url, 'SELECT pg_reload_conf()');
    await expect
      .poll(async () => (await query(postgres.url, 'SHOW fsync'))[0]?.['fsync'], { timeout: 10_000 })
      .toBe('off');
    expect(await refusal(postgres.url)).toMatchObject({ code: 'not_durable' });
    await query(postgres.url, 'ALTER SYSTEM RESET fsync');
    await query(postgres.url, 'SELECT pg_reload_conf()');
    await expect
      .poll(async () => (await query(postgres.url, 'SHOW fsync'))[0]?.['fsync'], { timeout: 10_000 })
      .toBe('on');
  });

  it('is not asked for its default, when that confirms before the disk has it', async () => {
    await query(postgres.url, `ALTER ROLE millrace SET synchronous_commit = off`);
    const archive = await opened();
    await query(postgres.url, `CREATE TABLE ${schema}.seen (setting text)`);
    await query(
      postgres.url,
      `CREATE FUNCTION ${schema}.look() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         INSERT INTO ${schema}.seen VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`,
    );
    await query(
      postgres.url,
      `CREATE TRIGGER look AFTER INSERT ON ${schema}.chunk FOR EACH ROW EXECUTE FUNCTION ${schema}.look()`,
    );
    await append(archive, chunkFrom(1, 1, 5));
    expect(await query(postgres.url, `SELECT setting FROM ${schema}.seen`)).toEqual([{ setting: 'on' }]);
    await query(postgres.url, 'ALTER ROLE millrace RESET synchronous_commit');
  });

  it('is more calls than may wait (I9), and a lock that is held for too long', async () => {
    const archive = await opened({ limits: { sessionsMax: 1, waitingMax: 2, answerMsMax: 300 } });
    await append(archive, chunkFrom(1, 1, 5));
    const answers = await Promise.all(Array.from({ length: 6 }, () => archive.extent(conversationId('room'))));
    expect(answers.filter(({ ok }) => ok).length).toBeLessThan(6);
    for (const answer of answers) if (!answer.ok) expect(answer.error.message).toContain('waiting');
    const { Client } = await import('pg');
    const holder = new Client({ connectionString: postgres.url });
    await holder.connect();
    await holder.query(`BEGIN; SELECT * FROM ${schema}.span FOR UPDATE`);
    expect(await archive.append([chunkFrom(1, 6, 9)])).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    await holder.end();
    expect(await append(archive, chunkFrom(1, 6, 9))).toEqual(['stored']);
  });
});
