import { generation, sequenceId, type ConversationId, type PartitionId, type SequenceId } from '@millrace/kernel';
import { decodeEntry, type ControlBody } from '@millrace/protocol';
import type { Change, SearchIndex } from '@millrace/search';
import {
  conversationKey,
  spansOf,
  type GenerationSpan,
  type TimelineHead,
  type TimelineReader,
} from '@millrace/timeline';

export interface FeederParts {
  readonly index: SearchIndex;
  readonly timelines: TimelineReader;
  partitionOf(this: void, conversation: ConversationId): PartitionId;
  /** Acknowledged. */
  headOf(this: void, conversation: ConversationId): Promise<TimelineHead>;
}

/**
 * Brings a conversation's entries into an index, one after the other and up to where a test says: what became of a message
 * later is not known to it.
 */
export class SearchFeeder {
  readonly #parts: FeederParts;
  readonly #fed = new Map<ConversationId, { readonly gen: number; readonly seq: number }>();
  #batches = 0;

  constructor(parts: FeederParts) {
    this.#parts = parts;
  }

  /** @param to - at most; what is fed already stays. */
  async feed(conversation: ConversationId, to: number): Promise<void> {
    const { index, partitionOf } = this.#parts;
    const head = await this.#parts.headOf(conversation);
    const changes: Change[] = [];
    let through = this.#fed.get(conversation) ?? { gen: 0, seq: 0 };
    for (const span of spansOf(head)) {
      if (span.gen < through.gen) continue;
      if (span.gen > through.gen && through.gen > 0) {
        changes.push({ kind: 'cut', conversation, gen: span.gen, from: span.first });
        through = { gen: span.gen, seq: Math.min(through.seq, span.first - 1) };
      }
      const last = Math.min(span.last, to);
      for (let seq = Math.max(through.seq + 1, span.first); seq <= last; seq += 1) {
        changes.push(...(await this.#changesAt(conversation, span, sequenceId(seq))));
        through = { gen: span.gen, seq };
      }
    }
    if (through.seq === 0) return;
    const partition = partitionOf(conversation);
    const after = await index.cursor(partition);
    if (!after.ok) throw new Error(JSON.stringify(after.error));
    this.#batches += 1;
    const at = { gen: generation(through.gen), seq: sequenceId(through.seq) };
    const batch = { partition, after: after.value, cursor: `batch-${String(this.#batches)}` };
    const applied = await index.apply({ ...batch, changes, through: [{ conversation, ...at }] });
    if (!applied.ok) throw new Error(JSON.stringify(applied.error));
    this.#fed.set(conversation, through);
  }

  async #changesAt(conversation: ConversationId, span: GenerationSpan, seq: SequenceId): Promise<readonly Change[]> {
    const entry = await this.#entry(conversation, span.gen, seq);
    if (entry === null) return [];
    const { type, from, at, body, mentions = [], mentionAll = false } = entry;
    if (type !== 'control') {
      if (from === null) return [];
      const position = { conversation, gen: span.gen, seq, rev: 0 };
      const text = type === 'text' && typeof body === 'string' ? body : '';
      return [
        { kind: 'put', document: { ...position, sender: from, type, at, text, mentions, mentionAll, fields: {} } },
      ];
    }
    const control = JSON.parse(String(body)) as ControlBody;
    if (control.control !== 'edited' && control.control !== 'recalled') return [];
    const spans = spansOf(await this.#parts.headOf(conversation));
    const gen = spans.find(({ first, last }) => control.seq >= first && control.seq <= last)?.gen ?? span.gen;
    if (control.control === 'recalled') return [{ kind: 'remove', conversation, gen, seq: control.seq, rev: seq }];
    const message = await this.#entry(conversation, gen, control.seq);
    if (message === null || message.from === null) return [];
    const text = message.type === 'text' ? (control.body ?? '') : '';
    const same = { sender: message.from, type: message.type, at: message.at };
    const mentioned = { mentions: message.mentions ?? [], mentionAll: message.mentionAll ?? false };
    return [
      {
        kind: 'put',
        document: { conversation, gen, seq: control.seq, rev: seq, ...same, text, ...mentioned, fields: {} },
      },
    ];
  }

  async #entry(conversation: ConversationId, gen: GenerationSpan['gen'], seq: SequenceId) {
    const partition = this.#parts.partitionOf(conversation);
    const entry = await this.#parts.timelines.at(partition, conversationKey(conversation), { gen, seq });
    return entry === null ? null : decodeEntry(entry.data);
  }
}
