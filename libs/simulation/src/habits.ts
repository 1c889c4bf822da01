/** What devices and their users do. */
export interface Habits {
  /** How many times longer devices rest between two things that they do. */
  readonly calm: number;
  /** How many of the leaves happen that are due, 0 to 1. */
  readonly churn: number;
  /** Users mute and ban each other, and the backend does. */
  readonly order: boolean;
  /** Devices take what comes over their sockets, and tell syncs so. */
  readonly follows: boolean;
}
