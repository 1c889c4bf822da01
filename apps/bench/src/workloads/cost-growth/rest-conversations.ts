import { setTimeout as sleep } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { conversationOf, type LoadPlan } from '../../load/load-plan.ts';
import type { Target } from '../../processes/server-process.ts';
import { addChecked, nothingChecked, type Checked } from '../checked.ts';
import { runName } from '../run-name.ts';
import type { MeasuredTarget } from '../run-shape.ts';
import { PAYLOAD_BYTES, userNames } from '../shape.ts';
import { StoredCheck } from '../stored-check.ts';
import { inParallel, UserSessions, type Ask } from '../user-sessions.ts';

/** Requests of one session that are under way. */
const CREATED_AT_ONCE = 16;
const LIST_PAGE = 500;
const HISTORY_PAGE = 1_000;
/** Conversations that are read back, of as many pairs; of all others the lists are looked at. */
const READ_BACK = 200;
const SETTLE_TRIES = 50;
const SETTLE_MS = 200;

/** What the lists of users count. */
interface Listed {
  readonly conversations: number;
  readonly messages: number;
}

/** Groups of two, the same number between each pair of users, made as users make them. */
export class RestConversations {
  readonly #sessions: UserSessions;
  readonly #run = runName();
  readonly #users: readonly UserId[];
  /** Of each pair. */
  #each = 0;

  constructor(target: Target, pairs: number) {
    this.#sessions = new UserSessions(target);
    this.#users = userNames(this.#run, 2 * pairs);
  }

  get #pairs(): number {
    return this.#users.length / 2;
  }

  get size(): number {
    return this.#pairs * this.#each;
  }

  #base(pair: number): string {
    return `bench-${this.#run}-${String(pair)}`;
  }

  /** @param size - a multiple of the pairs. */
  async grow(size: number): Promise<void> {
    const [from, to] = [this.#each, size / this.#pairs];
    const pairs = Array.from({ length: this.#pairs }, (_, pair) => pair);
    await inParallel(pairs, async (pair) => {
      const [owner, peer] = [this.#users[2 * pair], this.#users[2 * pair + 1]];
      if (owner === undefined || peer === undefined) return;
      await this.#sessions.as(owner, async (ask) => {
        const rest = Array.from({ length: to - from }, (_, index) => from + index).values();
        const work = async (): Promise<void> => {
          for (const index of rest) {
            const conversation = conversationOf({ conversation: this.#base(pair), among: to }, index + 1).id;
            await ask({ t: 'create', kind: 'group', conversation, members: [peer], title: '' });
          }
        };
        await Promise.all(Array.from({ length: CREATED_AT_ONCE }, work));
      });
    });
    this.#each = to;
  }

  /** Each user writes into all that they share with the other one, in turn, one message at a time. */
  plan({ kind, websockets, secret }: MeasuredTarget, device: string): LoadPlan {
    return {
      ...{ target: kind, websockets, secret, device, users: this.#users, usersPerAddress: null },
      ...{ shows: null, lobbies: null, window: 1, payloadBytes: PAYLOAD_BYTES },
      streams: this.#users.map((_, sender) => ({
        sender,
        peer: sender ^ 1,
        conversation: this.#base(Math.floor(sender / 2)),
        among: this.#each,
        deliveries: 1,
      })),
    };
  }

  /**
   * Looks whether all conversations are in the lists of both users, with all that was said; and reads some back.
   *
   * @param counts - what the load came to.
   */
  async check(counts: Checked): Promise<Checked> {
    let [first, second] = [await this.#listed(0), await this.#listed(1)];
    for (let tried = 0; tried < SETTLE_TRIES; tried += 1) {
      if (Math.min(first.messages, second.messages) >= counts.acked) break;
      await sleep(SETTLE_MS);
      [first, second] = [await this.#listed(0), await this.#listed(1)];
    }
    const read = await this.#readBack();
    const stored = Math.min(first.messages, second.messages);
    const missing = 2 * this.size - first.conversations - second.conversations;
    const notDelivered = Math.max(0, counts.acked - counts.delivered);
    return {
      ...counts,
      stored,
      lost: Math.max(0, counts.acked - stored) + notDelivered + Math.max(0, missing),
      duplicated: counts.duplicated + read.duplicated + Math.max(0, stored - counts.sent),
      gaps: counts.gaps + read.gaps,
    };
  }

  /** @param which - of each pair. */
  async #listed(which: 0 | 1): Promise<Listed> {
    let [conversations, messages] = [0, 0];
    const users = this.#users.filter((_, index) => index % 2 === which);
    await inParallel(users, async (user) => {
      await this.#sessions.as(user, async (ask) => {
        for (let after: string | null | undefined; after !== null;) {
          const page = await ask({ t: 'conversations', limit: LIST_PAGE, ...(after === undefined ? {} : { after }) });
          conversations += page.conversations.length;
          messages += page.conversations.reduce((sum, { msgNo }) => sum + msgNo, 0);
          after = page.next;
        }
      });
    });
    return { conversations, messages };
  }

  async #readBack(): Promise<Checked> {
    let read = nothingChecked;
    const step = Math.max(1, Math.floor(this.#pairs / READ_BACK));
    const some = Array.from({ length: Math.floor(this.#pairs / step) }, (_, index) => index * step);
    await inParallel(some, async (pair) => {
      const user = this.#users[2 * pair];
      if (user === undefined) return;
      // Another one of each pair.
      const { id } = conversationOf({ conversation: this.#base(pair), among: this.#each }, pair + 1);
      read = addChecked(read, await this.#sessions.as(user, (ask) => readWhole(ask, id)));
    });
    return read;
  }
}

async function readWhole(ask: Ask, conversation: ConversationId): Promise<Checked> {
  const check = new StoredCheck();
  for (;;) {
    const from = check.nextSeq as SequenceId;
    const page = await ask({ t: 'history', conversation, direction: 'forward', from, limit: HISTORY_PAGE });
    for (const message of page.messages) check.shown(message);
    if (page.hasMore && page.messages.length > 0) continue;
    const { duplicated, gaps } = check.ended(page.head.seq);
    return { ...nothingChecked, duplicated, gaps };
  }
}
