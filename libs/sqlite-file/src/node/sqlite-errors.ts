import { fileUnavailable, nameOfFile, type FileName, type FileUnavailable } from './file-calls.ts';

/** SQLite's name for what went wrong, without what it adds behind it: `SQLITE_IOERR`, `SQLITE_FULL`; '' for others. */
export function codeOf(error: unknown): string {
  const code = error instanceof Error ? (error as Error & { code?: unknown }).code : undefined;
  return typeof code === 'string' ? (/^SQLITE_[A-Z]+/.exec(code)?.[0] ?? '') : '';
}

/** The file itself is not sound any more: SQLite found a page that cannot be. */
export const isCorruption = (error: unknown): boolean => ['SQLITE_CORRUPT', 'SQLITE_NOTADB'].includes(codeOf(error));

const ADVICE: Readonly<Record<string, string>> = {
  SQLITE_FULL: 'The disk is full: make room. Nothing was lost, and it goes on by itself.',
  SQLITE_READONLY: 'The file or its directory may not be written: give this user the right to.',
  SQLITE_IOERR: 'The disk reports errors: look at the system log, and copy the file to another one.',
  SQLITE_BUSY: 'Something else locks the file, a backup perhaps: try again when it is done.',
};

/** @param ifDamaged - what to do when the file is not sound any more. */
export function unavailableOf(file: FileName, error: unknown, ifDamaged: string): FileUnavailable {
  const message = error instanceof Error ? error.message : String(error);
  const advice = ADVICE[codeOf(error)] ?? 'Try again; if it stays so, look at the disk and the rights of the file.';
  return fileUnavailable(
    `${nameOfFile(file)} could not be asked: ${message}.`,
    isCorruption(error) ? ifDamaged : advice,
  );
}
