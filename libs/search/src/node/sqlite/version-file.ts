import { statSync, rmSync } from 'node:fs';
import { err, ok, type ConversationId, type PartitionId, type Result, type UserId } from '@millrace/kernel';
import { FileReplaced, fileNumberOf, openWriter, scalarOf, within, type Connection } from '@millrace/sqlite-file';
import { isCut, laterThrough, mayPut, mayRemove, throughBehindCut, withCut } from '../../newest-wins.ts';
import { cursorMoved, type CursorMoved, type SearchOpenError } from '../../search-errors.ts';
import type { Change, IndexBatch, SearchStats } from '../../search-index.ts';
import { IndexRows, type ConversationRow } from './index-rows.ts';
import { APPLICATION_ID, MIGRATIONS, PAGE_BYTES } from './schema.ts';

/**
 * One version of the index, a file, on the connection that writes it. Synchronous, as the library is: it runs in a thread
 * of its own. Throws what SQLite throws; a transaction that was not committed has left nothing.
 *
 * (V1) A batch, its cursor and how far it brings each conversation are one transaction.
 */
export class VersionFile {
  readonly #path: string;
  readonly #connection: Connection;
  readonly #rows: IndexRows;
  readonly #fileNumber: number | undefined;

  private constructor(path: string, connection: Connection) {
    this.#path = path;
    this.#connection = connection;
    this.#rows = new IndexRows(connection);
    this.#fileNumber = fileNumberOf(path);
  }

  static open(path: string): Result<VersionFile, SearchOpenError> {
    const opened = openWriter(path, {
      applicationId: APPLICATION_ID,
      migrations: MIGRATIONS,
      pageBytes: PAGE_BYTES,
      // After a power loss the cursor is as old as the rest, and what came behind it is followed again.
      synchronous: 'NORMAL',
      pragmas: 'PRAGMA secure_delete = ON; PRAGMA cache_size = -32768',
      begin: () => undefined,
    });
    if (opened.ok) return ok(new VersionFile(path, opened.value));
    if (opened.error.code === 'foreign') {
      const message = `${path} is not a search index of Millrace.`;
      return err({ code: 'not_an_index', message, whatToDo: 'Name another directory; nothing in it was changed.' });
    }
    const { found, known } = opened.error;
    return err({
      code: 'too_new',
      message: `The search index ${path} has layout ${String(found)}; this program knows up to ${String(known)}.`,
      whatToDo: 'Start the newer version of Millrace that wrote it, or remove the index: it is made anew.',
    });
  }

  close(): void {
    this.#connection.close();
  }

  apply(batch: IndexBatch): Result<void, CursorMoved> {
    return this.#write((): Result<void, CursorMoved> => {
      const { partition, after, cursor, changes, through } = batch;
      const held = this.#rows.cursor(partition);
      if (held !== after) return err(cursorMoved(partition, after, held));
      const conversations = new Map<ConversationId, ConversationRow>();
      const rowOf = (id: ConversationId): ConversationRow => {
        const row = conversations.get(id) ?? this.#rows.conversation(id) ?? this.#rows.addConversation(id);
        conversations.set(id, row);
        return row;
      };
      for (const change of changes) {
        const id = change.kind === 'put' ? change.document.conversation : change.conversation;
        if (change.kind === 'forget') {
          this.#rows.dropConversation(id);
          conversations.delete(id);
          continue;
        }
        conversations.set(id, this.#change(rowOf(id), change));
      }
      for (const { conversation, gen, seq } of through) {
        const row = rowOf(conversation);
        conversations.set(conversation, { ...row, through: laterThrough(row.through, { gen, seq }) });
      }
      for (const row of conversations.values()) this.#rows.setConversation(row);
      this.#rows.setCursor(partition, cursor);
      return ok(undefined);
    });
  }

  /** @returns the conversation as it stands behind the change. */
  #change(row: ConversationRow, change: Exclude<Change, { readonly kind: 'forget' }>): ConversationRow {
    if (change.kind === 'cut') {
      this.#rows.dropOlder(row.no, change.gen, change.from);
      return { ...row, cuts: withCut(row.cuts, change), through: throughBehindCut(row.through, change) };
    }
    if (change.kind === 'erase') {
      this.#rows.dropSenderIn(row.no, change.sender, change.upTo);
      return row;
    }
    const version = change.kind === 'put' ? change.document : change;
    if (isCut(row.cuts, version)) return row;
    const id = this.#rows.idOf(row.no, version.seq);
    const held = this.#rows.held(id);
    if (change.kind === 'put') {
      if (mayPut(version, held)) this.#rows.put(id, change.document, held);
    } else if (mayRemove(version, held)) this.#rows.remove(id, change.gen, change.rev, held);
    return row;
  }

  cursor(partition: PartitionId): string | null {
    return this.#rows.cursor(partition);
  }

  eraseConversation(conversation: ConversationId): void {
    this.#write(() => {
      this.#rows.dropConversation(conversation);
    });
  }

  eraseSender(sender: UserId): number {
    return this.#write(() => this.#rows.dropSender(sender));
  }

  /** Segments keep the words of messages that are gone until they are merged: here all are, into one. */
  purge(): void {
    this.#write(() => {
      this.#connection.exec(`INSERT INTO words (words) VALUES ('optimize')`);
    });
    this.#connection.pragma('wal_checkpoint(TRUNCATE)');
  }

  isWritable(): boolean {
    try {
      this.#write(() => undefined);
      return true;
    } catch (error) {
      if (error instanceof FileReplaced) throw error;
      return false;
    }
  }

  stats(): SearchStats {
    const pages = Number(scalarOf(this.#connection, 'PRAGMA page_count'));
    const logBytes = statSync(`${this.#path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    return {
      messages: Number(scalarOf(this.#connection, 'SELECT count(*) FROM message WHERE removed = 0')),
      conversations: Number(scalarOf(this.#connection, 'SELECT count(*) FROM conversation')),
      diskBytes: pages * PAGE_BYTES + logBytes,
    };
  }

  #write<T>(work: () => T): T {
    // A file that was deleted or moved goes on to take writes, which nobody finds again.
    if (fileNumberOf(this.#path) !== this.#fileNumber) throw new FileReplaced('the file was moved or deleted');
    try {
      return within(this.#connection, 'BEGIN IMMEDIATE', work);
    } catch (error) {
      this.#rows.forget();
      throw error;
    }
  }
}

/** Removes the file of a version, with what SQLite keeps beside it. */
export function removeVersion(path: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(path + suffix, { force: true });
}
