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
 */
export function isInstalled() {
  const wanted = lockedPackages(inRoot('package-lock.json'));
  const present = lockedPackages(inRoot('node_modules', '.package-lock.json'));
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
 * @param {{ quiet?: boolean }} [options] - quiet: say nothing unless it fails
 */
export async function ensureInstalled(options = {}) {
  if (isInstalled()) return;
  const quiet = options.quiet === true;
  if (!quiet) console.log('• installing dependencies (npm ci); a minute or two the first time');
  const startedMs = performance.now();
  const beat = setInterval(() => {
    if (!quiet) console.log(`  … still installing, ${Math.round((performance.now() - startedMs) / 1000)} s`);
  }, 10_000);
  // The npm that runs us, when one does: PATH may hold another.
  const npm = process.env['npm_execpath'];
  const [command, first] = npm?.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []];
  const { code, output } = await run(command, [...first, 'ci', '--no-audit', '--no-fund'], { capture: true });
  clearInterval(beat);
  if (code !== 0) {
    console.error(output);
    throw new Error('npm ci failed; its output is above. It needs the npm registry.');
  }
  if (!quiet) console.log(`  installed in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
}
