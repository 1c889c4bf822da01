import type { ConversationId, UserId } from '@millrace/kernel';
import type { LiveHead, LivePort } from '@millrace/messaging';
import { protocolLimits } from '@millrace/protocol';
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
  /** Where nodes said last that conversations stand, of each run of a node. */
  #heads: ReadonlyMap<ConversationId, LiveHead>[] = [];
  readonly #history: History;
  count = 0;

  constructor(history: History) {
    this.#history = history;
  }

  /** Of one run of a node. */
  port(): LivePort {
    const followed = new Map<ConversationId, Followed>();
    const heads = new Map<ConversationId, LiveHead>();
    this.#heads.push(heads);
    const of = (conversation: ConversationId): Followed => {
      const known = followed.get(conversation) ?? { users: new Set<UserId>(), last: null, mayMiss: true };
      followed.set(conversation, known);
      return known;
    };
    return {
      entered: (conversation, users, head) => {
        heads.set(conversation, head);
        for (const user of users) of(conversation).users.add(user);
      },
      left: (conversation, users) => {
        for (const user of users) of(conversation).users.delete(user);
      },
      live: (conversation, { gen, prev, entries }) => {
        this.#live(conversation, of(conversation), gen, prev, entries);
      },
      at: (conversation, head) => {
        heads.set(conversation, head);
      },
      stands: (conversation, head) => {
        heads.set(conversation, head);
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

  /** Only members were told (I7), and heads tell what mentions all. What was lost since tells nothing of who was in. */
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
    for (const heads of this.#heads) {
      for (const [conversation, head] of heads) this.#checkHead(conversation, head, truths.get(conversation));
    }
  }

  #checkHead(conversation: ConversationId, { gen, seq, mentionsOfAll }: LiveHead, truth: Truth | undefined): void {
    if (truth?.entries.find((entry) => entry.seq === seq)?.gen !== gen) return;
    const counted = truth.mentionsOfAll(seq).slice(-protocolLimits.mentionsPerHead);
    const told = mentionsOfAll.map((mention) => mention.seq).filter((each) => each > truth.since);
    if (told.join() === counted.join()) return;
    const where = `the head ${String(gen)}-${String(seq)} of ${conversation}`;
    this.#history.violated(`${where} tells the mentions of all ${told.join()}, and a recount finds ${counted.join()}`);
  }

  /** All of it was checked. */
  forget(): void {
    this.#shown = [];
  }
}
