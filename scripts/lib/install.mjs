import { existsSync, readFileSync } from 'node:fs';
import { inRoot } from './paths.mjs';
import { run } from './processes.mjs';

/**
 * @typedef {{ version?: string, optional?: boolean, link?: boolean, resolved?: string }} LockedPackage
 * @param {string} path
 * @returns {Record<string, LockedPackage> | undefined}
 */
function lockedPackages(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

/**
 * Whether node_modules holds what package-lock.json says. Compared by content: a checkout changes the times of files
 * that did not change.
 *
 * @param {string} [folder] - where both are, from the root
 */
export function isInstalled(folder = '.') {
  const wanted = lockedPackages(inRoot(folder, 'package-lock.json'));
  const present = lockedPackages(inRoot(folder, 'node_modules', '.package-lock.json'));
  if (wanted === undefined || present === undefined) return false;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (path === '') return true;
    const installed = present[path];
    // A package for another platform is optional, and is left out.
    if (installed === undefined) return optional === true;
    return installed.version === version && installed.link === link;
  });
}

/**
 * Runs `npm ci` when it is needed.
 *
 * @param {{ quiet?: boolean, folder?: string, what?: string }} [options] - quiet: say nothing unless it fails; folder: with a
 *   package-lock.json of its own, from the root; what: how its packages are called
 */
export async function ensureInstalled(options = {}) {
  const { folder = '.', what = 'dependencies' } = options;
  if (isInstalled(folder)) return;
  const quiet = options.quiet === true;
  if (!quiet) console.log(`• installing ${what} (npm ci); a minute or two the first time`);
  const startedMs = performance.now();
  const beat = setInterval(() => {
    if (!quiet) console.log(`  … still installing, ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }, 10_000);
  // The npm that runs us, when one does: PATH may hold another.
  const npm = process.env['npm_execpath'];
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const args = [...first, 'ci', '--no-audit', '--no-fund', '--prefix', inRoot(folder)];
  const { code, output } = await run(command, args, { capture: true });
  clearInterval(beat);
  if (code !== 0) {
    console.error(output);
    throw new Error('npm ci failed; its output is above. It needs the npm registry.');
  }
  if (!quiet) console.log(`  installed in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
