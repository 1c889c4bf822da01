import { setTimeout as sleep } from 'node:timers/promises';
import { systemTimers, type ConversationId, type DeviceId, type SequenceId, type UserId } from '@millrace/kernel';
import type { ConversationSummary, Message } from '@millrace/protocol';
import {
  describeSessionError,
  RawSession,
  type AnswerTo,
  type RequestContent,
  type UnaskedFrame,
} from '@millrace/raw-client';
import type { GroupStage } from './group-stage.ts';
import { SeqRuns } from './seq-runs.ts';

const PAGE = 1_000;
/** Of one visit: so many are an endless way to nowhere. */
const PAGES_MAX = 300;
const TRIES_MAX = 50;
const RETRY_MS = 100;

/** Asks until the server has room. @throws when it refuses for good. */
export async function asked<Request extends RequestContent>(
  session: RawSession,
  request: Request,
): Promise<AnswerTo<Request>> {
  for (let tries = 1; ; tries += 1) {
    const answer = await session.request(request);
    if (answer.ok) return answer.value;
    const { error } = answer;
    if (error.kind !== 'refused' || error.error.retry !== 'later' || tries === TRIES_MAX) {
      throw new Error(`${request.t} was refused: ${describeSessionError(error)}`);
    }
    await sleep(RETRY_MS);
  }
}

export async function connectedAs(
  stage: GroupStage,
  user: UserId,
  device: string,
  onUnasked: (frame: UnaskedFrame) => void = () => undefined,
): Promise<RawSession> {
  for (let tries = 1; ; tries += 1) {
    const session = await RawSession.connect({
      url: stage.nextSocketUrl(),
      token: stage.tokenOf(user),
      device: device as DeviceId,
      timers: systemTimers,
      onUnasked,
    });
    if (session.ok) return session.value;
    if (tries === TRIES_MAX) throw new Error(`${user} cannot connect: ${describeSessionError(session.error)}`);
    await sleep(RETRY_MS);
  }
}

/** Everything of a conversation that this user may see, first to last. */
export async function historyOf(session: RawSession, conversation: ConversationId): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (let from = 1; ;) {
    const page = await asked(session, {
      t: 'history',
      conversation,
      direction: 'forward',
      from: from as SequenceId,
      limit: PAGE,
    });
    messages.push(...page.messages);
    if (!page.hasMore) return messages;
    from = (messages.at(-1)?.seq ?? 0) + 1;
  }
}

/** A device of the protocol alone, that comes now and then: it keeps a token, and what syncs brought of one conversation. */
export class Visitor {
  readonly user: UserId;
  readonly got = new SeqRuns();
  readonly #stage: GroupStage;
  readonly #conversation: ConversationId;
  #token: string | null = null;

  constructor(stage: GroupStage, user: UserId, conversation: ConversationId) {
    this.#stage = stage;
    this.user = user;
    this.#conversation = conversation;
  }

  /** Connects, syncs until nothing is missing, and goes away. */
  async visit(limit = PAGE): Promise<void> {
    await this.#within(async (session) => {
      let hasMore = true;
      for (let pages = 1; hasMore; pages += 1) {
        if (pages > PAGES_MAX) throw new Error(`the syncs of ${this.user} do not come to an end`);
        const token = this.#token === null ? {} : { token: this.#token };
        const synced = await asked(session, { t: 'sync', ...token, limit });
        if (synced.tooLong && this.#token !== null) this.got.wrong.push('was told tooLong');
        for (const { summary, messages } of synced.conversations) {
          if (summary.conversation === this.#conversation) for (const message of messages) this.got.add(message);
        }
        this.#token = synced.token;
        ({ hasMore } = synced);
      }
    });
  }

  /** Comes for the first time, and pages what the user may see. */
  async page(): Promise<void> {
    await this.#within(async (session) => {
      for (const message of await historyOf(session, this.#conversation)) this.got.add(message);
    });
  }

  async summary(): Promise<ConversationSummary | undefined> {
    return this.#within(async (session) => {
      const { conversations } = await asked(session, { t: 'conversations', limit: 500 });
      return conversations.find(({ conversation }) => conversation === this.#conversation);
    });
  }

  async #within<Outcome>(work: (session: RawSession) => Promise<Outcome>): Promise<Outcome> {
    const session = await connectedAs(this.#stage, this.user, 'visitor');
    try {
      return await work(session);
    } finally {
      session.close();
    }
  }
}
