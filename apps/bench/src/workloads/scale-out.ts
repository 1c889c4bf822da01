import type { MeasureFindings } from '../report/findings.ts';
import { comparedSides } from './compared-sides.ts';

/**
 * Two nodes on two masters beside one of each, every node with as many users: where they share the cores, the CPU time of a
 * message tells what a second machine would bring.
 */
export const measureScaleOut: MeasureFindings = (options, host) =>
  comparedSides(
    options,
    host,
    { name: 'one node', options: { nodes: 1, masters: 1 } },
    { name: 'two nodes', options: { nodes: 2, masters: 2 }, shape: { atHome: true }, times: 2 },
    ['Machines of their own: all nodes and masters share the cores, so that only the CPU time of a message compares.'],
  );
