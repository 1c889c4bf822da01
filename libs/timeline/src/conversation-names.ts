import type { ConversationId } from '@millrace/kernel';

/** Some of the conversations that a store holds, in no order; one may be told twice. */
export interface NamesPage {
  readonly conversations: readonly ConversationId[];
  /** Where to go on; null when all were told. */
  readonly next: string | null;
}

/**
 * Goes through all conversations that are stored, a bounded step at a time, whether anything of them is hot or not. One that
 * is there from the first step to the last is told at least once; what comes or goes meanwhile may be.
 */
export interface ConversationNames {
  /**
   * Rejects with StoreUnavailable when the store cannot be asked.
   *
   * @param cursor - null to begin.
   * @returns null when the cursor is of no use any more: the store is not the one that gave it. Begin again.
   */
  page(cursor: string | null): Promise<NamesPage | null>;
}
