import { generation, invariant, ok, sequenceId, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { openReader, within, type Connection } from '@millrace/sqlite-file';
import type { Position } from '@millrace/timeline';
import type { SearchOpenError } from '../../search-errors.ts';
import type { SearchHit, SearchPage, SearchQuery } from '../../search-index.ts';
import { isEmptyWanted } from '../../text/wanted.ts';
import { idsWithin, rangesOf, type BlockRow, type IdRange } from './id-ranges.ts';
import type { Behind, Question, ReaderCalls, ThreadTask } from './index-calls.ts';
import { BLOCK_SEQS } from './schema.ts';
import { searchStatement, type After, type Candidates } from './search-sql.ts';
import { matchOf } from './tokens.ts';
import { readNames, versionPath } from './version-names.ts';

type Row = Readonly<Record<string, unknown>>;

/** To ask for words once for each range costs some 20 µs each, however many messages have them: that is fine for so few. */
const RANGES_FEW = 8;
/** With so many messages of all, it is cheaper to look at each of them than to ask for each range. */
const MATCHES_FEW = 5_000;

function hitOf(row: Row): SearchHit {
  return {
    conversation: row['conversation'] as ConversationId,
    gen: generation(Number(row['gen'])),
    seq: sequenceId(Number(row['seq'])),
    rev: Number(row['rev']),
    sender: row['sender'] as UserId,
    type: String(row['type']),
    at: Number(row['at']),
  };
}

const emptyPage = ({ query }: Question): Omit<SearchPage, 'next'> => ({
  hits: [],
  total: 0,
  ...(query.facets === true ? { facets: [] } : {}),
});

/** Statements that are kept; a question's shape makes its statement, and there are few shapes. */
const STATEMENTS_MAX = 64;

const prepare = (connection: Connection, sql: string) => connection.prepare(sql);
type Statement = ReturnType<typeof prepare>;

/** The live version of an index on the thread that reads it. */
export class IndexReader implements ReaderCalls {
  readonly #directory: string;
  readonly #statements = new Map<string, Statement>();
  #connection: Connection;

  private constructor(directory: string, connection: Connection) {
    this.#directory = directory;
    this.#connection = connection;
  }

  /** Behind the writer, who has made the files. */
  static open({ directory }: ThreadTask): Result<IndexReader, SearchOpenError> {
    return ok(new IndexReader(directory, openLive(directory)));
  }

  close(): void {
    this.#connection.close();
  }

  reopen(): void {
    const connection = openLive(this.#directory);
    this.#statements.clear();
    this.#connection.close();
    this.#connection = connection;
  }

  indexedThrough(conversations: readonly ConversationId[]): readonly (Position | null)[] {
    const rows = this.#prepared(
      `SELECT c.id, c.gen, c.through FROM json_each(?) AS j CROSS JOIN conversation AS c ON c.id = j.value
       WHERE c.gen > 0`,
    ).all(JSON.stringify(conversations)) as Row[];
    const known = new Map(
      rows.map((row) => [
        String(row['id']),
        { gen: generation(Number(row['gen'])), seq: sequenceId(Number(row['through'])) },
      ]),
    );
    return conversations.map((conversation) => known.get(conversation) ?? null);
  }

  search(question: Question): Omit<SearchPage, 'next'> {
    const { query, wanted, behind } = question;
    if (wanted !== null && isEmptyWanted(wanted)) return emptyPage(question);
    // One moment for all that is read, so that ids mean the same from the first look to the last.
    return within(this.#connection, 'BEGIN', () => {
      const ranges = this.#ranges(query);
      const candidates = this.#candidates(question, ranges);
      const { sql, values } = searchStatement(query, wanted, candidates, this.#after(behind));
      const rows = this.#prepared(sql).all(...values) as Row[];
      const [first] = rows;
      invariant(first !== undefined, 'a search answers one row at least');
      return {
        hits: rows.filter((row) => row['seq'] !== null).map(hitOf),
        total: Number(first['total']),
        ...(query.facets === true ? { facets: facetsOf(String(first['facets'])) } : {}),
      };
    });
  }

  /** To prepare a statement takes longer than most answers do. */
  #prepared(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = prepare(this.#connection, sql);
    if (this.#statements.size >= STATEMENTS_MAX) this.#statements.clear();
    this.#statements.set(sql, statement);
    return statement;
  }

  #blocks(conversations: readonly ConversationId[]): readonly BlockRow[] {
    return this.#prepared(
      `SELECT c.id AS conversation, b.no, b.high FROM json_each(?) AS j
       CROSS JOIN conversation AS c ON c.id = j.value CROSS JOIN block AS b ON b.conversation = c.no`,
    ).all(JSON.stringify(conversations)) as unknown as BlockRow[];
  }

  #ranges({ scope }: SearchQuery): readonly IdRange[] {
    if (scope === 'everything') return [[0, Number.MAX_SAFE_INTEGER]];
    return rangesOf(scope, this.#blocks(scope.map(({ conversation }) => conversation)));
  }

  #candidates({ wanted }: Question, ranges: readonly IdRange[]): Candidates {
    if (wanted === null || ranges.length <= RANGES_FEW) return { kind: 'ranges', ranges };
    const ids = this.#prepared('SELECT rowid FROM words WHERE words MATCH ? LIMIT ?')
      .pluck()
      .all(matchOf(wanted), MATCHES_FEW + 1) as unknown as number[];
    return ids.length > MATCHES_FEW ? { kind: 'ranges', ranges } : { kind: 'ids', ids: idsWithin(ids, ranges) };
  }

  #after(behind: Behind | null): After {
    if (behind === null) return null;
    if (behind.sort === 'relevance') return behind;
    const { at, conversation, seq } = behind;
    const high = Math.floor(seq / BLOCK_SEQS);
    const [block] = this.#blocks([conversation as ConversationId]).filter((row) => row.high === high);
    // Behind a hit whose conversation is gone, those of the same moment come once more rather than not at all.
    const id = block === undefined ? Number.MAX_SAFE_INTEGER : block.no * BLOCK_SEQS + (seq % BLOCK_SEQS);
    return { at, id };
  }
}

function openLive(directory: string): Connection {
  const names = readNames(directory);
  invariant(names !== null, 'the writer has named the versions before the reader opens one');
  return openReader(versionPath(directory, names.live));
}

function facetsOf(json: string): NonNullable<SearchPage['facets']> {
  const pairs = JSON.parse(json) as (readonly [ConversationId, number])[];
  return pairs
    .map(([conversation, count]) => ({ conversation, count }))
    .sort((one, other) => other.count - one.count || (one.conversation < other.conversation ? -1 : 1));
}
