import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './paths.mjs';

const NOT_SOURCE = new Set(['node_modules', 'dist', '.git', '.nx', '.millrace', 'coverage', 'reports']);

/**
 * Every file of the project, as paths from its root, sorted. Walks the disk and not git's list: a bare machine has no
 * git.
 *
 * @param {string} [base] - by default this clone
 * @param {string} [directory] - only below this one
 * @returns {string[]}
 */
export function sourceFiles(base = root, directory = base) {
  /** @type {string[]} */
  const files = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (NOT_SOURCE.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...sourceFiles(base, path));
    else if (entry.isFile()) files.push(relative(base, path));
  }
  return files.sort();
}
