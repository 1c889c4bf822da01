import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** A step that has come to its end. */
export interface StepDone {
  readonly at: string;
  readonly args: readonly string[];
  readonly seconds: number;
  /** Whether it ended with exit code 0. */
  readonly ok: boolean;
}

/** What is done of a suite. It is gone on with as long as it is of the same sources and settings. */
export interface SuiteState {
  readonly commit: string | null;
  /** What was asked for beside the settings of each step. */
  readonly given: readonly string[];
  readonly long: boolean;
  /** Over one minute, each time that it was started: what else the machine had to do. */
  readonly loadAverages: readonly number[];
  readonly steps: Readonly<Record<string, StepDone>>;
}

/** Null when there is none, or it cannot be read: then nothing is done yet. */
export function readSuite(path: string): SuiteState | null {
  if (!existsSync(path)) return null;
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as SuiteState;
  } catch {
    return null;
  }
}

/** At once, so that one that is ended meanwhile leaves the former. */
export function writeSuite(path: string, state: SuiteState): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.next`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${path}.next`, path);
}

type Asked = Pick<SuiteState, 'commit' | 'given' | 'long'>;

const isSame = (left: Asked, right: Asked): boolean =>
  left.commit === right.commit && left.long === right.long && left.given.join(' ') === right.given.join(' ');

/**
 * What is gone on with.
 *
 * @param names - of all steps that are wanted. When all of them are done, it begins anew.
 * @param isAnew - begin anew in any case.
 */
export function resumed(
  former: SuiteState | null,
  asked: Asked & { readonly loadAverage: number },
  names: readonly string[],
  isAnew: boolean,
): SuiteState {
  const { commit, given, long, loadAverage } = asked;
  const isOver = (state: SuiteState): boolean => names.every((name) => state.steps[name]?.ok === true);
  if (isAnew || former === null || !isSame(former, asked) || isOver(former)) {
    return { commit, given, long, loadAverages: [loadAverage], steps: {} };
  }
  return { ...former, loadAverages: [...former.loadAverages, loadAverage] };
}

/** What is left to do: what failed is done again. */
export const stepsLeft = <T extends { readonly name: string }>(steps: readonly T[], state: SuiteState): readonly T[] =>
  steps.filter(({ name }) => state.steps[name]?.ok !== true);

/** Of a machine with nothing else to do, before the suite itself began. */
const QUIET_LOAD_MAX = 0.5;

/** Why the figures are none for the documentation; null when they are. */
export function whyNotPublished(state: SuiteState, names: readonly string[], all: readonly string[]): string | null {
  if (state.given.length > 0) return `it was run with settings of its own: ${state.given.join(' ')}`;
  const missing = all.filter((name) => !names.includes(name));
  if (missing.length > 0) return `not all of it was run: ${missing.join(', ')} are missing`;
  const failed = names.filter((name) => state.steps[name]?.ok !== true);
  if (failed.length > 0) return `not all went well: ${failed.join(', ')}`;
  const busy = Math.max(...state.loadAverages);
  if (busy > QUIET_LOAD_MAX) {
    return `the machine was busy when it began: a load average of ${busy.toFixed(1)}, and at most ${String(QUIET_LOAD_MAX)} is quiet`;
  }
  if (state.commit === null || state.commit.endsWith('+')) return 'the sources are not those of a commit';
  return null;
}
