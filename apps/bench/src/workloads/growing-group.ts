import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { protocolLimits, type ConversationSummary } from '@millrace/protocol';
import { groupName, userNames, type Diffusion } from './shape.ts';
import { StoredCheck, type StoredCount } from './stored-check.ts';
import { inParallel, type UserSessions } from './user-sessions.ts';

const PAGE_MESSAGES = 1_000;

/** Who came into the group, or went, by one entry. */
export interface MembershipStep {
  /** Indexes of users: from the first up to before the second. */
  readonly users: readonly [number, number];
  /** Of the entry that tells of it. */
  readonly seq: SequenceId;
}

/**
 * One group, whose members come and go by the public protocol, as its owner says: the first `size` of its users are in it.
 * The owner is the first of them.
 */
export class GrowingGroup {
  readonly conversation: ConversationId;
  readonly users: readonly UserId[];
  readonly #sessions: UserSessions;
  #size = 1;
  #said = 0;

  private constructor(sessions: UserSessions, run: string, usersMax: number) {
    this.#sessions = sessions;
    this.users = userNames(run, usersMax);
    this.conversation = groupName(run) as ConversationId;
  }

  /** @param usersMax - how many it may come to have. */
  static async create(sessions: UserSessions, run: string, usersMax: number): Promise<GrowingGroup> {
    const group = new GrowingGroup(sessions, run, usersMax);
    const { conversation } = group;
    await sessions.as(group.owner, (ask) =>
      ask({ t: 'create', kind: 'group', conversation, members: [], title: 'bench', historyPolicy: 'join' }),
    );
    return group;
  }

  get owner(): UserId {
    const [owner] = this.users;
    if (owner === undefined) throw new Error('a group has an owner');
    return owner;
  }

  get size(): number {
    return this.#size;
  }

  /** Messages that the owner has said by {@link say}. */
  get said(): number {
    return this.#said;
  }

  /**
   * Invites users, or removes the last ones, in frames as large as they may be.
   *
   * @returns who came, or went, by which entry.
   */
  async resize(to: number): Promise<readonly MembershipStep[]> {
    const { conversation } = this;
    const steps: MembershipStep[] = [];
    await this.#sessions.as(this.owner, async (ask) => {
      while (this.#size !== to) {
        const next =
          to > this.#size
            ? Math.min(to, this.#size + protocolLimits.membersPerFrame)
            : Math.max(to, this.#size - protocolLimits.membersPerFrame);
        const range = [Math.min(this.#size, next), Math.max(this.#size, next)] as const;
        const t = to > this.#size ? 'invite' : 'kick';
        const { seq } = await ask({ t, conversation, users: this.users.slice(...range) });
        steps.push({ users: range, seq });
        this.#size = next;
      }
    });
    return steps;
  }

  /** The owner says so many short things, each when the one before is acknowledged. */
  async say(messages: number): Promise<void> {
    const { conversation } = this;
    await this.#sessions.as(this.owner, async (ask) => {
      for (let left = messages; left > 0; left -= 1) {
        this.#said += 1;
        const n = this.#said;
        await ask({ t: 'send', conversation, n, sentAt: n, type: 'text', body: 'counted' });
      }
    });
  }

  async diffusion(): Promise<Diffusion> {
    return (await this.#summaryFor(this.owner))?.diffusion ?? 'write';
  }

  /** Reads all of it back, as the owner. */
  async stored(): Promise<StoredCount> {
    return this.#sessions.as(this.owner, async (ask) => {
      const check = new StoredCheck();
      for (;;) {
        const from = check.nextSeq as SequenceId;
        const { conversation } = this;
        const page = await ask({ t: 'history', conversation, direction: 'forward', from, limit: PAGE_MESSAGES });
        for (const message of page.messages) check.shown(message);
        if (!page.hasMore || page.messages.length === 0) return check.ended(page.head.seq);
      }
    });
  }

  /**
   * Asks some of the members, at even distances, for their list.
   *
   * @returns those whose list does not count so many messages.
   */
  async behind(members: number, messages: number): Promise<readonly UserId[]> {
    const step = Math.max(1, Math.floor(this.#size / members));
    const some = this.users.slice(0, this.#size).filter((_user, index) => index % step === 0);
    const behind: UserId[] = [];
    await inParallel(some, async (user) => {
      const summary = await this.#summaryFor(user);
      if (summary?.msgNo !== messages) behind.push(user);
    });
    return behind;
  }

  async #summaryFor(user: UserId): Promise<ConversationSummary | undefined> {
    const { conversations } = await this.#sessions.as(user, (ask) => ask({ t: 'conversations' }));
    return conversations.find(({ conversation }) => conversation === this.conversation);
  }
}
