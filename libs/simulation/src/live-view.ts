import type { ConversationId, UserId } from '@millrace/kernel';
import type { LivePort } from '@millrace/messaging';
import { type Position } from '@millrace/timeline';
import type { History } from './history.ts';
import type { Truth } from './truth.ts';

/** An entry that sockets of a node were told of as it came, and whose sockets. */
interface Shown extends Position {
  readonly conversation: ConversationId;
  readonly users: readonly UserId[];
}

interface Followed {
  readonly users: Set<UserId>;
  /** The last entry that was told. */
  last: Position | null;
  /** Whether they were told since that something may lie between. */
  mayMiss: boolean;
}

/** What the sockets of all nodes are told of conversations in read mode, checked as it comes and at the end. */
export class LiveView {
  #shown: Shown[] = [];
  readonly #history: History;
  count = 0;

  constructor(history: History) {
    this.#history = history;
  }

  /** Of one run of a node. */
  port(): LivePort {
    const followed = new Map<ConversationId, Followed>();
    const of = (conversation: ConversationId): Followed => {
      const known = followed.get(conversation) ?? { users: new Set<UserId>(), last: null, mayMiss: true };
      followed.set(conversation, known);
      return known;
    };
    return {
      entered: (conversation, users) => {
        for (const user of users) of(conversation).users.add(user);
      },
      left: (conversation, users) => {
        for (const user of users) of(conversation).users.delete(user);
      },
      live: (conversation, { gen, prev, entries }) => {
        this.#live(conversation, of(conversation), gen, prev, entries);
      },
      at: () => undefined,
      stands: (conversation) => {
        of(conversation).mayMiss = true;
      },
      over: (conversation) => {
        followed.delete(conversation);
      },
      gone: (conversation, users) => {
        for (const user of users) of(conversation).users.delete(user);
      },
    };
  }

  #live(conversation: ConversationId, known: Followed, gen: number, prev: number, entries: readonly Position[]): void {
    const [users, where] = [[...known.users], `${conversation} behind ${String(gen)}-${String(prev)}`];
    const { last } = known;
    if (last?.gen === gen) {
      if (prev < last.seq) this.#history.violated(`(I4) a live frame of ${where} tells ${String(last.seq)} again`);
      if (prev > last.seq && !known.mayMiss) {
        this.#history.violated(`(I3) a live frame of ${where} leaves out what is behind ${String(last.seq)}`);
      }
    }
    entries.forEach((entry, index) => {
      if (entry.gen !== gen || entry.seq !== prev + index + 1) {
        this.#history.violated(`(I3) a live frame of ${where} has ${String(entry.seq)} in place ${String(index + 1)}`);
      }
      this.#history.revealed(conversation, entry, 'a live frame');
      if (users.length > 0) this.#shown.push({ conversation, gen: entry.gen, seq: entry.seq, users });
      known.last = { gen: entry.gen, seq: entry.seq };
      this.count += 1;
    });
    known.mayMiss = false;
  }

  /** Only members were told (I7). What was lost since tells nothing of who was in. */
  check(truths: ReadonlyMap<ConversationId, Truth>): void {
    for (const { conversation, users, ...at } of this.#shown) {
      const truth = truths.get(conversation);
      const entry = truth?.entries.find(({ seq }) => seq === at.seq);
      if (truth === undefined || entry?.gen !== at.gen) continue;
      for (const user of users) {
        if (truth.receives(user, at.seq)) continue;
        this.#history.violated(`(I7) ${user} was told live of ${conversation} ${String(at.gen)}-${String(at.seq)}`);
      }
    }
  }

  /** All of it was checked. */
  forget(): void {
    this.#shown = [];
  }
}
