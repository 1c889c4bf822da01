import type { ConversationId, PartitionId, Result, UserId } from '@millrace/kernel';
import type { FileName } from '@millrace/sqlite-file';
import type { Position } from '@millrace/timeline';
import type { CursorMoved, NoRebuild } from '../../search-errors.ts';
import type { IndexBatch, IndexVersion, SearchPage, SearchQuery, SearchStats } from '../../search-index.ts';
import type { Wanted } from '../../text/wanted.ts';

export const indexNamed = (path: string): FileName => ({ noun: 'search index', path });

/** Where a page by time goes on: behind this hit. By relevance: behind so many. */
export type Behind =
  | { readonly sort: 'time'; readonly at: number; readonly conversation: string; readonly seq: number }
  | { readonly sort: 'relevance'; readonly shown: number };

/** What was asked, looked at and taken apart before. */
export interface Question {
  readonly query: SearchQuery;
  /** Null for all messages. */
  readonly wanted: Wanted | null;
  readonly behind: Behind | null;
}

/** The thread that writes. */
export interface WriterCalls {
  apply(batch: IndexBatch, into: IndexVersion): Result<void, CursorMoved | NoRebuild>;
  cursor(partition: PartitionId, of: IndexVersion): Result<string | null, NoRebuild>;
  eraseConversation(conversation: ConversationId): void;
  eraseSender(sender: UserId): number;
  purge(): void;
  beginRebuild(name: string): void;
  /** The files of the former version stay until `sweep`: the reader still has them open. */
  finishRebuild(): Result<void, NoRebuild>;
  abandonRebuild(): void;
  sweep(): void;
  health(): { readonly writable: boolean; readonly isRebuilding: boolean };
  stats(): SearchStats;
}

/** The thread that reads. */
export interface ReaderCalls {
  search(question: Question): Omit<SearchPage, 'next'>;
  indexedThrough(conversations: readonly ConversationId[]): readonly (Position | null)[];
  /** Reads the live version as it is named now. */
  reopen(): void;
}

/** What a thread is told when it starts. */
export interface ThreadTask {
  readonly directory: string;
  /** The writer has the lock and takes what changes something; the reader never waits for it. */
  readonly role: 'writer' | 'reader';
  /** The name of the live version if there is none yet. */
  readonly newName: string;
}
