import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { root } from './paths.mjs';

/**
 * Every child leads a process group of its own, so that what it starts in turn can be ended with it, by id. An
 * interrupt from the terminal then reaches only this script, which passes it on.
 *
 * @type {Set<number>}
 */
const groups = new Set();

/** Enough for a server to drain. */
const GRACE_MS = 10_000;

/**
 * @typedef {object} RunOptions
 * @property {NodeJS.ProcessEnv} [env] - the whole environment; by default this process's
 * @property {string} [cwd] - by default the root of the clone
 * @property {boolean} [capture] - keep the output instead of showing it
 *
 * @param {string} command
 * @param {readonly string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ code: number, output: string }>} 127 when it could not start, 128 when a signal ended it
 */
export function run(command, args, options = {}) {
  return new Promise((resolve) => {
    const capture = options.capture === true;
    const child = spawn(command, args, {
      cwd: options.cwd ?? root,
      env: options.env ?? process.env,
      detached: true,
      stdio: capture ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
    });
    const { pid } = child;
    if (pid !== undefined) groups.add(pid);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        output += chunk.toString('utf8');
      });
    }
    child.on('error', (error) => {
      resolve({ code: 127, output: error.message });
    });
    child.on('close', (code) => {
      if (pid !== undefined && !groupIsAlive(pid)) groups.delete(pid);
      resolve({ code: code ?? 128, output });
    });
  });
}

/**
 * Calls `orphaned` once the process that started this one is gone: `npm` that is killed, or told to end, may leave its
 * script behind without a word.
 *
 * @param {() => void} orphaned
 */
export function watchParent(orphaned) {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    orphaned();
  }, 250);
  timer.unref();
}

/** @param {number} group */
function groupIsAlive(group) {
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

/**
 * @param {number} target - a pid, or a negative group
 * @param {NodeJS.Signals} signal
 */
function send(target, signal) {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended by itself.
  }
}

/** @param {() => boolean} condition */
async function within(condition, msMax = GRACE_MS) {
  const deadlineMs = performance.now() + msMax;
  while (!condition()) {
    if (performance.now() > deadlineMs) return false;
    await sleep(20);
  }
  return true;
}

/**
 * Ends every group that is left: asks first, then kills.
 *
 * @param {NodeJS.Signals} [signal]
 * @param {number} [graceMs] - how long a group may take to end by itself
 */
export async function endAll(signal = 'SIGTERM', graceMs = GRACE_MS) {
  for (const group of groups) send(-group, signal);
  const gone = () => [...groups].every((group) => !groupIsAlive(group));
  if (!(await within(gone, graceMs))) {
    for (const group of groups) send(-group, 'SIGKILL');
    await within(gone);
  }
  groups.clear();
}

/** Sends a signal on to every group. @param {NodeJS.Signals} signal */
export function passOn(signal) {
  for (const group of groups) send(-group, signal);
}

/**
 * Processes that carry `name=value` in their environment: whatever was started below a marked process, even in a
 * session of its own. Where there is no /proc, none are found.
 *
 * @param {string} name
 * @param {string} value
 */
export function processesMarked(name, value) {
  /** @type {{ pid: number, command: string }[]} */
  const found = [];
  /** @type {string[]} */
  let entries = [];
  try {
    entries = readdirSync('/proc').filter((entry) => /^\d+$/.test(entry));
  } catch {
    return found;
  }
  for (const entry of entries) {
    const pid = Number(entry);
    if (pid === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, 'utf8').split('\0');
      if (!environment.includes(`${name}=${value}`)) continue;
      found.push({ pid, command: readFileSync(`/proc/${entry}/cmdline`, 'utf8').replaceAll('\0', ' ').trim() });
    } catch {
      // It has ended in between, or is not ours to see.
    }
  }
  return found;
}

/**
 * Waits for marked processes to end by themselves, kills those that do not, and names them.
 *
 * @param {string} name
 * @param {string} value
 */
export async function endMarked(name, value, msMax = 5_000) {
  await within(() => processesMarked(name, value).length === 0, msMax);
  const left = processesMarked(name, value);
  for (const { pid } of left) send(pid, 'SIGKILL');
  return left;
}
