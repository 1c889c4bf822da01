import { statSync } from 'node:fs';

/** The file is not the one that was opened any more: what is written now would be lost with it. */
export class FileReplaced extends Error {
  override readonly name = 'FileReplaced';
}

/** What the system knows the file by, whatever it is called; undefined when there is none. */
export const fileNumberOf = (path: string): number | undefined => statSync(path, { throwIfNoEntry: false })?.ino;
