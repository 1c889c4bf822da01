/**
 * How the entries of a conversation reach its members. `write`: each goes into each member's inbox. `read`: it does not;
 * members' devices pull it from the conversation.
 */
export type DiffusionMode = 'write' | 'read';

/** Numbers of members. `writeBelow <= readAbove`: what lies between leaves the mode as it is. */
export interface DiffusionLimits {
  /** With more members than this a conversation goes over to `read`. */
  readonly readAbove: number;
  /** With fewer members than this it goes back to `write`. */
  readonly writeBelow: number;
}

/** The mode of a conversation that is in `mode` and now has so many members. */
export function nextMode(mode: DiffusionMode, memberCount: number, limits: DiffusionLimits): DiffusionMode {
  if (memberCount > limits.readAbove) return 'read';
  if (memberCount < limits.writeBelow) return 'write';
  return mode;
}
