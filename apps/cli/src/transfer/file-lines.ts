/** Any line of an export. Which it is, its first field tells: see docs/import-export.md. */
export type Line = Readonly<Record<string, unknown>>;

export const EXPORT_VERSION = 1;

/** The first line of a file. It says nothing of when or where, so that the same conversations are the same bytes. */
export const headerLine: Line = { millrace: 'export', version: EXPORT_VERSION };

/** The last one: a file without it was cut off. */
export const footerLine = (conversations: number): Line => ({ millrace: 'end', conversations });

/** What is wrong with the first line of a file; null for nothing. */
export function headerProblem(line: unknown): string | null {
  const { millrace, version } = (line ?? {}) as Line;
  if (millrace !== 'export')
    return 'it must be {"millrace":"export","version":1}: is this an export? (--corpus reads a corpus)';
  return version === EXPORT_VERSION ? null : `version ${String(version)} is not known to this program: use a newer one`;
}
