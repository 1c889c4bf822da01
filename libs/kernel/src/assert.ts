/** A bug of ours, never an error of the world. Only the supervisor of actors catches it. */
export class InvariantViolation extends Error {
  override readonly name = 'InvariantViolation';
}

/** @throws InvariantViolation when `condition` does not hold. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantViolation(message);
}

/** For the `default` of a switch over a union: a compile error when a case is missing. */
export function unreachable(value: never): never {
  throw new InvariantViolation(`unreachable value: ${JSON.stringify(value)}`);
}
