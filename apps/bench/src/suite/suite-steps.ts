import type { Workload } from '../options.ts';

/** One workload of the suite, with the settings that it has there. */
export interface SuiteStep {
  readonly name: string;
  readonly workload: Exclude<Workload, 'all'>;
  readonly args: readonly string[];
  /** About how long it takes on two cores, for who waits. */
  readonly minutes: number;
}

const timing = (rounds: number, seconds: number, warmup: number): readonly string[] => [
  ...['--rounds', String(rounds), '--seconds', String(seconds), '--warmup', String(warmup)],
];

/** Rounds enough for a median where a target is held against it, and seconds few enough for all of it in 40 minutes. */
const STEPS: readonly SuiteStep[] = [
  { name: 'direct', workload: 'direct', args: timing(5, 3, 2), minutes: 4.7 },
  { name: 'group', workload: 'group', args: timing(5, 3, 1), minutes: 3.3 },
  { name: 'disk', workload: 'disk', args: timing(5, 3, 2), minutes: 1.4 },
  { name: 'replicated', workload: 'replicated', args: timing(3, 3, 2), minutes: 1 },
  // Two nodes share the cores with all the rest, and take longer until their code is compiled.
  { name: 'scale-out', workload: 'scale-out', args: timing(3, 3, 6), minutes: 1.6 },
  { name: 'commit', workload: 'commit', args: timing(5, 2, 0.5), minutes: 0.7 },
  { name: 'memory', workload: 'memory', args: timing(1, 10, 0.5), minutes: 0.4 },
  { name: 'profile', workload: 'profile', args: timing(1, 4, 1), minutes: 0.5 },
  { name: 'growth', workload: 'growth', args: timing(2, 2, 0.5), minutes: 4.3 },
  { name: 'idle', workload: 'idle', args: timing(3, 5, 0.5), minutes: 3.3 },
  { name: 'sync', workload: 'sync', args: timing(3, 1, 0.5), minutes: 2.4 },
  { name: 'lobby', workload: 'lobby', args: timing(2, 3, 1), minutes: 1.1 },
  { name: 'huge-group', workload: 'huge-group', args: timing(1, 4, 1), minutes: 1.3 },
  { name: 'replay', workload: 'replay', args: timing(1, 3, 0.5), minutes: 1.9 },
  { name: 'history', workload: 'history', args: ['--rounds', '3', '--scale', '0.2'], minutes: 1.1 },
  { name: 'search', workload: 'search', args: ['--rounds', '1', '--scale', '0.2'], minutes: 0.5 },
  { name: 'failover', workload: 'failover', args: ['--rounds', '1'], minutes: 5.4 },
  { name: 'peers', workload: 'peers', args: timing(3, 3, 1), minutes: 3.8 },
];

/** What takes long beside: it replaces the step of the same name, or comes behind all others. */
const LONG_STEPS: readonly SuiteStep[] = [
  { name: 'idle', workload: 'idle', args: [...timing(3, 5, 0.5), '--long'], minutes: 12 },
  { name: 'huge-group', workload: 'huge-group', args: timing(5, 4, 1), minutes: 15 },
  { name: 'lobby', workload: 'lobby', args: timing(5, 5, 2), minutes: 8 },
  { name: 'crossing', workload: 'crossing', args: timing(3, 1.5, 0.5), minutes: 15 },
  { name: 'burst', workload: 'burst', args: timing(3, 3, 1), minutes: 9 },
  { name: 'growth', workload: 'growth', args: [...timing(3, 4, 1), '--long'], minutes: 40 },
  { name: 'history', workload: 'history', args: ['--rounds', '1'], minutes: 3 },
  { name: 'search', workload: 'search', args: ['--rounds', '1', '--long'], minutes: 20 },
];

/** @param only - names; empty for all. @throws for a name that is none. */
export function suiteSteps(isLong: boolean, only: readonly string[]): readonly SuiteStep[] {
  const long = isLong ? LONG_STEPS : [];
  const all = [
    ...STEPS.map((step) => long.find(({ name }) => name === step.name) ?? step),
    ...long.filter(({ name }) => !STEPS.some((step) => step.name === name)),
  ];
  const unknown = only.filter((name) => !all.some((step) => step.name === name));
  if (unknown.length > 0) {
    throw new Error(`The suite has no ${unknown.join(', ')}; it has ${all.map(({ name }) => name).join(', ')}.`);
  }
  return only.length === 0 ? all : all.filter(({ name }) => only.includes(name));
}

export const minutesOf = (steps: readonly SuiteStep[]): number => steps.reduce((sum, { minutes }) => sum + minutes, 0);
