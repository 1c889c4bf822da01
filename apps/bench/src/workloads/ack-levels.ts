import type { AckLevel } from '../options.ts';
import type { MeasureFindings } from '../report/findings.ts';
import { comparedSides } from './compared-sides.ts';

/** An ack level beside the least one. */
const beside =
  (level: AckLevel, notMeasured: string): MeasureFindings =>
  (options, host) =>
    comparedSides(
      options,
      host,
      { name: 'memory', options: { ackLevel: 'memory' } },
      { name: level, options: { ackLevel: level } },
      [notMeasured],
    );

export const measureDisk = beside(
  'disk',
  'A disk of its own: what an fsync takes is that of the disk that the temporary directory is on.',
);

export const measureReplicated = beside(
  'replicated',
  'A network between Redis and its replica, and a machine for each: they share the cores with all else.',
);
