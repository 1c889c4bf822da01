import { generation, sequenceId, utf8, type ConversationId, type Result } from '@millrace/kernel';
import type { GenerationSpan, Position, RangeQuery, TimelineEntry } from '@millrace/timeline';
import type { AppendOutcome, ArchiveChunk, ArchiveStore } from '../archive-store.ts';

export const conversationId = (text: string): ConversationId => text as ConversationId;
export const room = conversationId('room');
export const at = (gen: number, seq: number): Position => ({ gen: generation(gen), seq: sequenceId(seq) });
export const span = (gen: number, first: number, last: number): GenerationSpan => ({
  gen: generation(gen),
  first: sequenceId(first),
  last: sequenceId(last),
});
/** Everything that may be archived. */
export const whole = { from: at(0, 0), to: at(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) };

/** A chunk with these entries. */
export function chunkOf(
  gen: number,
  first: number,
  entries: readonly string[],
  conversation: ConversationId = room,
): ArchiveChunk {
  return { conversation, gen: generation(gen), first: sequenceId(first), entries: entries.map(utf8) };
}

/** A chunk from `first` to `last`, whose entries say where they stand. */
export function chunkFrom(gen: number, first: number, last: number, conversation?: ConversationId): ArchiveChunk {
  const seqs = Array.from({ length: last - first + 1 }, (_, index) => first + index);
  return chunkOf(
    gen,
    first,
    seqs.map((seq) => `${String(gen)}-${String(seq)}`),
    conversation,
  );
}

/** @throws when the call was refused. */
export function valueOf<T>(result: Result<T, { readonly message: string }>): T {
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

/** `stored`, `already`, or the code of what refused the chunk. */
export const verdicts = (outcomes: readonly AppendOutcome[]): readonly string[] =>
  outcomes.map((outcome) => (outcome.ok ? outcome.value : outcome.error.code));

export async function append(archive: ArchiveStore, ...chunks: readonly ArchiveChunk[]): Promise<readonly string[]> {
  return verdicts(valueOf(await archive.append(chunks)));
}

export const texts = (entries: readonly TimelineEntry[]): readonly string[] =>
  entries.map(({ gen, seq, data }) => `${String(gen)}-${String(seq)} ${new TextDecoder().decode(data)}`);

export async function read(
  archive: ArchiveStore,
  query: Partial<RangeQuery> = {},
  conversation = room,
): Promise<readonly string[]> {
  const page = await archive.read(conversation, { ...whole, limit: 10_000, direction: 'forward', ...query });
  return texts(valueOf(page));
}
