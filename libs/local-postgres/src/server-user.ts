import { chownSync, readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { err, ok, type Result } from '@millrace/kernel';
import type { LocalPostgresError } from './errors.ts';

/** Whom the server runs as; null for whoever we are. */
export type ServerUser = { readonly uid: number; readonly gid: number } | null;

/** PostgreSQL refuses to run as root: then it is the first of these that the machine knows. */
const PLAIN_USERS = ['postgres', 'nobody'];

export function serverUser(): Result<ServerUser, LocalPostgresError> {
  if (process.getuid?.() !== 0) return ok(null);
  const lines = readFileSync('/etc/passwd', 'utf8').split('\n');
  for (const name of PLAIN_USERS) {
    const [, , uid, gid] = lines.find((line) => line.startsWith(`${name}:`))?.split(':') ?? [];
    if (uid !== undefined && gid !== undefined) return ok({ uid: Number(uid), gid: Number(gid) });
  }
  return err({
    code: 'no_plain_user',
    message: `PostgreSQL does not run as root, and there is no user ${PLAIN_USERS.join(' or ')}.`,
    whatToDo: 'Run this as another user, or add one: useradd --system postgres.',
  });
}

/** Whether that user may go through a folder; groups beside its first one are not looked at. */
function mayEnter(folder: string, { uid, gid }: NonNullable<ServerUser>): boolean {
  const found = statSync(folder);
  if (found.uid === uid) return (found.mode & 0o100) !== 0;
  if (found.gid === gid) return (found.mode & 0o010) !== 0;
  return (found.mode & 0o001) !== 0;
}

/** Gives a folder of ours to the server's user, who must be able to reach it. */
export function giveDirectory(directory: string, user: ServerUser): Result<void, LocalPostgresError> {
  if (user === null) return ok(undefined);
  for (let folder = dirname(directory); ; folder = dirname(folder)) {
    if (!mayEnter(folder, user)) {
      return err({
        code: 'directory_out_of_reach',
        message: `PostgreSQL runs as user ${String(user.uid)}, who may not enter ${folder}.`,
        whatToDo: `Type:  chmod o+x ${folder}   or use a directory elsewhere.`,
      });
    }
    if (folder === dirname(folder)) break;
  }
  chownSync(directory, user.uid, user.gid);
  return ok(undefined);
}
