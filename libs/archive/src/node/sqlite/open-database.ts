import { err, ok, type Result } from '@millrace/kernel';
import { openWriter, type Connection } from '@millrace/sqlite-file';
import type { ArchiveOpenError } from '../../archive-errors.ts';
import { APPLICATION_ID, MIGRATIONS, PAGE_BYTES } from './schema.ts';

const notOurs = (path: string): ArchiveOpenError => ({
  code: 'not_an_archive',
  message: `${path} is not an archive of Millrace.`,
  whatToDo: 'Name another file, or move this one away; nothing in it was changed.',
});

/**
 * Opens the file as the one who writes it, makes it when it is missing, and brings its layout up to date. What is
 * confirmed survives a power loss, and what is deleted is overwritten.
 *
 * @param newIdentity - of the archive, when it is made now.
 */
export function openArchive(path: string, newIdentity: string): Result<Connection, ArchiveOpenError> {
  const opened = openWriter(path, {
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    pageBytes: PAGE_BYTES,
    synchronous: 'FULL',
    pragmas: 'PRAGMA secure_delete = ON',
    begin: (connection) => {
      connection.prepare('INSERT INTO archive (only_row, identity) VALUES (1, ?)').run(newIdentity);
    },
  });
  if (opened.ok) return ok(opened.value);
  if (opened.error.code === 'foreign') return err(notOurs(path));
  const { found, known } = opened.error;
  return err({
    code: 'too_new',
    message: `The archive ${path} has layout ${String(found)}; this program knows up to ${String(known)}.`,
    whatToDo: 'Start the newer version of Millrace that wrote it; nothing in it was changed.',
  });
}
