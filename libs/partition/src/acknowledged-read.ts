import { err, ok, type Result } from '@millrace/kernel';
import type { Refusal } from './partition-owner-parts.ts';
import type { ActorRecord, StoreError } from './partition-store.ts';

export interface AcknowledgedReadParts {
  /** Whether the partition is owned, and nothing is in doubt of what is stored of it. */
  serves(): boolean;
  /** Whether the actor is in memory: what is stored of it may then not be acknowledged yet. */
  isInMemory(): boolean;
  load(): Promise<Result<ActorRecord, StoreError>>;
}

/**
 * Reads what is stored of an actor without activating it, and only what was acknowledged (I1): an actor that is not in
 * memory equals its record.
 *
 * @returns null when the actor is in memory, and is to be asked itself.
 */
export async function readAcknowledged(parts: AcknowledgedReadParts): Promise<Result<ActorRecord | null, Refusal>> {
  const unowned: Refusal = { code: 'unavailable', message: 'the partition is not served at the moment; try again' };
  if (!parts.serves()) return err(unowned);
  if (parts.isInMemory()) return ok(null);
  const record = await parts.load();
  if (!parts.serves()) return err(unowned);
  if (!record.ok) return err({ code: 'unavailable', message: record.error.message });
  // It may have come into memory meanwhile, and have written what is not acknowledged.
  return ok(parts.isInMemory() ? null : record.value);
}
