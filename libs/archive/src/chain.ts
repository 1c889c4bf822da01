import { sequenceId } from '@millrace/kernel';
import type { GenerationSpan, Position } from '@millrace/timeline';

/*
 * The chain of a conversation: each archived chunk is bound to its own entries and to the chunk before it, so that nothing
 * of it can be changed, left out or put elsewhere without that this shows, and an entry can be erased all the same
 * (docs/adr/0012-hash-chain.md).
 */

/** Bytes of a link, and of what an erased entry leaves behind. */
export const LINK_BYTES = 32;
/** Bytes of the salt of one entry: so many that nobody guesses an entry by what was made of it. */
export const SALT_BYTES = 16;
/** Before the first chunk that is bound. */
export const NO_LINK: Uint8Array = new Uint8Array(LINK_BYTES);

/**
 * What blinds the entries of a chunk. As long as all of them are there, one secret, of which the salt of each follows.
 * From the first erasure on the secret is gone, and each entry has what is its own: its salt, or, when it was erased, its leaf,
 * which is all that is left of it. `left` binds what stands in the place of the erased ones.
 */
export type Blinding =
  | { readonly kind: 'whole'; readonly secret: Uint8Array }
  | { readonly kind: 'erased'; readonly each: readonly Uint8Array[]; readonly left: Uint8Array };

/** What binds an archived chunk. */
export interface ChunkSeal {
  /** The link of what stands before it; {@link NO_LINK} where that was nothing. */
  readonly before: Uint8Array;
  /** Of `before`, of where the chunk stands, and of each of its entries. An erasure does not change it. */
  readonly link: Uint8Array;
  readonly blinding: Blinding;
}

/** One chunk, and whether the chain holds there. Links as 64 hexadecimal digits. */
export interface ChainedChunk extends GenerationSpan {
  /** What it says that stands before it; null for one that was archived without a seal. */
  readonly before: string | null;
  readonly link: string | null;
  /** Those of its entries that were erased, rising. */
  readonly erased: readonly Position['seq'][];
  /** What is wrong there, in words; null for nothing. */
  readonly fault: string | null;
}

/** A part of a chain, from its beginning to its end. */
export interface ChainPage {
  readonly chunks: readonly ChainedChunk[];
  /** The last entry that was looked at, where there is more; null at the end. */
  readonly next: Position | null;
}

/** A page of a chain has at most this many chunks. */
export const CHAIN_CHUNKS_MAX = 1_000;

/**
 * Where the Timeline of what begins at `first` in generation `gen` stood before: the newest earlier generation that has the seq
 * before it. An archive grows at its end only and is trimmed from its beginning on, so that this stays the same, or is gone.
 */
export function continuedFrom<Span extends GenerationSpan>(
  archived: readonly Span[],
  { gen, first }: Pick<GenerationSpan, 'gen' | 'first'>,
): { readonly span: Span; readonly seq: Position['seq'] } | null {
  const seq = sequenceId(first - 1);
  const span = archived.findLast((each) => each.gen < gen && each.first <= seq && each.last >= seq);
  return span === undefined ? null : { span, seq };
}
