import type { LatencySummary } from '../measure/latency.ts';

// Figures as people read them: `-` where there is none.

type Figure = number | null | undefined;

const isNone = (value: Figure): value is null | undefined => value === null || value === undefined;

export const whole = (value: Figure): string => (isNone(value) ? '-' : Math.round(value).toLocaleString('en-US'));

export const fine = (value: Figure, digits: number): string => (isNone(value) ? '-' : value.toFixed(digits));

export const latencyText = (latency: LatencySummary | null | undefined): string =>
  latency === null || latency === undefined ? '-' : `p50 ${fine(latency.p50, 2)} ms, p99 ${fine(latency.p99, 2)} ms`;

/** How many times the floor; null where either is missing, or the floor is nothing. */
export const times = (value: Figure, floor: Figure): number | null =>
  isNone(value) || isNone(floor) || floor === 0 ? null : value / floor;
