import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './build.mjs';
import { mutate } from './mutants.mjs';
import { inRoot } from './paths.mjs';
import { run } from './processes.mjs';

/**
 * A bug that the simulation must catch. Edits are as those of a mutant.
 *
 * @typedef {{ file: string, find: string, replace: string }} Edit
 * @typedef {object} Bug
 * @property {string} name - what is wrong, in a few words
 * @property {string} guards - the invariant that then no longer holds
 * @property {number} seed - one that catches it
 * @property {string} says - what the checker says of that seed
 * @property {Edit[]} edits - to the sources of the simulation's program, or of its model of Redis
 * @property {Edit[]} [inRedis] - the same in the functions that the model stands for: each alone is a bug of those
 *
 * @typedef {object} Caught
 * @property {number} seed
 * @property {number} seeds - how many were run until then
 * @property {string} says - the first violation of what the bug guards, else the first one
 * @property {number} nodes
 * @property {string} level
 * @property {number} seconds
 */

const SIMULATION = { simulation: 'libs/simulation/src/index.ts' };
/** The suites that hold the functions in Redis: what a store must do, and the model side by side with it. */
export const STORE_SUITES = [
  'libs/redis-store/src/redis-stores.redis.test.ts',
  'libs/simulation/src/model-store.redis.test.ts',
];

/** @returns {Bug[]} */
export const allBugs = () => JSON.parse(readFileSync(inRoot('scripts/bugs.json'), 'utf8'));

/**
 * @param {readonly Edit[]} edits
 * @returns {Map<string, string>} the faulty texts, by file
 */
export function editedFiles(edits) {
  const edited = new Map();
  for (const edit of edits) {
    const text = edited.get(edit.file) ?? readFileSync(inRoot(edit.file), 'utf8');
    const faulty = mutate(text, edit);
    if (faulty === undefined) throw new Error(`not exactly once in ${edit.file}: ${edit.find}`);
    edited.set(edit.file, faulty);
  }
  return edited;
}

/**
 * Below dist/, so that its programs find the packages of the clone.
 *
 * @template T
 * @param {(folder: string) => Promise<T>} work
 */
export async function inBugFolder(work) {
  mkdirSync(inRoot('dist'), { recursive: true });
  const folder = mkdtempSync(inRoot('dist/.bugs-'));
  try {
    await bundle(SIMULATION, join(folder, 'sound'));
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} folder - of {@link inBugFolder}
 * @param {Bug} bug
 * @param {{ from: number, count: number }} seeds
 * @returns {Promise<Caught | null>}
 */
export async function hunt(folder, bug, { from, count }) {
  const faulty = mkdtempSync(join(folder, 'bug-'));
  await bundle(SIMULATION, faulty, editedFiles(bug.edits));
  const programs = [faulty, join(folder, 'sound')].map((path) => join(path, 'simulation.mjs'));
  const args = [inRoot('scripts/lib/hunt.mjs'), ...programs, bug.guards, String(from), String(count)];
  const { code, output } = await run(process.execPath, args, { capture: true });
  if (code !== 0) throw new Error(`the simulation ended with ${String(code)}: ${output.trim().slice(-500)}`);
  return JSON.parse(output);
}
