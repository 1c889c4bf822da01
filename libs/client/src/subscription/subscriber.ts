import {
  sequenceId,
  type Cancel,
  type ConversationId,
  type Random,
  type SequenceId,
  type Timers,
} from '@millrace/kernel';
import type { Connected, ConversationSummary, FrameError, Message, ServerFrame } from '@millrace/protocol';
import type { Asker } from '../connection/asker.ts';
import { backoffMs, type BackoffLimits } from '../connection/backoff.ts';
import type { Connection } from '../connection/connection.ts';
import { MillraceError } from '../errors.ts';
import type { Emit } from '../listeners.ts';
import { summaryOf } from './conversation-state.ts';
import type { LobbyFrame } from './lobbies.ts';
import type { DeviceInput } from './device-input.ts';
import type { Device } from './device-state.ts';
import type { Effect } from './effects.ts';
import type { Position } from './position.ts';

/** How long messages wait for ones before them to arrive by themselves. */
const FILL_AFTER_MS = 500;
/** How often it is waited so long for the inbox to tell where a conversation begins in which this device has written already. */
const BEGIN_WAITS = 120;
const PAGE_MESSAGES = 1_000;
const LIST_PAGE = 500;
/** Pages of the conversation list in which one that is active now is looked for. */
const DESCRIBE_PAGES = 2;

export interface SubscriberOptions {
  readonly backoff: BackoffLimits;
  readonly timers: Timers;
  readonly random: Random;
}

export interface SubscriberOwner {
  readonly emit: Emit;
  live(): void;
  isOpen(conversation: ConversationId): boolean;
  settle(effect: Extract<Effect, { do: 'settle' }>): void;
  /** Takes what concerns a lobby that this device is in. @returns whether it was. */
  lobbyFrame(frame: LobbyFrame): boolean;
  /** Something was taken in. */
  stepped(): void;
}

/** Carries out what the device decides: asks the server, and tells the application. */
export class Subscriber {
  readonly #device: Device;
  readonly #connection: Connection;
  readonly #asker: Asker;
  readonly #options: SubscriberOptions;
  readonly #owner: SubscriberOwner;
  readonly #fills = new Map<ConversationId, Cancel | null>();
  readonly #rereads = new Set<ConversationId>();
  readonly #waits = new Map<ConversationId, number>();
  #syncDelay: Cancel | null = null;
  /** Syncs in a row that ended where the one before had. */
  #idleSyncs = 0;
  #lastToken = '';
  #describing: Promise<void> | null = null;
  readonly #toDescribe = new Set<ConversationId>();
  /** What waits until nothing is missing of a lobby that became a group; null while nothing has to. */
  #held: DeviceInput[] | null = null;

  constructor(
    device: Device,
    connection: Connection,
    asker: Asker,
    options: SubscriberOptions,
    owner: SubscriberOwner,
  ) {
    this.#device = device;
    this.#connection = connection;
    this.#asker = asker;
    this.#options = options;
    this.#owner = owner;
  }

  connected({ inbox }: Connected): void {
    this.#idleSyncs = 0;
    this.#lastToken = '';
    this.#stepOrHold({ on: 'connected', inbox });
  }

  /** What the inbox brings waits from here on, in order: it goes on where a lobby ends. */
  hold(): void {
    this.#held ??= [];
  }

  release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const input of held) this.step(input);
  }

  #stepOrHold(input: DeviceInput): void {
    if (this.#held === null) this.step(input);
    else this.#held.push(input);
  }

  lost(): void {
    this.#syncDelay?.();
    this.#syncDelay = null;
    this.#held = null;
    this.step({ on: 'lost' });
  }

  frame(frame: ServerFrame): void {
    const isOfLobbies = frame.t === 'live' || frame.t === 'heads' || frame.t === 'ended' || frame.t === 'push';
    if (isOfLobbies && this.#owner.lobbyFrame(frame)) return;
    switch (frame.t) {
      case 'push':
        this.#stepOrHold({ on: 'push', push: frame });
        return;
      case 'resync':
        this.#stepOrHold({ on: 'resync' });
        return;
      case 'live':
        this.step({ on: 'live', live: frame });
        return;
      case 'heads':
        this.step({ on: 'heads', heads: frame.heads, isOpen: (conversation) => this.#owner.isOpen(conversation) });
        return;
      case 'receipt': {
        const { t: _t, ...receipt } = frame;
        this.#owner.emit('receipt', receipt);
        return;
      }
      case 'receipts': {
        const { t: _t, ...receipts } = frame;
        this.#owner.emit('receipts', receipts);
        return;
      }
      case 'presence':
        this.#owner.emit('presence', frame.users);
        return;
      case 'typing':
        this.#owner.emit('typing', { conversation: frame.conversation, user: frame.user });
        return;
      default:
      // An answer to nothing that was asked, or an error about no request: there is nothing to do about it.
    }
  }

  step(input: DeviceInput): void {
    for (const effect of this.#device.step(input)) this.#carryOut(effect);
    this.#owner.stepped();
  }

  #carryOut(effect: Effect): void {
    const { emit } = this.#owner;
    switch (effect.do) {
      case 'deliver':
        emit('message', { conversation: effect.conversation, message: effect.message });
        return;
      case 'revised': {
        const { conversation, seq, message } = effect;
        emit('revised', { conversation, seq, message });
        return;
      }
      case 'changed': {
        const conversation = this.#device.state.conversations.get(effect.conversation);
        if (conversation?.anchored === true) emit('conversation', summaryOf(conversation));
        return;
      }
      case 'removed':
        emit('removed', { conversation: effect.conversation });
        return;
      case 'hint':
        this.#owner.emit('hint', effect.item);
        return;
      case 'read':
        emit('read', effect.item);
        return;
      case 'gap':
        emit('gap', { conversation: effect.conversation, gen: effect.gen, after: effect.after, to: effect.to });
        return;
      case 'regressed':
        emit('regressed', { conversation: effect.conversation, gen: effect.gen, from: effect.from });
        return;
      case 'sync':
        this.#syncSoon(effect);
        return;
      case 'live':
        this.#owner.live();
        return;
      case 'fill':
        this.#fillLater(effect.conversation);
        return;
      case 'reread':
        this.#rereadLater(effect.conversation);
        return;
      case 'describe':
        this.#toDescribe.add(effect.conversation);
        this.#describing ??= this.#describe();
        return;
      case 'list':
        void this.#list();
        return;
      case 'probe':
        void this.#probe(effect);
        return;
      case 'verify':
        void this.#verify(effect);
        return;
      case 'readAgain':
        void this.#readAgain(effect);
        return;
      case 'settle':
        this.#owner.settle(effect);
    }
  }

  /** A sync that brought the device nowhere is not repeated at once. */
  #syncSoon(effect: Extract<Effect, { do: 'sync' }>): void {
    if (this.#idleSyncs === 0) {
      this.#sync(effect);
      return;
    }
    this.#syncAfter(backoffMs(this.#idleSyncs, this.#options.backoff, this.#options.random), effect);
  }

  #syncAfter(delayMs: number, effect: Extract<Effect, { do: 'sync' }>): void {
    this.#syncDelay = this.#options.timers.after(delayMs, () => {
      this.#syncDelay = null;
      this.#sync(effect);
    });
  }

  #sync(effect: Extract<Effect, { do: 'sync' }>): void {
    const { token, seen, reached } = effect;
    const position = {
      ...(token === null ? {} : { token }),
      ...(seen === null ? {} : { seen }),
      ...(reached.length === 0 ? {} : { reached }),
    };
    this.#connection.ask({ t: 'sync', ...position, limit: PAGE_MESSAGES }, (outcome) => {
      // Lost with its connection, and begun anew on the next one.
      if (outcome === null) return;
      if (outcome.t === 'error') {
        this.#syncRefused(effect, outcome);
        return;
      }
      const { token: next, hasMore } = outcome;
      this.#idleSyncs = next === this.#lastToken && !hasMore ? this.#idleSyncs + 1 : 0;
      this.#lastToken = next;
      this.step({ on: 'synced', synced: outcome });
    });
  }

  #syncRefused(effect: Extract<Effect, { do: 'sync' }>, error: FrameError): void {
    this.#idleSyncs += 1;
    if (error.retry === 'never' && effect.token !== null) {
      this.step({ on: 'syncRefused', error });
      return;
    }
    if (error.retry === 'token') void this.#connection.refreshToken();
    const { backoff, random } = this.#options;
    this.#syncAfter(Math.max(error.retryAfterMs ?? 0, backoffMs(this.#idleSyncs, backoff, random)), effect);
  }

  #fillLater(conversation: ConversationId): void {
    if (this.#fills.has(conversation)) return;
    const cancel = this.#options.timers.after(FILL_AFTER_MS, () => {
      this.#fills.set(conversation, null);
      void this.#fill(conversation).finally(() => {
        this.#fills.delete(conversation);
        // Others may have come to wait meanwhile.
        const state = this.#device.state.conversations.get(conversation);
        if (state !== undefined && state.held.length > 0 && this.#connection.ready) this.#fillLater(conversation);
      });
    });
    this.#fills.set(conversation, cancel);
  }

  /** Pages the conversation from the last delivered message on, until nothing is held any more. */
  async #fill(conversation: ConversationId): Promise<void> {
    for (;;) {
      const state = this.#device.state.conversations.get(conversation);
      const last = state?.held.at(-1);
      if (state === undefined || last === undefined) return;
      const waits = state.anchored ? 0 : (this.#waits.get(conversation) ?? 0) + 1;
      this.#waits.delete(conversation);
      if (waits > 0 && waits < BEGIN_WAITS) {
        // Others' messages may lie before the own ones: the inbox has them, however late it is.
        this.#waits.set(conversation, waits);
        return;
      }
      if (!state.anchored) {
        this.step({ on: 'page', conversation, messages: [], completeTo: null });
        return;
      }
      const { gen, seq } = state.applied;
      const limit = Math.max(1, Math.min(PAGE_MESSAGES, last.seq - seq));
      try {
        const from = sequenceId(seq + 1);
        const page = await this.#asker.ask({ t: 'history', conversation, direction: 'forward', from, gen, limit });
        const reached = page.hasMore ? (page.messages.at(-1)?.seq ?? page.head.seq) : page.head.seq;
        // A page that ends before the first held message brings nothing any more, nor will the next one.
        const completeTo = !page.hasMore && reached < (state.held[0]?.seq ?? 0) ? null : reached;
        this.step({ on: 'page', conversation, messages: page.messages, completeTo });
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        const survivedTo = error.refusal?.code === 'regressed' ? error.refusal.from : undefined;
        if (survivedTo !== undefined && survivedTo < seq) {
          this.step({ on: 'pageRegressed', conversation, from: sequenceId(survivedTo) });
        } else if (error.retry === 'later') return;
        else this.step({ on: 'page', conversation, messages: [], completeTo: null });
      }
    }
  }

  /** What settles a doubt mostly comes right behind it. */
  #rereadLater(conversation: ConversationId): void {
    if (this.#rereads.has(conversation)) return;
    this.#rereads.add(conversation);
    this.#options.timers.after(FILL_AFTER_MS, () => {
      void this.#reread(conversation).finally(() => this.#rereads.delete(conversation));
    });
  }

  /** Reads what is in doubt, until nothing is; offline that waits until the device is live again. */
  async #reread(conversation: ConversationId): Promise<void> {
    for (;;) {
      const [seq] = this.#device.state.conversations.get(conversation)?.doubted ?? [];
      if (seq === undefined || !this.#connection.ready) return;
      let message: Message | null = null;
      try {
        const page = await this.#asker.ask({ t: 'history', conversation, direction: 'forward', from: seq, limit: 1 });
        message = page.messages.find((each) => each.seq === seq) ?? null;
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        if (error.retry === 'later') return;
      }
      this.step({ on: 'reread', conversation, seq, message });
    }
  }

  async #probe({ conversation, position, to }: Extract<Effect, { do: 'probe' }>): Promise<void> {
    this.step({ on: 'probed', conversation, position, to, survivedTo: await this.#survivedTo(conversation, position) });
  }

  async #verify({ conversation, position, summary }: Extract<Effect, { do: 'verify' }>): Promise<void> {
    const survivedTo = await this.#survivedTo(conversation, position);
    this.step({ on: 'verified', conversation, position, summary, survivedTo });
  }

  /** Null when the position is still there, or nobody answers. */
  async #survivedTo(conversation: ConversationId, { gen, seq }: Position): Promise<SequenceId | null> {
    try {
      const from = sequenceId(seq + 1);
      await this.#asker.ask({ t: 'history', conversation, direction: 'forward', from, gen, limit: 1 });
      return null;
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      const { refusal } = error;
      return refusal?.code === 'regressed' && refusal.from !== undefined ? sequenceId(refusal.from) : null;
    }
  }

  async #readAgain({ conversation, seq }: Extract<Effect, { do: 'readAgain' }>): Promise<void> {
    try {
      this.step({ on: 'readDone', done: await this.#asker.ask({ t: 'read', conversation, seq }) });
    } catch (error) {
      // Who has left, or is offline for long: the next time that they read.
      if (!(error instanceof MillraceError)) throw error;
    }
  }

  /** Looks in the user's list for conversations of which only messages are known. */
  async #describe(): Promise<void> {
    // What one step asks for is looked up together.
    await Promise.resolve();
    const wanted = new Set(this.#toDescribe);
    this.#toDescribe.clear();
    try {
      await this.#pages(DESCRIBE_PAGES, (summaries) => {
        this.step({ on: 'described', summaries: summaries.filter(({ conversation }) => wanted.has(conversation)) });
        for (const { conversation } of summaries) wanted.delete(conversation);
        return wanted.size > 0;
      });
    } catch (error) {
      // The next message of the conversation asks again.
      if (!(error instanceof MillraceError)) throw error;
    } finally {
      this.#describing = this.#toDescribe.size > 0 ? this.#describe() : null;
    }
  }

  async #list(): Promise<void> {
    const all: ConversationSummary[] = [];
    try {
      await this.#pages(Number.POSITIVE_INFINITY, (summaries) => {
        all.push(...summaries);
        return true;
      });
      this.step({ on: 'listed', summaries: all });
    } catch (error) {
      // Offline for long, or closed: what is missing comes with its next message.
      if (!(error instanceof MillraceError)) throw error;
    }
  }

  async #pages(max: number, take: (summaries: readonly ConversationSummary[]) => boolean): Promise<void> {
    let after: string | null = null;
    for (let count = 0; count < max; count += 1) {
      const page: Awaited<ReturnType<Asker['ask']>> & { t: 'conversations' } = await this.#listPage(after);
      if (!take(page.conversations) || page.next === null) return;
      after = page.next;
    }
  }

  #listPage(after: string | null) {
    return this.#asker.ask({ t: 'conversations', limit: LIST_PAGE, ...(after === null ? {} : { after }) });
  }
}
