import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './paths.mjs';

const NOT_SOURCE = new Set(['node_modules', 'dist', '.git', '.nx', '.millrace', 'coverage', 'reports']);

/**
 * Every file of the project below `directory`, as paths from the root, sorted. Walks the disk and not git's list: a
 * bare machine has no git.
 *
 * @param {string} [directory]
 * @returns {string[]}
 */
export function sourceFiles(directory = root) {
  /** @type {string[]} */
  const files = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (NOT_SOURCE.has(entry.name)) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) files.push(...sourceFiles(path));
    else if (entry.isFile()) files.push(relative(root, path));
  }
  return files.sort();
}
