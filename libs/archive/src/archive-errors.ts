import { sequenceId, type SequenceId } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import type { ChunkKey } from './archive-store.ts';

/** The archive could not be asked, or did not answer in time. What was asked may have happened, whole; see the port. */
export interface ArchiveUnavailable {
  readonly code: 'unavailable';
  readonly retry: 'backoff';
  readonly message: string;
  readonly whatToDo: string;
}

/** Other entries are archived where this chunk would stand, or a later generation is. Nothing was changed. */
export interface ChunkConflict {
  readonly code: 'conflict';
  readonly retry: 'never';
  readonly chunk: ChunkKey;
  /** All that is archived of its generation; null where it is only that a later one is archived. */
  readonly archived: GenerationSpan | null;
  readonly message: string;
  readonly whatToDo: string;
}

/** Between the last archived entry of the generation and this chunk, seqs are missing. Nothing was changed. */
export interface ChunkHole {
  readonly code: 'hole';
  readonly retry: 'fill';
  readonly chunk: ChunkKey;
  /** The only seq that a further chunk of its generation may begin with. */
  readonly expected: SequenceId;
  readonly message: string;
  readonly whatToDo: string;
}

/** A chunk is not what was written there, or is not there though it was. No entry of it is handed out. */
export interface ChunkDamaged {
  readonly code: 'damaged';
  readonly retry: 'never';
  readonly chunk: ChunkKey;
  readonly message: string;
  readonly whatToDo: string;
}

/** What keeps an archive from being opened. */
export interface ArchiveOpenError {
  readonly code:
    | 'in_use' // another process has it open, and only one may
    | 'not_an_archive' // something else is there
    | 'too_new' // written by a newer program
    | 'bad_address'
    | 'denied' // the credentials, or the rights that they give
    | 'not_durable' // set up so that a power loss takes what was confirmed
    | 'unavailable';
  readonly message: string;
  readonly whatToDo: string;
}

export const nameOfChunk = ({ conversation, gen, first }: ChunkKey): string =>
  `chunk ${conversation} ${String(gen)}-${String(first)}`;

const spanText = ({ first, last }: GenerationSpan): string => `${String(first)} to ${String(last)}`;

export function unavailable(message: string, whatToDo: string): ArchiveUnavailable {
  return { code: 'unavailable', retry: 'backoff', message, whatToDo };
}

export function conflict(chunk: ChunkKey, archived: GenerationSpan): ChunkConflict {
  const { conversation, gen, first } = chunk;
  return {
    code: 'conflict',
    retry: 'never',
    chunk: { conversation, gen, first },
    archived,
    message: `${nameOfChunk(chunk)} meets other entries: ${spanText(archived)} of its generation are archived already.`,
    whatToDo: `Ask for the extent and go on behind ${String(archived.last)}; what is archived is not written over.`,
  };
}

/** @param newest - all that is archived of the latest generation of the conversation. */
export function late(chunk: ChunkKey, newest: GenerationSpan): ChunkConflict {
  const { conversation, gen, first } = chunk;
  return {
    code: 'conflict',
    retry: 'never',
    chunk: { conversation, gen, first },
    archived: null,
    message: `${nameOfChunk(chunk)} comes late: generation ${String(newest.gen)} of its conversation is archived already.`,
    whatToDo: `Go on behind ${String(newest.gen)}-${String(newest.last)}; an archive grows at its end only.`,
  };
}

export function hole(chunk: ChunkKey, archived: GenerationSpan): ChunkHole {
  const { conversation, gen, first } = chunk;
  const expected = sequenceId(archived.last + 1);
  return {
    code: 'hole',
    retry: 'fill',
    chunk: { conversation, gen, first },
    expected,
    message: `${nameOfChunk(chunk)} leaves a hole: ${spanText(archived)} of its generation are archived.`,
    whatToDo: `Append the entries from ${String(expected)} on first.`,
  };
}

export function damaged(chunk: ChunkKey, reason: string): ChunkDamaged {
  const { conversation, gen, first } = chunk;
  return {
    code: 'damaged',
    retry: 'never',
    chunk: { conversation, gen, first },
    message: `${nameOfChunk(chunk)} is damaged: ${reason}.`,
    whatToDo: 'Restore the archive from a backup, or drop the conversation; its other chunks can still be read.',
  };
}

export const describeArchiveError = (error: { readonly message: string; readonly whatToDo: string }): string =>
  `${error.message}\n${error.whatToDo}`;
