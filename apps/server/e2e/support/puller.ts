import type { ConversationId } from '@millrace/kernel';
import type { ConversationSummary, Message } from '@millrace/protocol';
import { describeSessionError, type RawSession } from '@millrace/raw-client';
import { connectAs } from './read-back.ts';

/** A device that goes by the protocol alone: it stores a token, and what syncs brought since. */
export class Puller {
  readonly user: string;
  /** By conversation, in the order in which syncs brought them. */
  readonly got = new Map<ConversationId, Message[]>();
  readonly #socketUrl: () => string;
  #token: string | undefined;

  constructor(socketUrl: () => string, user: string) {
    this.#socketUrl = socketUrl;
    this.user = user;
  }

  /** Connects, syncs until nothing is missing, and goes away. @returns how often it had to ask. */
  async visit(limit = 1_000): Promise<number> {
    const session = await connectAs(this.#socketUrl(), this.user, 'puller');
    const asked = await this.catchUp(session, limit);
    session.close();
    return asked;
  }

  async catchUp(session: RawSession, limit: number): Promise<number> {
    for (let asked = 1; ; asked += 1) {
      const token = this.#token === undefined ? {} : { token: this.#token };
      const synced = await session.request({ t: 'sync', ...token, limit });
      if (!synced.ok) throw new Error(`${this.user} cannot sync: ${describeSessionError(synced.error)}`);
      if (synced.value.tooLong && this.#token !== undefined) throw new Error(`${this.user} was told tooLong`);
      for (const { summary, messages } of synced.value.conversations) {
        const got = this.got.get(summary.conversation) ?? [];
        this.got.set(summary.conversation, got);
        got.push(...messages);
      }
      this.#token = synced.value.token;
      if (!synced.value.hasMore) return asked;
    }
  }

  async list(): Promise<readonly ConversationSummary[]> {
    const session = await connectAs(this.#socketUrl(), this.user, 'puller');
    const list = await session.request({ t: 'conversations', limit: 500 });
    session.close();
    if (!list.ok) throw new Error(`${this.user} gets no list: ${describeSessionError(list.error)}`);
    return list.value.conversations;
  }
}
