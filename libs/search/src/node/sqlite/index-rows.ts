import { invariant, type ConversationId } from '@millrace/kernel';
import type { Connection } from '@millrace/sqlite-file';
import type { Cut, HeldVersion, Through } from '../../newest-wins.ts';
import type { SearchDocument } from '../../search-index.ts';
import { unitsOf } from '../../text/units.ts';
import { BLOCK_SEQS } from './schema.ts';
import { tagsOf } from './tags.ts';
import { tokensOf } from './tokens.ts';

/** What the index keeps of a conversation itself. */
export interface ConversationRow {
  readonly no: number;
  readonly through: Through | null;
  readonly cuts: readonly Cut[];
}

type Row = Readonly<Record<string, unknown>>;

function numberOf(row: Row, column: string): number {
  const value = row[column];
  invariant(typeof value === 'number' && Number.isSafeInteger(value), `column ${column} holds a whole number`);
  return value;
}

function prepare(connection: Connection) {
  const one = (sql: string) => connection.prepare(sql);
  return {
    conversation: one('SELECT no, gen, through, cuts FROM conversation WHERE id = ?'),
    addConversation: one(`INSERT INTO conversation (id, gen, through, cuts) VALUES (?, 0, 0, '[]')`),
    setConversation: one('UPDATE conversation SET gen = ?, through = ?, cuts = ? WHERE no = ?'),
    dropConversation: one('DELETE FROM conversation WHERE no = ?'),
    block: one('SELECT no FROM block WHERE conversation = ? AND high = ?'),
    blocks: one('SELECT no, high FROM block WHERE conversation = ?'),
    addBlock: one('INSERT INTO block (conversation, high) VALUES (?, ?)'),
    dropBlocks: one('DELETE FROM block WHERE conversation = ?'),
    sender: one('SELECT no FROM sender WHERE id = ?'),
    addSender: one('INSERT INTO sender (id) VALUES (?)'),
    dropSender: one('DELETE FROM sender WHERE no = ?'),
    message: one('SELECT gen, rev, removed FROM message WHERE id = ?'),
    setMessage: one(
      `INSERT INTO message (id, gen, rev, removed, sender, type, at, length) VALUES (?, ?, ?, 0, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET gen = excluded.gen, rev = excluded.rev, removed = 0, sender = excluded.sender,
         type = excluded.type, at = excluded.at, length = excluded.length`,
    ),
    setRemoved: one(
      `INSERT INTO message (id, gen, rev, removed) VALUES (?, ?, ?, 1)
       ON CONFLICT (id) DO UPDATE SET gen = excluded.gen, rev = excluded.rev, removed = 1, sender = NULL,
         type = NULL, at = NULL, length = NULL`,
    ),
    // Of a generation that was cut, or of all below 2^53.
    older: one('SELECT id FROM message WHERE id BETWEEN ? AND ? AND gen < ?'),
    ofSender: one('SELECT id FROM message WHERE sender = ?'),
    ofSenderWithin: one('SELECT id FROM message WHERE sender = ? AND id BETWEEN ? AND ?'),
    dropMessage: one('DELETE FROM message WHERE id = ?'),
    addWords: one('INSERT INTO words (rowid, tokens) VALUES (?, ?)'),
    dropWords: one('DELETE FROM words WHERE rowid = ?'),
    addTag: one('INSERT INTO tag (message, name, value) VALUES (?, ?, ?)'),
    dropTags: one('DELETE FROM tag WHERE message = ?'),
    cursor: one('SELECT value FROM cursor WHERE partition = ?'),
    setCursor: one(
      'INSERT INTO cursor (partition, value) VALUES (?, ?) ON CONFLICT (partition) DO UPDATE SET value = excluded.value',
    ),
  };
}

/** Numbers of senders, and of blocks, that are remembered, so that they are not looked up for each message. */
const NUMBERS_MAX = 50_000;

/** The rows of one version of the index, on the connection that writes it. Everything is within a transaction of the caller. */
export class IndexRows {
  readonly #statements: ReturnType<typeof prepare>;
  readonly #senders = new Map<string, number>();
  readonly #blocks = new Map<string, number>();

  constructor(connection: Connection) {
    this.#statements = prepare(connection);
  }

  cursor(partition: number): string | null {
    const row = this.#statements.cursor.get(partition) as Row | undefined;
    return row === undefined ? null : String(row['value']);
  }

  setCursor(partition: number, value: string): void {
    this.#statements.setCursor.run(partition, value);
  }

  conversation(id: ConversationId): ConversationRow | null {
    const row = this.#statements.conversation.get(id) as Row | undefined;
    if (row === undefined) return null;
    const gen = numberOf(row, 'gen');
    return {
      no: numberOf(row, 'no'),
      through: gen === 0 ? null : { gen, seq: numberOf(row, 'through') },
      cuts: JSON.parse(String(row['cuts'])) as Cut[],
    };
  }

  addConversation(id: ConversationId): ConversationRow {
    const { lastInsertRowid } = this.#statements.addConversation.run(id);
    return { no: Number(lastInsertRowid), through: null, cuts: [] };
  }

  setConversation({ no, through, cuts }: ConversationRow): void {
    this.#statements.setConversation.run(through?.gen ?? 0, through?.seq ?? 0, JSON.stringify(cuts), no);
  }

  /** The id of a message; its block is made when there is none. */
  idOf(conversation: number, seq: number): number {
    const high = Math.floor(seq / BLOCK_SEQS);
    return this.#blockOf(conversation, high) * BLOCK_SEQS + (seq % BLOCK_SEQS);
  }

  #blockOf(conversation: number, high: number): number {
    const name = `${String(conversation)} ${String(high)}`;
    const known = this.#blocks.get(name);
    if (known !== undefined) return known;
    const row = this.#statements.block.get(conversation, high) as Row | undefined;
    const added = (): number => Number(this.#statements.addBlock.run(conversation, high).lastInsertRowid);
    const no = row === undefined ? added() : numberOf(row, 'no');
    if (this.#blocks.size >= NUMBERS_MAX) this.#blocks.clear();
    this.#blocks.set(name, no);
    return no;
  }

  held(id: number): HeldVersion | null {
    const row = this.#statements.message.get(id) as Row | undefined;
    if (row === undefined) return null;
    return { gen: numberOf(row, 'gen'), rev: numberOf(row, 'rev'), removed: numberOf(row, 'removed') === 1 };
  }

  put(id: number, document: SearchDocument, before: HeldVersion | null): void {
    const { gen, rev, sender, type, at, text } = document;
    if (before?.removed === false) this.#dropContent(id);
    const units = unitsOf(text);
    this.#statements.addWords.run(id, tokensOf(units).join(' '));
    this.#statements.setMessage.run(id, gen, rev, this.#senderOf(sender), type, at, units.length);
    for (const { name, value } of tagsOf(document)) this.#statements.addTag.run(id, name, value);
  }

  remove(id: number, gen: number, rev: number, before: HeldVersion | null): void {
    if (before?.removed === false) this.#dropContent(id);
    this.#statements.setRemoved.run(id, gen, rev);
  }

  /** Forgets messages of generations below `gen`, from a seq on. */
  dropOlder(conversation: number, gen: number, from: number): void {
    for (const block of this.#statements.blocks.all(conversation) as Row[]) {
      const low = numberOf(block, 'high') * BLOCK_SEQS;
      if (low + BLOCK_SEQS <= from) continue;
      const base = numberOf(block, 'no') * BLOCK_SEQS;
      const ids = this.#statements.older.all(base + Math.max(0, from - low), base + BLOCK_SEQS - 1, gen) as Row[];
      for (const row of ids) this.#drop(numberOf(row, 'id'));
    }
  }

  dropConversation(id: ConversationId): void {
    const row = this.conversation(id);
    if (row === null) return;
    this.dropOlder(row.no, Number.MAX_SAFE_INTEGER, 0);
    this.#statements.dropBlocks.run(row.no);
    this.#blocks.clear();
    this.#statements.dropConversation.run(row.no);
  }

  /** @returns how many messages of theirs there were. */
  dropSender(id: string): number {
    const row = this.#statements.sender.get(id) as Row | undefined;
    if (row === undefined) return 0;
    const no = numberOf(row, 'no');
    const messages = this.#statements.ofSender.all(no) as Row[];
    for (const message of messages) this.#drop(numberOf(message, 'id'));
    this.#statements.dropSender.run(no);
    this.#senders.delete(id);
    return messages.length;
  }

  /** Forgets what a user has sent in a conversation, up to a seq. */
  dropSenderIn(conversation: number, sender: string, upTo: number): void {
    const row = this.#statements.sender.get(sender) as Row | undefined;
    if (row === undefined) return;
    for (const block of this.#statements.blocks.all(conversation) as Row[]) {
      const last = Math.min(BLOCK_SEQS - 1, upTo - numberOf(block, 'high') * BLOCK_SEQS);
      const base = numberOf(block, 'no') * BLOCK_SEQS;
      const messages = this.#statements.ofSenderWithin.all(numberOf(row, 'no'), base, base + last) as Row[];
      for (const message of messages) this.#drop(numberOf(message, 'id'));
    }
  }

  /** After a transaction was taken back: the numbers that it gave are not there any more. */
  forget(): void {
    this.#senders.clear();
    this.#blocks.clear();
  }

  #senderOf(id: string): number {
    const known = this.#senders.get(id);
    if (known !== undefined) return known;
    const row = this.#statements.sender.get(id) as Row | undefined;
    const no = row === undefined ? Number(this.#statements.addSender.run(id).lastInsertRowid) : numberOf(row, 'no');
    if (this.#senders.size >= NUMBERS_MAX) this.#senders.clear();
    this.#senders.set(id, no);
    return no;
  }

  #drop(id: number): void {
    const before = this.held(id);
    if (before?.removed === false) this.#dropContent(id);
    this.#statements.dropMessage.run(id);
  }

  #dropContent(id: number): void {
    this.#statements.dropWords.run(id);
    this.#statements.dropTags.run(id);
  }
}
