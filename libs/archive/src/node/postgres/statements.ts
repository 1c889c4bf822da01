import { BEGIN_LOCK } from './schema.ts';

/** The statements, each prepared once on a connection under its name. `$1` is the conversation unless it says so. */
export function statementsOf(schema: string) {
  const named = (name: string, text: string) => ({ name: `millrace_archive_${name}`, text });
  return {
    session: named(
      'session',
      `SELECT identity, CASE WHEN current_setting('synchronous_commit') = 'off'
         THEN set_config('synchronous_commit', 'on', false) END AS set
       FROM ${schema}.archive`,
    ),
    spans: named('spans', `SELECT gen, first, last, link FROM ${schema}.span WHERE conversation = $1 ORDER BY gen`),
    /** For what has no effect on a conversation without a span. */
    lockConversation: named(
      'lock_conversation',
      `SELECT gen, first, last FROM ${schema}.span WHERE conversation = $1 ORDER BY gen FOR UPDATE`,
    ),
    /** $1 conversations. Locked in order, so that two appends cannot wait for each other. */
    lockSpans: named(
      'lock_spans',
      `SELECT conversation FROM ${schema}.span WHERE conversation = ANY($1::text[]) ORDER BY conversation, gen FOR UPDATE`,
    ),
    /** $1 conversations that have no span to lock. In order as well, and always behind `lockSpans`. */
    lockBegins: named(
      'lock_begins',
      `SELECT pg_advisory_xact_lock(${String(BEGIN_LOCK)}, key) FROM (
         SELECT DISTINCT hashtext('${schema} ' || conversation) AS key FROM unnest($1::text[]) AS conversation ORDER BY key
       ) AS begun`,
    ),
    /** $1 conversations. Behind the locks, which does not see what was begun while it waited for a lock. */
    spansOfAll: named(
      'spans_of_all',
      `SELECT conversation, gen, first, last, link FROM ${schema}.span WHERE conversation = ANY($1::text[])
       ORDER BY conversation, gen`,
    ),
    /** $1 conversations, $2 generations, $3 first seqs. */
    chunksAt: named(
      'chunks_at',
      `SELECT conversation, gen, first, bytes FROM ${schema}.chunk
       WHERE (conversation, gen, first) IN (SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[]))`,
    ),
    /** $1 conversations, $2 generations, $3 first seqs, $4 bytes. */
    addChunks: named(
      'add_chunks',
      `INSERT INTO ${schema}.chunk (conversation, gen, first, bytes)
       SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bytea[])`,
    ),
    /**
     * $1 conversations, $2 generations, $3 first and $4 last seqs of what is added, $5 chunks, $6 their bytes, $7 the link of
     * the last one. A span that does not end right before what is added is not changed, and not in the answer.
     */
    growSpans: named(
      'grow_spans',
      `INSERT INTO ${schema}.span AS held (conversation, gen, first, last, chunks, chunk_bytes, link)
       SELECT * FROM unnest(
         $1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[]
       )
       ON CONFLICT (conversation, gen) DO UPDATE
         SET last = excluded.last, link = excluded.link, chunks = held.chunks + excluded.chunks,
           chunk_bytes = held.chunk_bytes + excluded.chunk_bytes
         WHERE held.last = excluded.first - 1
       RETURNING 1`,
    ),
    /**
     * $2 and $3 the position to begin at, $4 and $5 the one to end at, $6 the limit, $7 whether forward. Each generation
     * of the range with the chunks that may be needed of it: in one statement, so that all of it is of one moment.
     */
    page: named(
      'page',
      `WITH part AS (
         SELECT gen, first, last,
           CASE WHEN $7 THEN low ELSE greatest(low, high - $6::bigint + 1) END AS low,
           CASE WHEN $7 THEN least(high, low + $6::bigint - 1) ELSE high END AS high
         FROM (
           SELECT gen, first, last,
             CASE WHEN gen = $2 THEN greatest(first, $3::bigint) ELSE first END AS low,
             CASE WHEN gen = $4 THEN least(last, $5::bigint) ELSE last END AS high
           FROM ${schema}.span WHERE conversation = $1 AND gen BETWEEN $2 AND $4
           ORDER BY CASE WHEN $7 THEN gen ELSE -gen END LIMIT $6::bigint + 2
         ) AS met
       )
       SELECT part.gen, part.first, part.last, held.first AS chunk_first, held.bytes
       FROM part LEFT JOIN LATERAL (
         SELECT first, bytes FROM ${schema}.chunk
         WHERE conversation = $1 AND chunk.gen = part.gen AND chunk.first <= part.high
           AND chunk.first >= coalesce((
             SELECT max(before.first) FROM ${schema}.chunk AS before
             WHERE before.conversation = $1 AND before.gen = part.gen AND before.first <= part.low
           ), part.low)
       ) AS held ON part.low <= part.high
       ORDER BY part.gen, held.first`,
    ),
    /** $2 generation, $3 and $4 the first and the last seq. */
    chunks: named(
      'chunks',
      `SELECT first, bytes FROM ${schema}.chunk
       WHERE conversation = $1 AND gen = $2 AND first <= $4
         AND first >= coalesce((
           SELECT max(first) FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2 AND first <= $3
         ), $3)
       ORDER BY first`,
    ),
    /** $2 generation, $3 a seq, $4 the limit: from the chunk on that holds the seq. */
    chunksFrom: named(
      'chunks_from',
      `SELECT first, bytes FROM ${schema}.chunk
       WHERE conversation = $1 AND gen = $2
         AND first >= coalesce((
           SELECT max(first) FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2 AND first <= $3
         ), $3)
       ORDER BY first LIMIT $4`,
    ),
    /** First in a transaction: all that it reads is of one moment. */
    ofOneMoment: { name: '', text: 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY' },
    /** $2 generation, $3 first seq, $4 bytes. */
    changeChunk: named(
      'change_chunk',
      `UPDATE ${schema}.chunk SET bytes = $4 WHERE conversation = $1 AND gen = $2 AND first = $3`,
    ),
    /** $2 generation, $3 by how many bytes its chunks have grown. */
    changeSpan: named(
      'change_span',
      `UPDATE ${schema}.span SET chunk_bytes = chunk_bytes + $3 WHERE conversation = $1 AND gen = $2`,
    ),
    /** $2 generation, $3 the seq whose chunk stays, and those behind it. */
    trimChunks: named(
      'trim_chunks',
      `DELETE FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2 AND first < (
         SELECT max(first) FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2 AND first <= $3
       )`,
    ),
    /** $2 generation. */
    trimSpan: named(
      'trim_span',
      `UPDATE ${schema}.span AS held SET first = left_over.first, chunks = left_over.chunks, chunk_bytes = left_over.bytes
       FROM (
         SELECT min(first) AS first, count(*) AS chunks, sum(length(bytes)) AS bytes
         FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2
       ) AS left_over
       WHERE held.conversation = $1 AND held.gen = $2 AND left_over.chunks > 0`,
    ),
    forgetChunks: named('forget_chunks', `DELETE FROM ${schema}.chunk WHERE conversation = $1 AND gen = $2`),
    forgetSpan: named('forget_span', `DELETE FROM ${schema}.span WHERE conversation = $1 AND gen = $2`),
    dropChunks: named('drop_chunks', `DELETE FROM ${schema}.chunk WHERE conversation = $1`),
    dropSpans: named('drop_spans', `DELETE FROM ${schema}.span WHERE conversation = $1`),
    identity: named('identity', `SELECT identity FROM ${schema}.archive`),
    health: named(
      'health',
      `SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`,
    ),
    stats: named(
      'stats',
      `SELECT coalesce(sum(chunks), 0) AS chunks, coalesce(sum(last - first + 1), 0) AS entries,
         coalesce(sum(chunk_bytes), 0) AS chunk_bytes,
         pg_total_relation_size('${schema}.chunk') + pg_total_relation_size('${schema}.span') AS disk_bytes
       FROM ${schema}.span`,
    ),
  } as const;
}

export type Statements = ReturnType<typeof statementsOf>;
