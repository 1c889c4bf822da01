import { whole } from './figures.ts';
import { alignedRows } from './text-table.ts';

/** Of one shape. */
export interface ProfileFigures {
  readonly ackedPerSecond: number;
  /** CPU time of a message, microseconds. */
  readonly nodeMicros: number;
  readonly redisMicros: number;
  /** Of the server's, by step. */
  readonly steps: Readonly<Record<string, number>>;
}

/** A column for each shape, the dearest steps of the first one above. */
export function profileLines(shapes: Readonly<Record<string, ProfileFigures>>): readonly string[] {
  const names = Object.keys(shapes);
  const all = names.flatMap((name) => shapes[name] ?? []);
  const steps = [...new Set(all.flatMap((one) => Object.keys(one.steps)))];
  const cost = (step: string): number => all[0]?.steps[step] ?? 0;
  steps.sort((one, other) => cost(other) - cost(one));
  const row = (name: string, of: (one: ProfileFigures) => number): string[] => [
    name,
    ...all.map((one) => of(one).toFixed(1)),
  ];
  return alignedRows([
    ['us a message, saturated', ...names],
    ...steps.map((step) => row(step, (one) => one.steps[step] ?? 0)),
    row('the server, all', ({ nodeMicros }) => nodeMicros),
    row('Redis', ({ redisMicros }) => redisMicros),
    ['acked/s', ...all.map(({ ackedPerSecond }) => whole(ackedPerSecond))],
  ]);
}
