import { setTimeout as sleepMs } from 'node:timers/promises';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { groupName, streamsOf, userNames, type Diffusion, type Shape } from './shape.ts';
import { StoredCheck, type StoredCount } from './stored-check.ts';
import { inParallel, UserSessions } from './user-sessions.ts';

const PAGE_MESSAGES = 1_000;
/** Diffusion of the last messages may take this often times this long. */
const SETTLE_TRIES = 100;
const SETTLE_MS = 100;

/** Users of a server under test: set up before a run, and asked afterwards what is there. Throws when refused. */
export class MillraceUsers {
  readonly #sessions: UserSessions;

  constructor(target: ConstructorParameters<typeof UserSessions>[0]) {
    this.#sessions = new UserSessions(target);
  }

  /** Makes the conversations of a shape, and waits until every user has them. @returns how they are diffused. */
  async prepare(shape: Shape, run: string): Promise<Diffusion> {
    const users = userNames(run, shape.users);
    if (shape.kind === 'direct') {
      const pairs = users.flatMap((user, index) => {
        const peer = users[index + 1];
        return index % 2 === 0 && peer !== undefined ? [{ user, peer }] : [];
      });
      await inParallel(pairs, async ({ user, peer }) => {
        await this.#sessions.as(user, (ask) => ask({ t: 'create', kind: 'direct', members: [peer] }));
      });
    } else {
      const [owner, ...others] = users;
      if (owner === undefined) return 'write';
      const conversation = groupName(run) as ConversationId;
      await this.#sessions.as(owner, async (ask) => {
        await ask({ t: 'create', kind: 'group', conversation, members: [], title: shape.name });
        for (let from = 0; from < others.length; from += protocolLimits.membersPerFrame) {
          const some = others.slice(from, from + protocolLimits.membersPerFrame);
          await ask({ t: 'invite', conversation, users: some });
        }
      });
    }
    // Control entries must have arrived before messages are counted.
    await this.#settled(shape, run, new Map());
    const [first] = users;
    return first === undefined ? 'write' : this.#diffusionFor(first);
  }

  /** Of the user's only conversation. */
  async #diffusionFor(user: UserId): Promise<Diffusion> {
    const { conversations } = await this.#sessions.as(user, (ask) => ask({ t: 'sync' }));
    return conversations[0]?.summary.diffusion ?? 'write';
  }

  /** Waits until every user's summaries show what the conversations hold. @returns the users who lack something. */
  async #settled(shape: Shape, run: string, expected: ReadonlyMap<string, number>): Promise<readonly UserId[]> {
    const users = userNames(run, shape.users);
    const conversations = new Map<UserId, string>();
    if (shape.kind === 'group') for (const user of users) conversations.set(user, groupName(run));
    else {
      for (const { sender, conversation } of streamsOf(shape, run, 'millrace')) {
        const user = users[sender];
        if (user !== undefined) conversations.set(user, conversation);
      }
    }
    const behind: UserId[] = [];
    await inParallel(users, async (user) => {
      const conversation = conversations.get(user);
      const hasAll = await this.#sessions.as(user, async (ask) => {
        for (let tried = 0; tried < SETTLE_TRIES; tried += 1) {
          if (tried > 0) await sleepMs(SETTLE_MS);
          const synced = await ask({ t: 'sync' });
          const found = synced.conversations.find(({ summary }) => summary.conversation === conversation);
          if (found?.summary.msgNo === (expected.get(conversation ?? '') ?? 0)) return true;
        }
        return false;
      });
      if (!hasAll) behind.push(user);
    });
    return behind;
  }

  async #stored(user: UserId, conversation: ConversationId): Promise<StoredCount> {
    return this.#sessions.as(user, async (ask) => {
      const check = new StoredCheck();
      for (;;) {
        const from = check.nextSeq as SequenceId;
        const page = await ask({ t: 'history', conversation, direction: 'forward', from, limit: PAGE_MESSAGES });
        for (const message of page.messages) check.shown(message);
        if (!page.hasMore || page.messages.length === 0) return check.ended(page.head.seq);
      }
    });
  }

  /**
   * Reads everything back after a run.
   *
   * @param counts - what the load generator saw: `delivered` against `acked` times the deliveries of each.
   */
  async check(
    shape: Shape,
    run: string,
    counts: Pick<Checked, 'sent' | 'acked' | 'delivered' | 'duplicated' | 'gaps'>,
    diffusion: Diffusion,
  ): Promise<{ readonly checked: Checked; readonly behind: readonly UserId[] }> {
    const users = userNames(run, shape.users);
    const streams = streamsOf(shape, run, 'millrace', diffusion);
    const readers = new Map<ConversationId, UserId>();
    for (const { conversation, sender } of streams) {
      const reader = users[sender];
      if (reader !== undefined) readers.set(conversation as ConversationId, reader);
    }
    let stored = nothingChecked;
    const msgNos = new Map<string, number>();
    await inParallel([...readers], async ([conversation, reader]) => {
      const count = await this.#stored(reader, conversation);
      stored = addChecked(stored, { ...nothingChecked, ...count });
      msgNos.set(conversation, count.msgNo);
    });
    const behind = await this.#settled(shape, run, msgNos);
    const deliveries = streams[0]?.deliveries ?? 0;
    const notStored = Math.max(0, counts.acked - stored.stored);
    const notDelivered = Math.max(0, counts.acked * deliveries - counts.delivered);
    return {
      behind,
      checked: {
        ...counts,
        stored: stored.stored,
        lost: notStored + notDelivered + behind.length,
        duplicated: counts.duplicated + stored.duplicated,
        gaps: counts.gaps + stored.gaps,
      },
    };
  }
}
