import { setTimeout as sleep } from 'node:timers/promises';
import { sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import type { Found, Message, Search, Send } from '@millrace/protocol';
import type { AnswerTo, RawSession, RequestContent } from '@millrace/raw-client';
import { httpCaller } from './http-caller.ts';
import type { MillraceProcess } from './millrace-process.ts';
import { connectAs } from './read-back.ts';

export type Question = Omit<Search, 't' | 'id'>;

/** An answer to a question, whichever way it came. */
export interface FoundHere {
  readonly hits: readonly string[];
  readonly marked: readonly string[];
  readonly next: string | null;
  readonly complete: boolean;
  readonly counts: unknown;
  /** All of it, to look for what must not be there. */
  readonly whole: string;
}

export const lineOf = (conversation: ConversationId, { seq, body }: Pick<Message, 'seq' | 'body'>): string =>
  `${conversation} ${String(seq)} ${String(body)}`;

type Told = Pick<Found, 'hits' | 'next' | 'complete' | 'counts'>;

function foundIn(told: Told): FoundHere {
  const { hits, next, complete, counts } = told;
  const marked = hits.flatMap(({ message, places }) =>
    places.map(({ start, end }) => String(message.body).slice(start, end)),
  );
  const lines = hits.map(({ conversation, message }) => lineOf(conversation, message));
  // A cursor may say anything to whoever takes it apart.
  const inCursor = next === null ? '' : Buffer.from(next, 'base64url').toString('latin1');
  return { hits: lines, marked, next, complete, counts, whole: JSON.stringify(told) + inCursor };
}

/** A user who writes and searches through one node, over the plain protocol. */
export class Searcher {
  readonly user: UserId;
  readonly #node: MillraceProcess;
  readonly #session: RawSession;
  readonly #counters = new Map<ConversationId, number>();

  private constructor(user: UserId, node: MillraceProcess, session: RawSession) {
    this.user = user;
    this.#node = node;
    this.#session = session;
  }

  static async at(node: MillraceProcess, user: string, device: string): Promise<Searcher> {
    return new Searcher(user as UserId, node, await connectAs(node.socketUrl, user, device));
  }

  close(): void {
    this.#session.close();
  }

  /** What comes too fast is asked again when the server says. */
  async ask<R extends RequestContent>(content: R): Promise<AnswerTo<R>> {
    for (;;) {
      const answer = await this.#session.request(content);
      if (answer.ok) return answer.value;
      const { error } = answer;
      if (error.kind !== 'refused' || error.error.code !== 'rate_limited')
        throw new Error(`${content.t} of ${this.user}: ${JSON.stringify(error)}`);
      await sleep(error.error.retryAfterMs ?? 100);
    }
  }

  #next(conversation: ConversationId): { readonly n: number; readonly sentAt: number } {
    const n = (this.#counters.get(conversation) ?? 0) + 1;
    this.#counters.set(conversation, n);
    return { n, sentAt: n };
  }

  /** @returns once it is acknowledged. */
  say(conversation: ConversationId, body: string, more: Partial<Pick<Send, 'type' | 'mentions' | 'mentionAll'>> = {}) {
    return this.ask({ t: 'send', conversation, ...this.#next(conversation), type: 'text', body, ...more });
  }

  edit(conversation: ConversationId, seq: SequenceId, body: string) {
    return this.ask({ t: 'edit', conversation, seq, ...this.#next(conversation), body });
  }

  recall(conversation: ConversationId, seq: SequenceId) {
    return this.ask({ t: 'recall', conversation, seq, ...this.#next(conversation) });
  }

  async search(question: Question): Promise<FoundHere> {
    return foundIn(await this.ask({ t: 'search', ...question }));
  }

  /** The same, as the deployment's backend asks for the user. */
  async searchByHttp(question: Question): Promise<FoundHere> {
    const ask = httpCaller(() => this.#node.httpUrl);
    const { status, text, json } = await ask('POST', '/api/v1/search', { body: { ...question, as: this.user } });
    if (status !== 200) throw new Error(`search as ${this.user}: ${text}`);
    return foundIn(json as unknown as Told);
  }

  /** Every message that the user reads there. */
  async readable(conversation: ConversationId): Promise<readonly Message[]> {
    const messages: Message[] = [];
    for (let from = 1; ;) {
      const page = await this.ask({
        ...{ t: 'history', conversation, direction: 'forward', from: sequenceId(from), limit: 1_000 },
      });
      messages.push(...page.messages);
      if (!page.hasMore) return messages.filter(({ from: by, recalled }) => by !== null && recalled === undefined);
      from = (page.messages.at(-1)?.seq ?? 0) + 1;
    }
  }
}
