import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { err, ok, type ConversationId, type PartitionId, type Result, type UserId } from '@millrace/kernel';
import { lockFile, type FileInUse } from '@millrace/sqlite-file';
import { noRebuild, type CursorMoved, type NoRebuild, type SearchOpenError } from '../../search-errors.ts';
import type { IndexBatch, IndexVersion, SearchStats } from '../../search-index.ts';
import type { ThreadTask, WriterCalls } from './index-calls.ts';
import { VersionFile, removeVersion } from './version-file.ts';
import { readNames, unnamedVersions, versionPath, writeNames, type VersionNames } from './version-names.ts';

const inUse = (directory: string, { owner }: FileInUse): SearchOpenError => ({
  code: 'in_use',
  message: `The search index ${directory} is open in ${owner}, and only one process may write it.`,
  whatToDo: 'Stop that process, give this one a directory of its own, or keep the index of several nodes in Typesense.',
});

/** The directory of an index on the thread that writes: the live version, and the one that a rebuild fills. */
export class IndexWriter implements WriterCalls {
  readonly #directory: string;
  readonly #unlock: () => void;
  #names: VersionNames;
  #live: VersionFile;
  #next: VersionFile | null;

  private constructor(
    directory: string,
    unlock: () => void,
    names: VersionNames,
    live: VersionFile,
    next: VersionFile | null,
  ) {
    this.#directory = directory;
    this.#unlock = unlock;
    this.#names = names;
    this.#live = live;
    this.#next = next;
  }

  static open({ directory, newName }: ThreadTask): Result<IndexWriter, SearchOpenError> {
    mkdirSync(directory, { recursive: true });
    const locked = lockFile(join(directory, 'index'));
    if (!locked.ok) return err(inUse(directory, locked.error));
    const opened: VersionFile[] = [];
    const refused = (error: SearchOpenError): Result<never, SearchOpenError> => {
      for (const file of opened) file.close();
      locked.value();
      return err(error);
    };
    try {
      const names = readNames(directory) ?? { live: newName, next: null };
      const live = VersionFile.open(versionPath(directory, names.live));
      if (!live.ok) return refused(live.error);
      opened.push(live.value);
      const next = names.next === null ? null : VersionFile.open(versionPath(directory, names.next));
      if (next !== null && !next.ok) return refused(next.error);
      // Behind the file itself: a name always leads to one.
      writeNames(directory, names);
      const writer = new IndexWriter(directory, locked.value, names, live.value, next?.value ?? null);
      writer.sweep();
      return ok(writer);
    } catch (error) {
      for (const file of opened) file.close();
      locked.value();
      throw error;
    }
  }

  close(): void {
    this.#live.close();
    this.#next?.close();
    this.#unlock();
  }

  apply(batch: IndexBatch, into: IndexVersion): Result<void, CursorMoved | NoRebuild> {
    const version = this.#version(into);
    return version === null ? err(noRebuild()) : version.apply(batch);
  }

  cursor(partition: PartitionId, of: IndexVersion): Result<string | null, NoRebuild> {
    const version = this.#version(of);
    return version === null ? err(noRebuild()) : ok(version.cursor(partition));
  }

  eraseConversation(conversation: ConversationId): void {
    this.#live.eraseConversation(conversation);
    this.#next?.eraseConversation(conversation);
  }

  eraseSender(sender: UserId): number {
    this.#next?.eraseSender(sender);
    return this.#live.eraseSender(sender);
  }

  purge(): void {
    this.#live.purge();
    this.#next?.purge();
  }

  beginRebuild(name: string): void {
    const opened = VersionFile.open(versionPath(this.#directory, name));
    if (!opened.ok) throw new Error(opened.error.message);
    this.#next?.close();
    this.#next = opened.value;
    this.#rename({ ...this.#names, next: name });
    this.sweep();
  }

  finishRebuild(): Result<void, NoRebuild> {
    const { next } = this.#names;
    if (this.#next === null || next === null) return err(noRebuild());
    this.#rename({ live: next, next: null });
    this.#live.close();
    this.#live = this.#next;
    this.#next = null;
    return ok(undefined);
  }

  abandonRebuild(): void {
    if (this.#next === null) return;
    this.#rename({ ...this.#names, next: null });
    this.#next.close();
    this.#next = null;
    this.sweep();
  }

  sweep(): void {
    for (const path of unnamedVersions(this.#directory, this.#names)) removeVersion(path);
  }

  health(): { readonly writable: boolean; readonly isRebuilding: boolean } {
    return { writable: this.#live.isWritable(), isRebuilding: this.#next !== null };
  }

  stats(): SearchStats {
    return this.#live.stats();
  }

  #rename(names: VersionNames): void {
    writeNames(this.#directory, names);
    this.#names = names;
  }

  #version(version: IndexVersion): VersionFile | null {
    return version === 'live' ? this.#live : this.#next;
  }
}
