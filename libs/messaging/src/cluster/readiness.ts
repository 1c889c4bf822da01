/** Whether a node can answer requests now, and if not, why. */
export interface Readiness {
  readonly ok: boolean;
  readonly reasons: readonly string[];
  /** Whether it may act for its partitions, by its own clock (I10). */
  readonly holdsLease: boolean;
}

export interface ReadinessFacts {
  readonly serving: number;
  readonly owned: number;
  readonly holdsLease: boolean;
  /** Of the newest view: there is none, or it gives a partition to nobody. */
  readonly hasUnowned: boolean;
  readonly isStopping: boolean;
}

export function readinessOf({ serving, owned, holdsLease, hasUnowned, isStopping }: ReadinessFacts): Readiness {
  const reasons: string[] = [];
  if (serving < owned) reasons.push(`${String(serving)} of ${String(owned)} partitions serve`);
  if (!holdsLease) reasons.push('the lease of this node has run out');
  if (hasUnowned) reasons.push('there are partitions without an owner');
  if (isStopping) reasons.push('the node is stopping');
  return { ok: reasons.length === 0, reasons, holdsLease };
}
