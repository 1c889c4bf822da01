import { err, invariant, ok, type ConversationId, type Generation } from '@millrace/kernel';
import type { GenerationSpan } from '@millrace/timeline';
import { judgeAppend, judgeRepeat } from '../../append-decision.ts';
import type { AppendOutcome, ArchiveChunk, ChunkKey } from '../../archive-store.ts';
import { lastOf, spanKeyOf, type ArchivedChunk } from '../../archived-chunk.ts';
import { continuedFrom, NO_LINK } from '../../chain.ts';
import { linkInRow, type LinkedSpan } from '../chain/judge.ts';
import { linkUpTo } from '../chain/seal.ts';
import { decodeChunk, readyChunkAside, sealedChunk, type ReadyChunk } from '../chunk-codec.ts';
import { lockConversations } from './lock-conversations.ts';
import { LostRace } from './postgres-errors.ts';
import type { Ask } from './sessions.ts';
import type { Statements } from './statements.ts';
import { linkedSpanOf } from './span-rows.ts';
import { storedRow } from './stored-row.ts';

export const readyChunks = (chunks: readonly ArchiveChunk[]): Promise<readonly ReadyChunk[]> =>
  Promise.all(chunks.map(readyChunkAside));

type SealedChunk = ReturnType<typeof sealedChunk>;

/** What an append does to one generation. */
interface Growth {
  readonly conversation: ConversationId;
  /** As it is behind the append. */
  span: LinkedSpan;
  readonly added: SealedChunk[];
}

/** A conversation that is appended to. */
interface Held {
  /** All that is archived of it, lowest generation first. */
  readonly spans: LinkedSpan[];
  /** By generation. */
  readonly growths: Map<Generation, Growth>;
}

const plainSpan = ({ gen, first, last }: LinkedSpan): GenerationSpan => ({ gen, first, last });
const chunkKeyOf = ({ conversation, gen, first }: ChunkKey): string =>
  `${spanKeyOf({ conversation, gen })} ${String(first)}`;
const inOrder = (one: Growth, other: Growth): number =>
  one.conversation === other.conversation
    ? one.span.gen - other.span.gen
    : one.conversation < other.conversation
      ? -1
      : 1;

/**
 * Appends in a transaction: locks the conversations, judges each chunk, and adds what is accepted, in a handful of statements
 * however many there are.
 *
 * @throws LostRace when somebody else began one of the conversations meanwhile; nothing is to be committed then.
 */
export async function appendChunks(
  ask: Ask,
  statements: Statements,
  ready: readonly ReadyChunk[],
): Promise<readonly AppendOutcome[]> {
  const held = new Map<ConversationId, Held>(
    ready.map(({ chunk }) => [chunk.conversation, { spans: [], growths: new Map<Generation, Growth>() }]),
  );
  for (const row of await lockConversations(ask, statements, [...held.keys()]))
    held.get(row['conversation'] as ConversationId)?.spans.push(linkedSpanOf(row));

  const outcomes: (AppendOutcome | null)[] = [];
  const repeats: { readonly index: number; readonly chunk: ArchiveChunk; readonly archived: GenerationSpan }[] = [];
  for (const [index, one] of ready.entries()) {
    const { conversation, gen } = one.chunk;
    const of = held.get(conversation);
    invariant(of !== undefined, 'each chunk has its conversation');
    const verdict = judgeAppend(one.chunk, of.spans.map(plainSpan));
    if (verdict.kind === 'store') {
      const former = of.spans.find((span) => span.gen === gen);
      const before = former === undefined ? await continuedLink(ask, statements, one.chunk, of) : former.link;
      const sealed = sealedChunk(one, before ?? NO_LINK);
      const span = { ...verdict.span, link: sealed.link };
      // It only grows at its end: what is stored is of the newest generation.
      if (former !== undefined) of.spans.pop();
      of.spans.push(span);
      const growth = of.growths.get(gen) ?? { conversation, span, added: [] };
      of.growths.set(gen, growth);
      growth.span = span;
      growth.added.push(sealed);
      outcomes.push(ok('stored'));
    } else if (verdict.kind === 'refuse') outcomes.push(err(verdict.error));
    else {
      repeats.push({ index, chunk: one.chunk, archived: verdict.archived });
      outcomes.push(null);
    }
  }

  const growths = [...held.values()].flatMap((of) => [...of.growths.values()]);
  if (repeats.length > 0) {
    const added = growths.flatMap((growth) => growth.added.map(({ chunk }) => chunk));
    const judge = await repeatsIn(
      ask,
      statements,
      repeats.map(({ chunk }) => chunk),
      added,
    );
    for (const { index, chunk, archived } of repeats) outcomes[index] = judge(chunk, archived);
  }
  await addGrowths(ask, statements, growths.sort(inOrder));
  return outcomes.map((outcome) => {
    invariant(outcome !== null, 'each chunk was judged');
    return outcome;
  });
}

/** The link of what stands before a generation that begins with this chunk. */
async function continuedLink(
  ask: Ask,
  statements: Statements,
  chunk: ChunkKey,
  { spans, growths }: Held,
): Promise<Uint8Array> {
  const { conversation } = chunk;
  const earlier = continuedFrom(spans, chunk);
  if (earlier === null) return NO_LINK;
  const { span, seq } = earlier;
  // What came before in the same append is not stored yet.
  const added = growths.get(span.gen)?.added ?? [];
  const holds = added.find((one) => one.chunk.first <= seq && lastOf(one.chunk) >= seq);
  if (holds !== undefined && holds.chunk.seal !== null) return linkUpTo(holds.chunk, holds.chunk.seal, seq);
  const [row] = await ask(statements.chunksFrom, [conversation, span.gen, seq, 1]);
  return linkInRow(conversation, { gen: span.gen, seq }, row && storedRow(row));
}

/** Fetches what stands where these chunks would, and answers how to judge each. */
async function repeatsIn(
  ask: Ask,
  statements: Statements,
  chunks: readonly ArchiveChunk[],
  added: readonly ArchivedChunk[],
): Promise<(chunk: ArchiveChunk, archived: GenerationSpan) => AppendOutcome> {
  const rows = await ask(statements.chunksAt, [
    chunks.map(({ conversation }) => conversation),
    chunks.map(({ gen }) => gen),
    chunks.map(({ first }) => first),
  ]);
  const stored = new Map(
    rows.map(({ conversation, gen, first, bytes }) => [
      `${String(conversation)} ${String(gen)} ${String(first)}`,
      bytes,
    ]),
  );
  // What came before in the same append is not stored yet.
  const before = new Map(added.map((chunk) => [chunkKeyOf(chunk), chunk]));
  return (chunk, archived) => {
    const bytes = stored.get(chunkKeyOf(chunk));
    let there = before.get(chunkKeyOf(chunk)) ?? null;
    if (bytes instanceof Uint8Array) {
      const { conversation, gen, first } = chunk;
      const decoded = decodeChunk({ conversation, gen, first }, bytes);
      if (!decoded.ok) return decoded;
      there = decoded.value;
    }
    const judged = judgeRepeat(chunk, archived, there);
    return judged === 'already' ? ok(judged) : err(judged);
  };
}

async function addGrowths(ask: Ask, statements: Statements, growths: readonly Growth[]): Promise<void> {
  if (growths.length === 0) return;
  const added = growths.flatMap((growth) => growth.added);
  await ask(statements.addChunks, [
    added.map(({ chunk }) => chunk.conversation),
    added.map(({ chunk }) => chunk.gen),
    added.map(({ chunk }) => chunk.first),
    added.map(({ bytes }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
  ]);
  const grown = await ask(statements.growSpans, [
    growths.map(({ conversation }) => conversation),
    growths.map(({ span }) => span.gen),
    growths.map((growth) => growth.added[0]?.chunk.first),
    growths.map(({ span }) => span.last),
    growths.map((growth) => growth.added.length),
    growths.map((growth) => growth.added.reduce((sum, { bytes }) => sum + bytes.length, 0)),
    growths.map(({ span: { link } }) => link && Buffer.from(link)),
  ]);
  if (grown.length !== growths.length) throw new LostRace('a generation was begun by somebody else');
}
