import type { MillraceClient } from '@millrace/client';
import { nodeClient } from '@millrace/client/node';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { openLarge } from '../open-large.ts';
import type { TokenSource } from '../token-source.ts';
import type { DeviceLog } from './device-log.ts';

const CONNECT_MS_MAX = 3_000;
const PAGE_MESSAGES = 1_000;
/** A page that did not come is asked for again after so long. */
const RETRY_MS = 500;

export interface LiveDeviceOptions {
  readonly name: string;
  readonly user: UserId;
  readonly nextAddress: () => string;
  readonly tokenOf: TokenSource;
  /** Of the conversations of its user. */
  readonly logs: ReadonlyMap<ConversationId, DeviceLog>;
  /** Each message that it was told of, as an event or by a page. */
  readonly onMessage: (conversation: ConversationId, message: Message, by: string) => void;
}

/** A receiving device over the SDK, which writes down what its client tells. */
export class LiveDevice {
  readonly client: MillraceClient;
  readonly logs: ReadonlyMap<ConversationId, DeviceLog>;
  readonly name: string;
  readonly user: UserId;
  /** Pages that were asked for because of a skip, and have not all come. */
  #paging = 0;
  #isClosed = false;

  constructor({ name, user, nextAddress, tokenOf, logs, onMessage }: LiveDeviceOptions) {
    this.name = name;
    this.user = user;
    this.logs = logs;
    this.client = nodeClient({
      url: () => Promise.resolve(nextAddress()),
      token: async () => {
        const token = await tokenOf(user);
        if (!token.ok) throw new Error(token.error);
        return token.value;
      },
      clientName: 'millrace-live',
      reconnect: { initialMs: 50, maxMs: 1_000 },
      connectTimeoutMs: CONNECT_MS_MAX,
      cachedMessages: 0,
    });
    this.client.on('message', ({ conversation, message }) => {
      onMessage(conversation, message, name);
      logs.get(conversation)?.shown(message.gen, message.seq);
    });
    this.client.on('gap', ({ conversation, gen, after, to }) => {
      const log = logs.get(conversation);
      if (log === undefined) return;
      log.skipped(gen, after, to);
      void this.#page(conversation, log, after + 1, to, onMessage);
    });
    this.client.on('regressed', ({ conversation, gen, from }) => logs.get(conversation)?.regressed(gen, from));
    openLarge(
      this.client,
      (conversation) => logs.has(conversation),
      // What it lacks then shows at the end.
      () => undefined,
    );
    this.client.on('conversation', ({ conversation, gen, seq }) => logs.get(conversation)?.summary(gen, seq));
  }

  get isPaging(): boolean {
    return this.#paging > 0;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.client.close();
  }

  async #page(
    conversation: ConversationId,
    log: DeviceLog,
    from: number,
    to: number,
    onMessage: LiveDeviceOptions['onMessage'],
  ): Promise<void> {
    this.#paging += 1;
    for (let next = from; next <= to && !this.#isClosed;) {
      try {
        const limit = Math.min(PAGE_MESSAGES, to - next + 1);
        const { messages } = await this.client.history(conversation, {
          direction: 'forward',
          from: next as SequenceId,
          limit,
        });
        for (const message of messages) {
          onMessage(conversation, message, this.name);
          log.paged(message.gen, message.seq);
        }
        next = (messages.at(-1)?.seq ?? to) + 1;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
    this.#paging -= 1;
  }
}
