/**
 * The fencing token of one partition. The number alone is not enough: a failover can roll a claim back, and
 * the next claim would be given the same number.
 */
export interface OwnerToken {
  /** Rises with every claim, from 1. */
  readonly epoch: number;
  /** 32 hexadecimal digits, new for every claim. */
  readonly uuid: string;
}

export const encodeOwnerToken = (token: OwnerToken): string => `${String(token.epoch)}:${token.uuid}`;
