import type { ConversationId, UserId } from '@millrace/kernel';
import { encodeEntry } from '@millrace/protocol';
import Database from 'libsql';
import type { AskedPage, ExpectedMessages } from './expected-history.ts';
import type { Readable } from './page-plan.ts';

/** Of a control entry, about. */
const CONTROL = new Uint8Array(60);
const ROWS_PER_TRANSACTION = 1_000;

/**
 * The floor of a page: the archive library's own range read, by one prepared SELECT on this thread, out of a table with a
 * row for each entry. It compresses nothing, checks nothing, and waits for no other thread, process or socket.
 */
export class FloorTable {
  readonly #database: InstanceType<typeof Database>;
  readonly #select: ReturnType<InstanceType<typeof Database>['prepare']>;

  private constructor(database: InstanceType<typeof Database>) {
    this.#database = database;
    this.#select = this.#database.prepare(
      'SELECT seq, data FROM floor WHERE conversation = ?1 AND seq >= ?2 AND seq < ?2 + ?3 ORDER BY seq',
    );
  }

  static create(path: string): FloorTable {
    const database = new Database(path);
    database.pragma('journal_mode = WAL');
    database.exec('PRAGMA synchronous = FULL');
    database.exec('CREATE TABLE floor (conversation TEXT, seq INTEGER, data BLOB, UNIQUE (conversation, seq))');
    return new FloorTable(database);
  }

  /** One that is there. */
  static reader(path: string): FloorTable {
    return new FloorTable(new Database(path));
  }

  /** Fills it with what is archived, as it is stored. */
  fill(all: readonly Readable[], expected: ReadonlyMap<ConversationId, ExpectedMessages>): void {
    const add = this.#database.prepare('INSERT INTO floor VALUES (?, ?, ?)');
    for (const { conversation, archivedTo } of all) {
      const messages = expected.get(conversation);
      for (let from = 1; from <= archivedTo; from += ROWS_PER_TRANSACTION) {
        this.#database.exec('BEGIN');
        for (let seq = from; seq < from + ROWS_PER_TRANSACTION && seq <= archivedTo; seq += 1)
          add.run(conversation, seq, entryOf(messages, seq));
        this.#database.exec('COMMIT');
      }
    }
  }

  /** @returns how many entries it found. */
  page(asked: AskedPage): number {
    return this.#rows(asked).length;
  }

  /** The same, one entry behind the other in one piece of memory. */
  packed(asked: AskedPage): { readonly sizes: readonly number[]; readonly bytes: Uint8Array<ArrayBuffer> } {
    const entries = this.#rows(asked).map(({ data }) => new Uint8Array(data));
    const sizes = entries.map(({ length }) => length);
    const bytes = new Uint8Array(sizes.reduce((sum, size) => sum + size, 0));
    let at = 0;
    for (const entry of entries) {
      bytes.set(entry, at);
      at += entry.length;
    }
    return { sizes, bytes };
  }

  #rows({ conversation, direction, from, limit }: AskedPage): readonly { readonly data: ArrayBuffer }[] {
    const first = direction === 'forward' ? from : from - limit + 1;
    return this.#select.all([conversation, first, limit]) as readonly { readonly data: ArrayBuffer }[];
  }

  close(): void {
    this.#database.close();
  }
}

function entryOf(messages: ExpectedMessages | undefined, seq: number): Uint8Array {
  const said = messages?.get(seq);
  if (said === undefined) return CONTROL;
  const at = 1_700_000_000_000 + seq * 1_000;
  return encodeEntry({
    ...{ from: said.from as UserId, deviceTag: 0x7fff_ffff, n: seq, sentAt: at - 20, at },
    ...{ type: 'text', body: said.text, msgNo: seq, countable: true },
  });
}
