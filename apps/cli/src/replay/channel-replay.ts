import {
  err,
  hash32,
  invariant,
  ok,
  type Clock,
  type ConversationId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import { protocolLimits, type Ack } from '@millrace/protocol';
import {
  describeSessionError,
  withRetries,
  type AnswerTo,
  type RequestContent,
  type RetryPolicy,
  type SessionError,
} from '@millrace/raw-client';
import { enter, type BookedConversation, type LedgerBook } from '../ledger/ledger-book.ts';
import type { LedgerRecord } from '../ledger/ledger-record.ts';
import { sha256Of } from '../sha256.ts';
import type { ChatPort } from './chat-port.ts';
import type { CorpusLine } from './corpus-line.ts';
import { nameToId } from './name-to-id.ts';

/** One user in so many is sampled: their inbox is read back, not only their conversations. */
const SAMPLED_EVERY = 16;
const SAMPLED_MAX = 250;

export interface ReplayDesk {
  readonly chat: ChatPort;
  readonly clock: Clock;
  readonly retry: RetryPolicy;
  readonly book: LedgerBook;
  /** Made durable before it returns. */
  readonly write: (record: LedgerRecord) => void;
  /** The server does not know what it acknowledged. */
  readonly onForgotten: (text: string) => void;
}

export function conversationOf(run: string, channel: string): ConversationId {
  const id = nameToId(`${run}.${channel}`);
  invariant(id !== null, 'a channel without a name was let through');
  return id as ConversationId;
}

/**
 * Replays one channel: a group that anyone may join and whose history all members see. Its lines are handed in one
 * after the other, each when the one before it was answered, so that the order of seqs is the order of the corpus.
 *
 * (R1) A record is written before the next request goes out, so a ledger lacks at most the one message in flight.
 * (R2) A message in flight when a replay died is sent again with the same counter: it is stored once (I4).
 */
export class ChannelReplay {
  readonly conversation: ConversationId;
  readonly #desk: ReplayDesk;
  readonly #channel: string;

  constructor(desk: ReplayDesk, run: string, channel: string) {
    this.#desk = desk;
    this.#channel = channel;
    this.conversation = conversationOf(run, channel);
  }

  #booked(): BookedConversation | undefined {
    return this.#desk.book.conversations.get(this.conversation);
  }

  #record(record: LedgerRecord): void {
    this.#desk.write(record);
    invariant(enter(this.#desk.book, record), 'a record of a conversation that was not created');
  }

  #ask<Request extends RequestContent>(
    user: UserId,
    content: Request,
  ): Promise<Result<AnswerTo<Request>, SessionError>> {
    return withRetries(this.#desk.retry, () => this.#desk.chat.request(user, content));
  }

  /** @returns what the server refused for good, as a text. */
  async replay(line: CorpusLine): Promise<Result<null, string>> {
    const name = nameToId(line.from);
    invariant(name !== null, 'a line without an author was let through');
    const author = name as UserId;
    const joined = await this.#admit(author);
    const sent = joined.ok ? await this.#send(author, line) : joined;
    if (sent.ok) return ok(null);
    return err(`Line ${String(line.line)} (${line.from} in ${line.channel}): ${describeSessionError(sent.error)}`);
  }

  /** Creates the group with its first author, and lets every other one join before their first line. */
  async #admit(author: UserId): Promise<Result<null, SessionError>> {
    const { book } = this.#desk;
    if (this.#booked()?.members.has(author) === true) return ok(null);
    const sampled = book.syncTokens.size === 0 || hash32(author) % SAMPLED_EVERY === 0;
    if (sampled && book.syncTokens.size < SAMPLED_MAX && !book.syncTokens.has(author)) {
      const synced = await this.#ask(author, { t: 'sync' });
      if (!synced.ok) return synced;
      this.#record({ sync: author, token: synced.value.token });
    }
    const { conversation } = this;
    if (this.#booked() === undefined) {
      const created = await this.#ask(author, {
        t: 'create',
        kind: 'group',
        conversation,
        title: Array.from(this.#channel).slice(0, protocolLimits.titleChars).join(''),
        members: [],
        joinPolicy: 'open',
        historyPolicy: 'all',
      });
      if (!created.ok) return created;
      this.#record({ conversation, channel: this.#channel, creator: author });
      return ok(null);
    }
    const changed = await this.#ask(author, { t: 'join', conversation });
    if (!changed.ok) return changed;
    this.#record({ joined: author, conversation, gen: changed.value.gen, seq: changed.value.seq });
    return ok(null);
  }

  async #send(author: UserId, line: CorpusLine): Promise<Result<null, SessionError>> {
    const { conversation } = this;
    const last = this.#booked()?.counters.get(author) ?? 0;
    const n = last + 1;
    const sentAt = this.#desk.clock.nowMs();
    const send = (follows: { readonly after?: number } = {}): Promise<Result<Ack, SessionError>> =>
      this.#ask(author, { t: 'send', conversation, n, ...follows, sentAt, type: 'text', body: line.text });
    let acked = await send();
    if (!acked.ok && acked.error.kind === 'refused') {
      const { code, expected } = acked.error.error;
      if (code === 'out_of_order' && expected !== undefined && expected < n) {
        // Lost history is for `verify` to count; here the replay goes on behind what the server still has.
        this.#desk.onForgotten(
          `The server has forgotten messages ${String(expected)} to ${String(last)} of ${author} in ${conversation}.`,
        );
        acked = await send({ after: expected - 1 });
      }
    }
    if (!acked.ok) return acked;
    const { gen, seq } = acked.value;
    this.#record({ line: line.line, conversation, from: author, n, gen, seq, sha256: sha256Of(line.text) });
    return ok(null);
  }
}
