import { sequenceId, type ConversationId, type Generation, type UserId } from '@millrace/kernel';
import type { Message, ServerFrame } from '@millrace/protocol';
import type { Asker } from '../connection/asker.ts';
import { MillraceError } from '../errors.ts';
import type { Emit } from '../listeners.ts';
import { LobbyView, type LobbyStep } from './lobby-view.ts';

/** What may concern a lobby. */
export type LobbyFrame = Extract<ServerFrame, { t: 'live' | 'heads' | 'ended' | 'push' }>;

export interface LobbiesOwner {
  readonly emit: Emit;
  user(): UserId | null;
  /** What the inbox brings has to wait, and need not any more. */
  hold(): void;
  release(): void;
  /** Whether the inbox has brought the conversation. */
  knows(conversation: ConversationId): boolean;
  /** It is a group from here on: the application goes on showing it. */
  becameGroup(conversation: ConversationId): void;
  /** A message of this device is in a conversation that is no lobby any more. */
  own(conversation: ConversationId, message: Message): void;
  /** A message came by: one of this device may have waited for its ack. */
  settle(this: void, conversation: ConversationId, message: Message): void;
}

interface Entered {
  readonly conversation: ConversationId;
  readonly view: LobbyView;
  isFilling: boolean;
  /** Of this device, and stored: the inbox leaves them out. At most as many as may be unanswered. */
  own: Message[];
}

const PAGE_MESSAGES = 1_000;

/** The lobbies that this client is in: over reconnects it comes in again, and fetches what it missed. */
export class Lobbies {
  readonly #asker: Asker;
  readonly #owner: LobbiesOwner;
  readonly #lobbies = new Map<ConversationId, Entered>();
  /** What the inbox must wait for: of each, nothing is to be missing. */
  readonly #settling = new Set<Entered>();
  /** That became groups, and are not known by the inbox yet: this device's own messages there. */
  readonly #groups = new Map<ConversationId, Message[]>();
  /** Of these nothing could be fetched: the next frame, or the next connection, asks again. */
  readonly #hasFailed = new Set<Entered>();

  constructor(asker: Asker, owner: LobbiesOwner) {
    this.#asker = asker;
    this.#owner = owner;
  }

  has(conversation: ConversationId): boolean {
    return this.#lobbies.has(conversation);
  }

  /** @param ask - comes into it. */
  async enter<T extends { readonly gen: Generation }>(conversation: ConversationId, ask: () => Promise<T>): Promise<T> {
    const known = this.#lobbies.get(conversation);
    const entered = known ?? { conversation, view: new LobbyView(() => this.#owner.user()), isFilling: false, own: [] };
    // Before the answer, so that nothing that comes with it is missed.
    this.#lobbies.set(conversation, entered);
    try {
      const answer = await ask();
      const { gen } = answer;
      if (known === undefined) this.#owner.emit('lobby', { conversation, change: 'joined', gen });
      this.#fillSoon(entered);
      return answer;
    } catch (error) {
      if (known === undefined) this.#forget(entered);
      throw error;
    }
  }

  /** A message of this device was acknowledged: of a lobby it comes with everybody's, of the group that it became it does not. */
  own(conversation: ConversationId, message: Message): void {
    const entered = this.#lobbies.get(conversation);
    const waiting = this.#groups.get(conversation);
    if (waiting !== undefined) waiting.push(message);
    else if (entered === undefined) this.#owner.own(conversation, message);
    else if (entered.view.gen === 0 || message.gen < entered.view.gen) entered.own.push(message);
  }

  /** What the inbox brought was taken in: groups that were lobbies may be known by now. */
  stepped(): void {
    for (const [conversation, own] of this.#groups) {
      if (!this.#owner.knows(conversation)) continue;
      this.#groups.delete(conversation);
      for (const message of own) this.#owner.own(conversation, message);
    }
  }

  /** Nothing of it is wanted any more. */
  leave(conversation: ConversationId): void {
    const entered = this.#lobbies.get(conversation);
    if (entered !== undefined) this.#end(entered);
  }

  connected(): void {
    for (const entered of this.#lobbies.values()) {
      entered.view.doubt();
      this.#settle(entered);
      void this.#enterAgain(entered);
    }
  }

  lost(): void {
    this.#settling.clear();
  }

  /** @returns whether nobody else is concerned. */
  frame(frame: LobbyFrame): boolean {
    if (frame.t === 'push') {
      this.#pushed(frame.items.flatMap((item) => ('messages' in item ? [item.conversation] : [])));
      return false;
    }
    if (frame.t === 'heads') {
      for (const { conversation, gen, seq } of frame.heads) this.#head(conversation, gen, sequenceId(seq));
      return false;
    }
    const entered = this.#lobbies.get(frame.conversation);
    if (entered === undefined) return false;
    if (frame.t === 'ended') this.#end(entered);
    else {
      this.#carryOut(entered, entered.view.live(frame));
      this.#fillSoon(entered);
    }
    return true;
  }

  #head(conversation: ConversationId, gen: Generation, seq: ReturnType<typeof sequenceId>): void {
    const entered = this.#lobbies.get(conversation);
    entered?.view.head(gen, seq);
    if (entered !== undefined) this.#fillSoon(entered);
  }

  /** A lobby of which the inbox speaks is a group: what came before that comes first. */
  #pushed(conversations: readonly ConversationId[]): void {
    for (const conversation of conversations) {
      const entered = this.#lobbies.get(conversation);
      if (entered === undefined) continue;
      entered.view.doubt();
      this.#settle(entered);
      this.#fillSoon(entered);
    }
  }

  #settle(entered: Entered): void {
    this.#settling.add(entered);
    this.#owner.hold();
  }

  #settled(entered: Entered): void {
    if (this.#settling.delete(entered) && this.#settling.size === 0) this.#owner.release();
  }

  async #enterAgain(entered: Entered): Promise<void> {
    const { conversation } = entered;
    try {
      await this.#asker.ask({ t: 'join', conversation });
      this.#fillSoon(entered);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      if (error.retry === 'never' && this.#lobbies.get(conversation) === entered) this.#end(entered);
      else this.#settled(entered);
    }
  }

  #fillSoon(entered: Entered): void {
    if (!entered.view.isBehind || entered.isFilling || this.#lobbies.get(entered.conversation) !== entered) return;
    entered.isFilling = true;
    void this.#fill(entered).finally(() => {
      entered.isFilling = false;
      this.#settled(entered);
      // What came meanwhile may not have followed.
      if (entered.view.isBehind && !this.#hasFailed.delete(entered)) this.#fillSoon(entered);
    });
  }

  async #fill(entered: Entered): Promise<void> {
    const { conversation, view } = entered;
    while (view.isBehind && this.#lobbies.get(conversation) === entered) {
      const { gen, seq } = view;
      const position = { from: sequenceId(seq + 1), ...(gen === 0 ? {} : { gen }) };
      try {
        const query = { t: 'history', conversation, direction: 'forward', limit: PAGE_MESSAGES } as const;
        const page = await this.#asker.ask({ ...query, ...position });
        // What was asked for may be behind what is here by now.
        if (view.gen !== gen || view.seq !== seq) continue;
        this.#carryOut(entered, view.page(page));
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        if (error.refusal?.code === 'regressed') {
          view.regressed();
          continue;
        }
        if (error.retry === 'never') this.#end(entered);
        this.#hasFailed.add(entered);
        return;
      }
    }
  }

  #carryOut(entered: Entered, steps: readonly LobbyStep[]): void {
    const { conversation } = entered;
    const { emit, settle } = this.#owner;
    for (const step of steps) {
      if (step.do === 'deliver') {
        settle(conversation, step.message);
        emit('message', { conversation, message: step.message });
      } else if (step.do === 'gap') emit('gap', { conversation, gen: step.gen, after: step.after, to: step.to });
      else if (step.do === 'restarted') emit('lobby', { conversation, change: 'restarted', gen: step.gen });
      else if (step.do === 'promoted') {
        this.#forget(entered);
        this.#owner.becameGroup(conversation);
        emit('lobby', { conversation, change: 'promoted', gen: step.gen });
        const own = entered.own.filter(({ gen }) => gen === step.gen);
        this.#groups.set(conversation, own);
        this.#settled(entered);
        this.stepped();
      } else this.#end(entered);
    }
  }

  #end(entered: Entered): void {
    if (this.#lobbies.get(entered.conversation) !== entered) return;
    this.#forget(entered);
    this.#owner.emit('lobby', { conversation: entered.conversation, change: 'ended', gen: entered.view.gen });
    this.#settled(entered);
  }

  #forget(entered: Entered): void {
    if (this.#lobbies.get(entered.conversation) === entered) this.#lobbies.delete(entered.conversation);
    this.#hasFailed.delete(entered);
  }
}
