/**
 * The steps from an empty schema to the layout of now; the record in `archive` counts those that were taken. A step that
 * was released is never changed: what comes next is a further one.
 *
 * Every key begins with the conversation, and no table refers to another one: with Citus, both tables can be distributed
 * by it, and all of a conversation is on one node. Chunks come compressed (STORAGE EXTERNAL) and stay in their rows as
 * long as they fit into a page, so that a page of messages costs no look into the TOAST table.
 */
export const migrationsOf = (schema: string): readonly string[] => [
  `
  CREATE TABLE ${schema}.span (
    conversation text COLLATE "C" NOT NULL,
    gen bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    chunks bigint NOT NULL,
    chunk_bytes bigint NOT NULL,
    PRIMARY KEY (conversation, gen)
  ) WITH (fillfactor = 80);
  CREATE TABLE ${schema}.chunk (
    conversation text COLLATE "C" NOT NULL,
    gen bigint NOT NULL,
    first bigint NOT NULL,
    bytes bytea NOT NULL,
    PRIMARY KEY (conversation, gen, first)
  ) WITH (toast_tuple_target = 8160);
  ALTER TABLE ${schema}.chunk ALTER COLUMN bytes SET STORAGE EXTERNAL;
  `,
  // The link of its last chunk: what comes next follows on it. Null while that chunk has none.
  `ALTER TABLE ${schema}.span ADD COLUMN link bytea;`,
];

/** "MRAR" and the kind of lock: whoever migrates an archive of this database holds it. */
export const MIGRATION_LOCK = [0x4d524152, 1] as const;

/** The other kind, beside a hash of the conversation: whoever begins an archived conversation holds it. */
export const BEGIN_LOCK = 0x4d524153;

/** What may stand in a statement without quotes. */
export const SCHEMA_NAME = /^[a-z_][a-z0-9_]{0,62}$/;
