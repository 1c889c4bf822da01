export { archiveConformance, archiveDamageConformance } from './archive-conformance.ts';
export type {
  ArchiveUnderTest,
  Damage,
  DamageableArchive,
  OpenArchive,
  OpenDamageableArchive,
} from './archive-under-test.ts';
