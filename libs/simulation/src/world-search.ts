import { MemorySearchDisk } from '@millrace/search/testing';
import type { ArchiveFate } from './model-archive.ts';
import type { Truth } from './truth.ts';
import type { World } from './world.ts';

const FAULT_CHANCE = 0.03;
/** How likely such a fault is the first of many. */
const AWAY_CHANCE = 0.3;

/** The search index of a world, past all its faults, and what becomes of calls to it. */
export class WorldSearch {
  readonly disk = new MemorySearchDisk();
  readonly #world: World;
  #awayUntilMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  /** Of one call; one that fails may take the index away for a while. */
  fate(): ArchiveFate {
    const { time, isFaulty } = this.#world;
    const times = { requestMs: this.#world.between(0, 3), replyMs: this.#world.between(0, 3) };
    if (!isFaulty) return { kind: 'none', ...times };
    if (time.nowMs < this.#awayUntilMs) return { kind: 'lose-request', ...times };
    if (!this.#world.chance(FAULT_CHANCE)) return { kind: 'none', ...times };
    if (this.#world.chance(AWAY_CHANCE)) this.#awayUntilMs = time.nowMs + this.#world.between(100, 4_000);
    return { kind: this.#world.chance(0.5) ? 'lose-request' : 'lose-reply', ...times };
  }

  /** Somebody removes it: it is made anew. */
  lose(): void {
    this.disk.live = new MemorySearchDisk().live;
    this.#world.told.push('the search index is removed');
  }

  /** An operator has it made anew. */
  rebuild(): void {
    const node = this.#world.pick(this.#world.nodes.filter(({ serves, process }) => serves && !process.isPaused));
    node?.process.enter(() => void node.indexer?.rebuild?.begin());
    this.#world.told.push('the search index is to be made anew');
  }

  /** Holds what the index has of conversations against their entries: all messages as they are now, and nothing else. */
  check(truths: Iterable<Truth>): void {
    if (this.disk.next !== null) this.#world.history.violated('(liveness) a new search index was not finished');
    for (const { conversation, entries, since, ...truth } of described(truths)) {
      const held = this.disk.live.conversations.get(conversation);
      const indexed = [...(held?.messages ?? [])].flatMap(([seq, { document }]) =>
        document === null || seq <= since ? [] : [`${String(document.gen)}-${String(seq)} ${document.text}`],
      );
      const expected = entries.flatMap(({ gen, seq }) => {
        const now = truth.now(seq);
        return now === null || now.isRecalled ? [] : [`${String(gen)}-${String(seq)} ${now.body}`];
      });
      const lacks = expected.filter((each) => !indexed.includes(each));
      const odd = indexed.filter((each) => !expected.includes(each));
      for (const each of lacks) this.#world.history.violated(`(X2) the index lacks ${conversation} ${each}`);
      for (const each of odd) this.#world.history.violated(`(X2) the index has ${conversation} ${each}`);
      const last = entries.at(-1);
      const through = held?.through;
      // It may stand in a generation that has no entry yet.
      if (last !== undefined && (through?.seq !== last.seq || through.gen < last.gen)) {
        const where = `${String(through?.gen)}-${String(through?.seq)}`;
        const where2 = `${String(last.gen)}-${String(last.seq)}`;
        this.#world.history.violated(
          `(X2) the index has come to ${where} in ${conversation}, which stands at ${where2}`,
        );
      }
    }
  }
}

/** One that was lost whole is in no list of conversations, and in nobody's scope: it is forgotten when it is made again. */
const described = (truths: Iterable<Truth>) =>
  [...truths]
    .filter(({ head }) => head !== null)
    .map((truth) => ({
      ...{ conversation: truth.conversation, entries: truth.entries, since: truth.since },
      now: (seq: number) => truth.now(seq),
    }));
