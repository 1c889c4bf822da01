/** A thread of an archive file, a program of its own. */
import { workerData } from 'node:worker_threads';
import { serveFile } from '@millrace/sqlite-file';
import type { ArchiveOpenError } from '../../archive-errors.ts';
import { ArchiveFile } from './archive-file.ts';
import { archiveNamed, type FileCalls, type PackedPage, type ThreadTask } from './file-calls.ts';

type Outcome = { readonly value?: Partial<PackedPage> };

const task = workerData as ThreadTask;

serveFile<FileCalls, ArchiveOpenError>({
  file: archiveNamed(task.path),
  open: () => ArchiveFile.open(task),
  ifDamaged: 'The file is damaged: restore it from a backup.',
  ifReplaced: 'Put the file back where it was, or start Millrace again to begin a new archive.',
  // The memory of a page goes over to the receiver.
  memoryOf(answer) {
    const outcome = answer as Partial<{ page: Outcome } & Outcome> | undefined;
    const page = (outcome?.page ?? outcome)?.value;
    return page?.packed === undefined ? [] : [page.packed.bytes.buffer];
  },
});
