import type { ConversationId, Result, SequenceId, UserId } from '@millrace/kernel';
import type { FrameError } from '@millrace/protocol';
import type { ActorCalls } from '../actor-calls.ts';
import type { ImportPart } from '../conversation/imported.ts';
import type { CurrentReads } from '../revise/current.ts';
import { exportPage } from './export-page.ts';
import { importSlice } from './import-slice.ts';
import type { ConversationLine, EndLine, EntryLine, StateLine } from './lines.ts';

export type ExportedLine = ConversationLine | StateLine | EntryLine | EndLine;

export interface ExportQuery {
  readonly conversation: ConversationId;
  /** Where the page before ended; null for the first one. */
  readonly cursor: string | null;
  /** Of the first page: entries alone, from there on. */
  readonly from?: SequenceId;
}

export interface ExportPage {
  readonly lines: readonly ExportedLine[];
  /** Null behind the last page. */
  readonly next: string | null;
}

/** Some lines of one conversation, in their order. Entries may have holes between them. */
export type ImportSlice = Omit<ImportPart, 'targets'> & {
  /**
   * The entry that came last in the source before those of this slice, 0 for none: what is between is a hole of the source.
   * Null where that is not known: then the slice goes on right behind what is there.
   */
  readonly after: SequenceId | null;
  /** Members who were told of it already, by the answer to the same slice; null for none. */
  readonly announced: UserId | null;
};

export interface SliceTaken {
  /** The last entry that is there. */
  readonly seq: SequenceId;
  /** Everybody sees the conversation. */
  readonly isDone: boolean;
  /** Not all members were told yet: the same slice again goes on behind this one. */
  readonly announced: UserId | null;
}

/** `seq` or `user` name the line that is wrong, if it is one. */
export interface SliceRefused extends FrameError {
  readonly seq?: SequenceId;
  readonly user?: UserId;
}

/** Conversations as a whole, out of a deployment and into one. For an operator: it asks for nobody's right to see them. */
export interface TransferService {
  exportPage(query: ExportQuery): Promise<Result<ExportPage, FrameError>>;
  /** Taken as a whole or not at all. What is there already is passed over, so it may come again. */
  importSlice(slice: ImportSlice): Promise<Result<SliceTaken, SliceRefused>>;
}

/** @param answered - makes an answer of a store that cannot be asked. */
export function transferOver(
  calls: ActorCalls,
  reads: CurrentReads,
  answered: <T>(work: () => Promise<Result<T, FrameError>>) => Promise<Result<T, FrameError>>,
): TransferService {
  return {
    exportPage: (query) => answered(() => exportPage(calls, reads, query)),
    importSlice: (slice) => answered(() => importSlice(calls, reads, slice)),
  };
}
