import type { BenchOptions } from '../options.ts';
import { homesOf } from '../processes/server-process.ts';
import type { BenchHost } from './bench-host.ts';
import { MillraceUsers } from './millrace-users.ts';
import { runShape, type MeasuredTarget, type ShapeRun, type Timing } from './run-shape.ts';
import { runName } from './run-name.ts';
import { userNames, type Shape } from './shape.ts';
import { measuredOf, withLoad, withServers } from './targets.ts';

export const timingOf = ({ seconds, warmupSeconds }: Pick<BenchOptions, 'seconds' | 'warmupSeconds'>): Timing => ({
  warmupMs: warmupSeconds * 1_000,
  measureMs: seconds * 1_000,
});

/** Measures a shape with a load process of its own. */
export const measureShape = (
  host: BenchHost,
  options: BenchOptions,
  shape: Shape,
  run: string,
  target: MeasuredTarget,
  onPart: (name: string) => void,
): Promise<ShapeRun> => withLoad(host, (load) => runShape(shape, run, target, load, timingOf(options), onPart));

/**
 * Measures a shape on servers that are started for it, or on the one that was named, and reads everything back.
 *
 * @returns what was measured; its counts hold what is stored.
 */
export function runOnMillrace(
  host: BenchHost,
  options: BenchOptions,
  shape: Shape,
  onPart: (name: string) => void,
): Promise<ShapeRun> {
  return withServers(host, options, async (target) => {
    const run = runName();
    const users = new MillraceUsers(target);
    onPart('set-up');
    const diffusion = await users.prepare(shape, run);
    const home = shape.atHome === true ? { websockets: await homesOf(target.url, userNames(run, shape.users)) } : {};
    const on = { ...measuredOf(target, diffusion), ...home, encoding: options.encoding };
    const measured = await measureShape(host, options, shape, run, on, onPart);
    onPart('check');
    const { checked, behind } = await users.check(shape, run, measured.counts, diffusion);
    const lacking = behind.length > 0 ? [`the lists of ${behind.slice(0, 5).join(', ')} lack messages`] : [];
    return { ...measured, counts: checked, faults: [...measured.faults, ...lacking] };
  });
}
