import Database from 'libsql';
import type { Question } from './search-questions.ts';

const ROWS_PER_TRANSACTION = 500;
const HITS = 50;

/**
 * The floor of a search: FTS5 of the index's own library, alone: one insert a message into a plain table of its own tokens, and the
 * last 50 matches of everybody, on the thread that asks. It has no scope, no sender, no total and no text, and gives up
 * what is written without spaces.
 */
export class SearchFloor {
  readonly #database: InstanceType<typeof Database>;
  readonly #insert: ReturnType<InstanceType<typeof Database>['prepare']>;
  readonly #select: ReturnType<InstanceType<typeof Database>['prepare']>;
  #rows = 0;

  constructor(path: string) {
    this.#database = new Database(path);
    this.#database.pragma('journal_mode = WAL');
    this.#database.exec('PRAGMA synchronous = NORMAL');
    this.#database.exec("CREATE VIRTUAL TABLE floor USING fts5 (text, content = '', contentless_delete = 1)");
    this.#insert = this.#database.prepare('INSERT INTO floor (rowid, text) VALUES (?, ?)');
    this.#select = this.#database.prepare(
      `SELECT rowid FROM floor WHERE floor MATCH ? ORDER BY rowid DESC LIMIT ${String(HITS)}`,
    );
  }

  add(texts: readonly string[]): void {
    for (let from = 0; from < texts.length; from += ROWS_PER_TRANSACTION) {
      this.#database.exec('BEGIN');
      for (const text of texts.slice(from, from + ROWS_PER_TRANSACTION)) {
        this.#rows += 1;
        this.#insert.run([this.#rows, text]);
      }
      this.#database.exec('COMMIT');
    }
  }

  /** @returns how many it found. */
  ask({ text, prefix }: Question): number {
    const words = text.split(' ').map((word) => `"${word}"`);
    return this.#select.all(words.join(' ') + (prefix ? ' *' : '')).length;
  }

  close(): void {
    this.#database.close();
  }
}
