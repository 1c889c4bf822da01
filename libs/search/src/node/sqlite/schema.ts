/** Written into the head of the file, where `file` and others read whose it is: "MRSE". */
export const APPLICATION_ID = 0x4d525345;

/**
 * The steps from an empty file to the layout of now.
 *
 * A message's id is the number of its block times 2^20, plus what its seq is within the block: the messages of a
 * conversation lie side by side, in `words` as in `message`, so that an interval of seqs is an interval of ids. A block
 * holds 2^20 seqs of one conversation, which is all of nearly every one.
 *
 * `words` keeps no text: it takes tokens that are made before, one a word or two characters, and tells of ids.
 * Its `prefix` index of one character finds single characters of runs, that of three what is being typed.
 */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE cursor (
    partition INTEGER PRIMARY KEY,
    value TEXT NOT NULL
  ) STRICT;
  CREATE TABLE conversation (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    gen INTEGER NOT NULL,
    through INTEGER NOT NULL,
    cuts TEXT NOT NULL
  ) STRICT;
  CREATE TABLE block (
    no INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    high INTEGER NOT NULL,
    UNIQUE (conversation, high)
  ) STRICT;
  CREATE TABLE sender (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE
  ) STRICT;
  CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    gen INTEGER NOT NULL,
    rev INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    sender INTEGER,
    type TEXT,
    at INTEGER,
    length INTEGER
  ) STRICT;
  CREATE INDEX message_sender ON message (sender) WHERE sender IS NOT NULL;
  CREATE TABLE tag (
    message INTEGER NOT NULL,
    name TEXT NOT NULL,
    value ANY NOT NULL,
    PRIMARY KEY (message, name, value)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX tag_value ON tag (name, value, message);
  CREATE VIRTUAL TABLE words USING fts5 (tokens, content = '', contentless_delete = 1, tokenize = 'ascii', prefix = '1 3');
  `,
];

export const PAGE_BYTES = 4_096;

/** Seqs in a block. */
export const BLOCK_SEQS = 2 ** 20;
