/** Written into the head of the file, where `file` and others read whose it is: "MRAR". */
export const APPLICATION_ID = 0x4d524152;

/**
 * The steps from an empty file to the layout of now; `user_version` counts those that were taken. A step that was
 * released is never changed: what comes next is a further one.
 *
 * A chunk's row is found by its span, a small number, and its first seq. It is no row of the index itself (WITHOUT
 * ROWID): with some kilobytes in each, that index would be deep.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE archive (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    identity TEXT NOT NULL
  ) STRICT;
  CREATE TABLE span (
    id INTEGER PRIMARY KEY,
    conversation TEXT NOT NULL,
    gen INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    chunks INTEGER NOT NULL,
    chunk_bytes INTEGER NOT NULL,
    UNIQUE (conversation, gen)
  ) STRICT;
  CREATE TABLE chunk (
    id INTEGER PRIMARY KEY,
    span INTEGER NOT NULL,
    first INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    UNIQUE (span, first)
  ) STRICT;
  `,
  // The link of its last chunk: what comes next follows on it. Null while that chunk has none.
  'ALTER TABLE span ADD COLUMN link BLOB;',
];

/** Most chunks of 50 messages fit into one page of this size, and need no chain of overflow pages. */
export const PAGE_BYTES = 8_192;
