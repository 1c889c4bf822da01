import type { ConversationId, Generation } from '@millrace/kernel';
import type { Unconfirmed, UserItem } from './commands.ts';
import type { Concern, Progress, UserState } from './user-state.ts';

/** The newest generations of partitions, as far as they are known on this node. */
export interface KnownGenerations {
  /** Rises with each that is learned of; 0 while no partition is known to have lost anything. */
  readonly version: number;
  /** Of the partition in which the conversation lives. */
  newest(conversation: ConversationId): Generation;
}

/** Whether a conversation has to be asked whether it still knows of a progress. */
export type Doubts = (conversation: ConversationId, progress: Progress) => boolean;

export const nothingDoubted: Doubts = () => false;

/**
 * Knows which of a user's conversations have to be asked. As long as no partition has begun a new generation this is
 * nothing, and costs nothing.
 */
export class Confirmation {
  readonly #state: UserState;
  readonly #known: KnownGenerations;
  /** With these everything was confirmed; -1 when that is not known. */
  #confirmedWith = -1;

  constructor(state: UserState, known: KnownGenerations) {
    this.#state = state;
    this.#known = known;
  }

  get doubts(): Doubts {
    if (this.#known.version === 0) return nothingDoubted;
    const ownGen = this.#state.head.value.gen;
    return (conversation, { confirmedGen, confirmedIn }) =>
      confirmedIn < ownGen || confirmedGen < this.#known.newest(conversation);
  }

  /** All that have to be asked. */
  unconfirmed(): readonly Unconfirmed[] {
    const { version } = this.#known;
    if (version === 0 || this.#confirmedWith === version) return [];
    const unconfirmed = this.#among(this.#state.listed.keys());
    if (unconfirmed.length === 0) this.#confirmedWith = version;
    return unconfirmed;
  }

  /** @returns whether something has to be asked of what the user was just told. */
  isDoubted(items: readonly UserItem[]): boolean {
    if (this.#known.version === 0) return false;
    const told = items.map((item) => (item.d === 'messages' ? item.facts.conversation : item.conversation));
    if (this.#among(told).length === 0) return false;
    this.restart();
    return true;
  }

  /** What was told last was undone. */
  restart(): void {
    this.#confirmedWith = -1;
  }

  #among(conversations: Iterable<ConversationId>): readonly Unconfirmed[] {
    const { listed, progress } = this.#state;
    const { doubts } = this;
    const unconfirmed: Unconfirmed[] = [];
    for (const conversation of conversations) {
      const slot = listed.get(conversation)?.slot ?? 0;
      const found = progress.get(slot);
      if (found !== undefined && doubts(conversation, found)) {
        unconfirmed.push(unconfirmedOf(conversation, found, this.#state.concern(slot)));
      }
    }
    return unconfirmed;
  }
}

/** What a conversation is asked about, with what the user knows of it before. */
export function unconfirmedOf(
  conversation: ConversationId,
  { readSeq }: Progress,
  { gone: { seqs } }: Pick<Concern, 'gone'>,
): Unconfirmed {
  return { conversation, readSeq, gone: seqs };
}
