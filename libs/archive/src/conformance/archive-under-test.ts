import type { ArchiveStore, ChunkKey } from '../archive-store.ts';

/** One empty archive behind its port. */
export interface ArchiveUnderTest {
  readonly archive: ArchiveStore;
  /** Closes what is open, and opens another one on what was stored. */
  reopen(): Promise<ArchiveStore>;
  close(): Promise<void>;
}

/** Opens an archive that holds nothing yet. Called for each test. */
export type OpenArchive = () => Promise<ArchiveUnderTest>;

/** What may become of a stored chunk behind the archive's back. */
export type Damage =
  | { readonly kind: 'bit flipped'; readonly atByte: number }
  | { readonly kind: 'cut short' }
  | { readonly kind: 'gone' }
  /** Written anew by somebody who knows how, with one byte of an entry changed. */
  | { readonly kind: 'rewritten'; readonly entry: number }
  | { readonly kind: 'in the place of'; readonly other: ChunkKey };

/** An archive whose stored bytes a test may change behind its back. */
export interface DamageableArchive extends ArchiveUnderTest {
  damage(chunk: ChunkKey, damage: Damage): Promise<void>;
  /** All that is stored, as bytes, to look for what must not be there any more. */
  storedBytes(): Promise<Uint8Array>;
}

export type OpenDamageableArchive = () => Promise<DamageableArchive>;
