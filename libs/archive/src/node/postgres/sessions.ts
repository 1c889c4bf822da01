import { Pool, type ClientBase, type PoolClient } from 'pg';
import { err, ok, type Result } from '@millrace/kernel';
import { unavailable, type ArchiveOpenError, type ArchiveUnavailable } from '../../archive-errors.ts';
import { migrate } from './migrate.ts';
import type { PostgresAddress } from './postgres-address.ts';
import {
  LostRace,
  OtherArchive,
  codeOf,
  isConnectionLost,
  isRace,
  openErrorOf,
  unavailableOf,
} from './postgres-errors.ts';
import type { Statements } from './statements.ts';

export interface PostgresLimits {
  /** Sessions open at once, of this process. */
  readonly sessionsMax: number;
  /** Calls that wait for a session; one more is `unavailable` at once. */
  readonly waitingMax: number;
  /** For a session to be had, a new one or one that others let go of. */
  readonly connectMsMax: number;
  /** For one statement, at the server and here; also for a lock that it waits for. */
  readonly answerMsMax: number;
  /** How long a session stays open unused. */
  readonly idleMs: number;
}

export const defaultPostgresLimits: PostgresLimits = {
  sessionsMax: 8,
  waitingMax: 1_000,
  connectMsMax: 5_000,
  answerMsMax: 15_000,
  idleMs: 60_000,
};

/** The client gives up a little later than the server, which then tells why. */
const GRACE_MS = 1_000;
/** Appends of one generation that begin at the same moment follow one another after at most so many tries. */
const RACE_TRIES_MAX = 10;

/** What may be done when a session breaks in the middle, so that it is not known what became of the call. */
export type AfterLoss = 'again' | 'give up';

/** One statement on a session: the rows of its answer. */
export type Ask = (
  statement: { readonly name: string; readonly text: string },
  values?: readonly unknown[],
) => Promise<readonly Readonly<Record<string, unknown>>[]>;

/**
 * The sessions of one archive: a bounded pool, each of them looked at before its first use.
 *
 * (S1) A session serves only the archive that was opened: behind the same address another database may answer one day.
 * (S2) A commit that a session answers is on the server's disk.
 * (S3) A session on which a statement failed in an unknown state is closed, not used again.
 */
export class Sessions {
  readonly #pool: Pool;
  readonly #address: PostgresAddress;
  readonly #limits: PostgresLimits;
  readonly #statements: Statements;
  readonly #looked = new WeakSet<ClientBase>();
  #identity: string | null = null;
  #isClosed = false;

  constructor(address: PostgresAddress, limits: PostgresLimits, statements: Statements) {
    this.#address = address;
    this.#limits = limits;
    this.#statements = statements;
    this.#pool = new Pool({
      host: address.host,
      port: address.port,
      database: address.database,
      user: address.user,
      // A function keeps the library from looking for a password in the environment or in a file.
      password: () => address.password,
      ssl: address.ssl,
      max: limits.sessionsMax,
      idleTimeoutMillis: limits.idleMs,
      connectionTimeoutMillis: limits.connectMsMax,
      statement_timeout: limits.answerMsMax,
      lock_timeout: limits.answerMsMax,
      query_timeout: limits.answerMsMax + GRACE_MS,
      idle_in_transaction_session_timeout: limits.answerMsMax + GRACE_MS,
      application_name: 'millrace-archive',
      keepAlive: true,
      allowExitOnIdle: true,
    });
    // An idle session that breaks leaves the pool by itself; without a listener it would end the process.
    this.#pool.on('error', () => undefined);
  }

  get pending(): number {
    return this.#pool.waitingCount + this.#pool.totalCount - this.#pool.idleCount;
  }

  /** Connects, makes or migrates the schema, and refuses a server that may lose what it confirmed. */
  async open(schema: string, newIdentity: string): Promise<Result<void, ArchiveOpenError>> {
    const { shown, password } = this.#address;
    try {
      return await this.#withSession(async (client) => {
        const migrated = await migrate(client, schema, newIdentity, shown);
        if (!migrated.ok) return migrated;
        const { rows } = await client.query<{ fsync: string }>(`SELECT current_setting('fsync') AS fsync`);
        if (rows[0]?.fsync !== 'on') return err(notDurable(shown));
        this.#identity = migrated.value;
        return ok(undefined);
      });
    } catch (error) {
      return err(openErrorOf(shown, password, error));
    }
  }

  /** Runs `work` on a session, again on another one when the first was lost and `afterLoss` says so. */
  async run<T>(afterLoss: AfterLoss, work: (ask: Ask) => Promise<T>): Promise<Result<T, ArchiveUnavailable>> {
    const { shown, password } = this.#address;
    if (this.#isClosed) return err(unavailable(`The archive at ${shown} was closed.`, 'Open it again.'));
    if (this.#pool.waitingCount >= this.#limits.waitingMax) {
      const message = `The archive at ${shown} has ${String(this.#pool.waitingCount)} calls waiting.`;
      return err(unavailable(message, 'Try again a little later, with fewer calls at once.'));
    }
    for (let races = 0, losses = 0; ;) {
      try {
        return ok(await this.#once(work));
      } catch (error) {
        if (isRace(error) && races < RACE_TRIES_MAX) races += 1;
        // A session that was idle while the server was started again: the next one is new.
        else if (isConnectionLost(error) && afterLoss === 'again' && losses === 0) losses += 1;
        else return err(unavailableOf(shown, password, error));
      }
    }
  }

  /** As {@link run}, in one transaction; `work` throws to take everything back. */
  transaction<T>(afterLoss: AfterLoss, work: (ask: Ask) => Promise<T>): Promise<Result<T, ArchiveUnavailable>> {
    return this.run(afterLoss, async (ask) => {
      // Whatever the server's default is: what is read behind a lock is what is there by then.
      await ask({ name: '', text: 'BEGIN ISOLATION LEVEL READ COMMITTED' });
      try {
        const value = await work(ask);
        await ask({ name: '', text: 'COMMIT' });
        return value;
      } catch (error) {
        // Of a session that is gone, the server takes everything back by itself.
        await ask({ name: '', text: 'ROLLBACK' }).catch(() => undefined);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#pool.end();
  }

  #once<T>(work: (ask: Ask) => Promise<T>): Promise<T> {
    return this.#withSession(async (client) => {
      const ask: Ask = async ({ name, text }, values) => {
        const query = name === '' ? { text } : { name, text, values: values === undefined ? [] : [...values] };
        return (await client.query<Record<string, unknown>>(query)).rows;
      };
      await this.#look(client, ask);
      return work(ask);
    });
  }

  async #withSession<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#pool.connect();
    let isUsable = true;
    // A session that breaks while it is used says so here as well; without a listener it would end the process.
    const broken = (): void => {
      isUsable = false;
    };
    client.on('error', broken);
    try {
      return await work(client);
    } catch (error) {
      // An error that the server answered leaves the session as it was; anything else does not.
      const isAnswer = error instanceof LostRace || /^[0-9A-Z]{5}$/.test(codeOf(error));
      if (!isAnswer || isConnectionLost(error)) isUsable = false;
      throw error;
    } finally {
      client.off('error', broken);
      client.release(!isUsable);
    }
  }

  async #look(client: PoolClient, ask: Ask): Promise<void> {
    if (this.#looked.has(client)) return;
    const [row] = await ask(this.#statements.session);
    if (row?.['identity'] !== this.#identity) throw new OtherArchive();
    this.#looked.add(client);
  }
}

function notDurable(shown: string): ArchiveOpenError {
  return {
    code: 'not_durable',
    message: `The PostgreSQL at ${shown} runs with fsync = off: a power loss takes what it confirmed.`,
    whatToDo: 'Set fsync = on. What is archived is trimmed from Redis, and is nowhere else.',
  };
}
