import { err, isLobbyId, type ConversationId, type Result } from '@millrace/kernel';
import { frameError, type Ack, type FrameError } from '@millrace/protocol';
import { conversationKey, StoreUnavailable } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import { overtaken } from '../answered.ts';
import type { Principal } from '../chat-service.ts';
import type { ConversationCalls, ConversationCommand } from '../conversation/commands.ts';
import type { InOrder } from './in-order.ts';

export type AckContent = Omit<Ack, 't' | 'id'>;
export type Answered<T> = Result<T, FrameError>;

/** How often something is looked up anew that was changed since, each time by somebody else. */
const ROUNDS_MAX = 5;

const changedMeanwhile = frameError(
  'unavailable',
  'the message is being changed by others, or its conversation moves, at the moment; try again',
);

/** Asks conversations for what they decide by what is stored: that is looked up first, as an actor does no I/O. */
export class Asking {
  readonly #calls: ActorCalls;
  readonly #order: InOrder;

  constructor(calls: ActorCalls, order: InOrder) {
    this.#calls = calls;
    this.#order = order;
  }

  /** Asks with what was looked up, until that was not out of date when it came. */
  async looked<Facts, T>(
    look: () => Promise<Answered<Facts>>,
    ask: (facts: Facts) => Promise<Answered<T | 'stale'>>,
  ): Promise<Answered<T>> {
    try {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const facts = await look().catch(overtaken);
        if (facts === null) continue;
        if (!facts.ok) return facts;
        const outcome = await ask(facts.value);
        if (!outcome.ok || outcome.value !== 'stale') return outcome as Answered<T>;
      }
      return err(changedMeanwhile);
    } catch (error) {
      if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
      throw error;
    }
  }

  /** The same of what a device numbers: what it sends behind that waits until it has gone to the conversation. */
  numbered<Facts>(
    by: Principal,
    conversation: ConversationId,
    look: () => Promise<Answered<Facts>>,
    commandWith: (facts: Facts) => ConversationCommand,
    answer: (outcome: Answered<AckContent>) => void,
  ): void {
    this.#order.look(orderKey(by, conversation), async () => {
      /** What comes behind waits until this has gone to the actor, and not for its answer. */
      let gone: () => void = () => undefined;
      const hasGone = new Promise<void>((resolve) => {
        gone = resolve;
      });
      const asking = this.looked<Facts, AckContent>(look, (facts) => {
        const command = commandWith(facts);
        return new Promise((resolve) => {
          this.#calls.post(conversationKey(conversation), command, resolve as (reply: AnyReply) => void, 'client');
          gone();
        });
      });
      void asking.then(answer, (error: unknown) => {
        answer(err(frameError('internal', `this hit a defect of the server: ${String(error)}`)));
      });
      await Promise.race([hasGone, asking.then(noted, noted)]);
    });
  }
}

const noted = (): void => undefined;

/** Under what a device's messages to one conversation, and its changes there, are in order. */
export const orderKey = ({ user, device }: Principal, conversation: ConversationId): string =>
  `${user}/${device} ${conversation}`;

/** Whether it is a lobby, of which nothing is stored. A group that was a lobby keeps its id. */
export async function isInMemory(calls: ActorCalls, conversation: ConversationId): Promise<boolean> {
  if (!isLobbyId(conversation)) return false;
  const kept = await calls.conversation(conversation, {
    t: 'kept',
    user: null,
    query: { direction: 'backward', limit: 1 } satisfies ConversationCalls['kept']['command']['query'],
  });
  return kept.ok && kept.value !== null;
}
