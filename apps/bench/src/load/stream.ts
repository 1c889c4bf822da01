import type { LoadPlan } from './load-plan.ts';

/** A message that was sent: when it was due, microseconds, and what it waits for. */
export interface Pending {
  readonly due: number;
  acked: boolean;
  deliveriesLeft: number;
}

/** What one sender writes. */
export interface Stream {
  readonly index: number;
  readonly sender: number;
  readonly deliveries: number;
  n: number;
  readonly pending: Map<number, Pending>;
  /** When messages were due that wait for room in the window, microseconds. */
  waiting: number[];
  resends: number;
  /** Sent, and neither acknowledged nor refused yet. */
  inFlight: number;
  /** Something was refused: nothing is sent before that is. */
  rewinding: boolean;
  dead: boolean;
}

export const newStream = ({ sender, deliveries }: LoadPlan['streams'][number], index: number): Stream => ({
  ...{ index, sender, deliveries, n: 0, pending: new Map(), waiting: [] },
  ...{ resends: 0, inFlight: 0, rewinding: false, dead: false },
});
