import { unavailable, type ArchiveOpenError, type ArchiveUnavailable } from '../../archive-errors.ts';

/** The answer came from an archive with another identity than the one that was opened. */
export class OtherArchive extends Error {
  override readonly name = 'OtherArchive';
}

/** Somebody else changed the same generation first; the same call again meets what they left. */
export class LostRace extends Error {
  override readonly name = 'LostRace';
}

/** PostgreSQL's five-character code, or the system's (ECONNREFUSED); '' for none. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === 'string' ? code : '';
}

const RACES = new Set([
  '40001', // serialization_failure
  '40P01', // deadlock_detected
  '23505', // unique_violation: they added it between our look and our insert
]);
export const isRace = (error: unknown): boolean => error instanceof LostRace || RACES.has(codeOf(error));

/** The session is gone, so that whether it did what it was asked is not known; another session may work. */
export function isConnectionLost(error: unknown): boolean {
  const code = codeOf(error);
  if (/^(08|57P)/.test(code) || code === 'ECONNRESET' || code === 'EPIPE') return true;
  return error instanceof Error && /Connection terminated|not queryable/.test(error.message);
}

/** What went wrong in one line, without the password, should anything have put it there. */
function reasonOf(error: unknown, password: string): string {
  const code = codeOf(error);
  const message = error instanceof Error && error.message !== '' ? error.message : code;
  const oneLine = (message === '' ? 'it does not answer' : message).split('\n')[0] ?? '';
  return password === '' ? oneLine : oneLine.replaceAll(password, '***');
}

const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/^(28|42501)/, 'Give this user the right to use the database and the schema of the archive.'],
  [/^53100/, "The database's disk is full: make room. Nothing was lost, and it goes on by itself."],
  [/^53/, 'The database is short of memory or connections: raise its limits, or lower the size of the pool.'],
  [/^25006/, 'This PostgreSQL takes no writes, as a replica does not: name the primary.'],
  [/^(42P01|3F000)/, "The archive's tables are gone: restore them, or start Millrace again to begin a new archive."],
];

export function unavailableOf(shown: string, password: string, error: unknown): ArchiveUnavailable {
  if (error instanceof OtherArchive) {
    return unavailable(
      `The archive at ${shown} is another one than when it was opened.`,
      'Let the address lead to the former database again, or start Millrace again to use this one.',
    );
  }
  return unavailable(
    `The archive at ${shown} could not be asked: ${reasonOf(error, password)}.`,
    ADVICE.find(([codes]) => codes.test(codeOf(error)))?.[1] ??
      'Look whether PostgreSQL runs and can be reached from here; Millrace goes on by itself when it can.',
  );
}

export function openErrorOf(shown: string, password: string, error: unknown): ArchiveOpenError {
  const { message, whatToDo } = unavailableOf(shown, password, error);
  const code = codeOf(error);
  if (/^(28|42501)/.test(code)) return { code: 'denied', message, whatToDo };
  if (code === '3D000') return { code: 'bad_address', message, whatToDo: 'Create the database, or name another one.' };
  return { code: 'unavailable', message, whatToDo };
}
