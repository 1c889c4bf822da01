import { generation, sequenceId, type Generation } from '@millrace/kernel';
import { emptyHead, inGeneration, type ActorKey, type Position, type TimelineHead } from '@millrace/timeline';
import type { ActorWrite } from '../commit.ts';
import type { CommitsBefore, Handled, PartitionActor } from '../partition-actor.ts';
import type { ActorRecord } from '../partition-store.ts';

/** `add` puts an entry at the tail and answers its seq; `count` answers how many there are; `bug` throws. */
export type CountCommand = 'add' | 'count' | 'bug';

/** The smallest actor that has a Timeline and a record. */
export class CountingActor implements PartitionActor<CountCommand, number, string> {
  readonly weight = 1;
  readonly key: ActorKey;
  #head: TimelineHead;
  #storedAt: Position;
  #stored: TimelineHead;
  #entries: Uint8Array[] = [];
  readonly #heard: CommitsBefore[];

  constructor(key: ActorKey, record: ActorRecord, gen: Generation, heard: CommitsBefore[] = []) {
    this.#heard = heard;
    this.key = key;
    this.#storedAt = record.head ?? { gen: generation(0), seq: sequenceId(0) };
    this.#head = inGeneration(record.head ?? emptyHead(gen), gen);
    this.#stored = this.#head;
  }

  handle(command: CountCommand, _nowMs: number, commits: CommitsBefore): Handled<number, string> {
    this.#heard.push(commits);
    if (command === 'count') return { reply: this.#head.seq, effects: [] };
    this.#head = { ...this.#head, seq: sequenceId(this.#head.seq + 1) };
    this.#entries.push(Uint8Array.of(this.#head.seq));
    // After it has changed its state: the worst moment.
    if (command === 'bug') throw new Error('a bug in a handler');
    return { reply: this.#head.seq, effects: [`${this.key} ${String(this.#head.seq)}`] };
  }

  pendingWrite(): ActorWrite | null {
    if (this.#entries.length === 0) return null;
    const set = [['count', String(this.#head.seq)] as const];
    const { gen, seq } = this.#storedAt;
    return {
      actor: this.key,
      expected: { gen, seq },
      head: this.#head,
      entries: this.#entries,
      set,
      unset: [],
      trimBefore: null,
    };
  }

  settle(): void {
    this.#storedAt = this.#head;
    this.#stored = this.#head;
    this.#entries = [];
  }

  restore(): void {
    this.#head = this.#stored;
    this.#entries = [];
  }
}
