import type { ConversationId, DeviceId, Generation, SequenceId, UserId } from '@millrace/kernel';
import {
  protocolLimits,
  type Bans,
  type Changed,
  type Conversations,
  type ConversationSummary,
  type Created,
  type Found,
  type Info,
  type Members,
  type Message,
  type MessagePlace,
  type Page,
  type Readers,
  type Role,
  type UnreadInputs,
} from '@millrace/protocol';
import type {
  ClientEvents,
  ConnectionState,
  CreateLobbyOptions,
  CreateOptions,
  HistoryQuery,
  MillraceClientOptions,
  Progress,
  ReadersQuery,
  SearchOptions,
  SendOptions,
  SendReceipt,
  SettingsChange,
  ThreadQuery,
} from './api.ts';
import { ClientCore } from './client-core.ts';
import type { AnswerFor, Question } from './connection/requests.ts';
import { MillraceError } from './errors.ts';
import { ScheduledMessages } from './scheduled-messages.ts';
import { searchQuestion } from './search-question.ts';
import { summaryOf } from './subscription/conversation-state.ts';

type Content<Frame> = Omit<Frame, 't' | 'id'>;

/**
 * One device of one user.
 *
 * Sends may begin at once, also offline: they wait in the outbox and go out in order. What arrives comes as events; a
 * local view of the conversations, their latest messages and unread counts follows them. Requests wait for a
 * connection and are repeated over lost ones; they reject with a {@link MillraceError}.
 */
export class MillraceClient {
  readonly #core: ClientCore;
  /** Messages that are to be sent later. */
  readonly scheduled: ScheduledMessages;

  /** Users whose presence this client has subscribed to. */
  readonly #watched = new Set<UserId>();

  constructor(options: MillraceClientOptions) {
    this.#core = new ClientCore(options);
    const newKey = (): string => this.#core.random.id();
    this.scheduled = new ScheduledMessages({ ask: (question) => this.#ask(question), newKey });
    this.on('state', (state) => {
      if (state === 'live' && this.#watched.size > 0) void this.#watchAgain();
    });
  }

  /** @returns what ends the subscription. */
  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): () => void {
    return this.#core.listeners.on(name, listener);
  }

  get state(): ConnectionState {
    return this.#core.state;
  }

  /** Null until the first connect told. */
  get user(): UserId | null {
    return this.#core.user;
  }

  /** Null until the storage was read. */
  get device(): DeviceId | null {
    return this.#core.device;
  }

  /** Messages that were sent here and have no ack yet. */
  get outboxSize(): number {
    return this.#core.outbox.size;
  }

  /**
   * Connects, and keeps connecting. Resolves when nothing is missing for the first time; rejects only when the client
   * is told not to come back, or is closed.
   */
  connect(): Promise<void> {
    return this.#core.connect();
  }

  /** Ends the connection and stores what there is to store. The outbox stays. */
  close(): Promise<void> {
    return this.#core.close();
  }

  /**
   * Resolves with the server's ack. Rejects when the server refuses for good, or the client is closed (the message
   * then stays in the outbox); never for a lost connection.
   */
  async send(conversation: ConversationId, body: string | Uint8Array, options: SendOptions = {}): Promise<SendReceipt> {
    this.#core.refuseWhenClosed();
    // Every call waits as long, so that the order of sends is that of the calls.
    await this.#core.load();
    return this.#core.sender.send(conversation, body, options);
  }

  /**
   * Brings a message that this user sees to another conversation, with what it says now, which the server takes from there.
   * Otherwise like {@link send}; what was recalled, or deleted by this user, is refused as `conflict`.
   */
  async forward(conversation: ConversationId, source: MessagePlace): Promise<SendReceipt> {
    this.#core.refuseWhenClosed();
    await this.#core.load();
    return this.#core.sender.forward(conversation, source);
  }

  /**
   * Gives one of this user's own messages another body, for everybody. Waits in the outbox like a message, in order with
   * them, and resolves with the server's ack.
   */
  async edit(conversation: ConversationId, seq: SequenceId, body: string | Uint8Array): Promise<SendReceipt> {
    this.#core.refuseWhenClosed();
    await this.#core.load();
    return this.#core.sender.edit(conversation, this.#placeOf(conversation, seq), body);
  }

  /**
   * Takes a message back, for everybody: one's own for a while, as the owner or an admin any. Otherwise like {@link edit}.
   *
   * @param reason - why, for all to read, 200 characters at most.
   */
  async recall(conversation: ConversationId, seq: SequenceId, reason = ''): Promise<SendReceipt> {
    this.#core.refuseWhenClosed();
    await this.#core.load();
    return this.#core.sender.recall(conversation, this.#placeOf(conversation, seq), reason);
  }

  /**
   * Puts a reaction under a message, or takes one's own away; each user has one of each kind. Otherwise like {@link edit};
   * what is there, or gone, already is refused as `conflict`.
   */
  async react(conversation: ConversationId, seq: SequenceId, emoji: string, on = true): Promise<SendReceipt> {
    this.#core.refuseWhenClosed();
    await this.#core.load();
    return this.#core.sender.react(conversation, this.#placeOf(conversation, seq), emoji, on);
  }

  /** Hides a message from this user alone, on all their devices. */
  async delete(conversation: ConversationId, seq: SequenceId): Promise<void> {
    await this.#ask({ t: 'delete', conversation, ...this.#placeOf(conversation, seq) });
  }

  /** The message as this device has it: another one that came in its place, where a generation was lost, is not meant. */
  #placeOf(conversation: ConversationId, seq: SequenceId): { readonly seq: SequenceId; readonly gen?: Generation } {
    const tail = this.#core.deviceState.conversations.get(conversation)?.tail ?? [];
    const known = tail.find((message) => message.seq === seq);
    return known === undefined ? { seq } : { seq, gen: known.gen };
  }

  /**
   * Idempotent when `conversation` is given. With many members it is made with the first of them, and the rest is invited:
   * when that fails, the same call again goes on.
   */
  async create(options: CreateOptions, onProgress?: Progress): Promise<Content<Created>> {
    const { conversation = this.#core.random.id() as ConversationId, members = [], ...rest } = options;
    const first = members.slice(0, protocolLimits.membersPerFrame);
    const created = await this.#ask({ t: 'create', conversation, members: first, ...rest });
    onProgress?.(first.length, members.length);
    if (first.length < members.length) await this.#inviteFrom(first.length, conversation, members, onProgress);
    return created;
  }

  /** The one direct conversation with another user, made when there is none. */
  createDirect(user: UserId): Promise<Content<Created>> {
    return this.#ask({ t: 'create', kind: 'direct', members: [user] });
  }

  /** Makes a lobby, a conversation that is kept in memory while somebody is in it, and comes into it as its owner. */
  createLobby(options: CreateLobbyOptions = {}): Promise<Content<Created>> {
    const { conversation = `~${this.#core.random.id()}` as ConversationId, invited = [], ...rest } = options;
    return this.#core.lobbies.enter(conversation, () =>
      this.#ask({ t: 'create', kind: 'lobby', conversation, members: invited, ...rest }),
    );
  }

  /**
   * Comes into a lobby. What it has kept, and then what is said there, comes as `message` events without a hole, over
   * reconnects too; what it keeps no more is told by `gap`, what becomes of it by `lobby`.
   */
  joinLobby(conversation: ConversationId): Promise<Content<Changed>> {
    return this.#core.lobbies.enter(conversation, () => this.#ask({ t: 'join', conversation }));
  }

  async leaveLobby(conversation: ConversationId): Promise<void> {
    this.#core.lobbies.leave(conversation);
    await this.#askLobby({ t: 'leave', conversation });
  }

  /** The lobby becomes a group that is stored: `message` events go on. For its owner. */
  promoteLobby(conversation: ConversationId): Promise<Content<Changed>> {
    return this.#ask({ t: 'promote', conversation });
  }

  /** Ends the lobby for all who are in it. For its owner. */
  async dissolveLobby(conversation: ConversationId): Promise<void> {
    await this.#askLobby({ t: 'dissolve', conversation });
  }

  join(conversation: ConversationId): Promise<Content<Changed>> {
    return this.#ask({ t: 'join', conversation });
  }

  leave(conversation: ConversationId): Promise<Content<Changed>> {
    return this.#ask({ t: 'leave', conversation });
  }

  invite(conversation: ConversationId, users: readonly UserId[]): Promise<Content<Changed>> {
    return this.#ask({ t: 'invite', conversation, users });
  }

  /**
   * Any number of users, in chunks of 200, one after the other. Users who are members already cost nothing: when it rejects,
   * or the process ends, the same call again goes on, or one with what is left of the list as `onProgress` told it.
   */
  async inviteAll(conversation: ConversationId, users: readonly UserId[], onProgress?: Progress): Promise<void> {
    await this.#inviteFrom(0, conversation, users, onProgress);
  }

  kick(conversation: ConversationId, users: readonly UserId[]): Promise<Content<Changed>> {
    return this.#ask({ t: 'kick', conversation, users });
  }

  setRole(conversation: ConversationId, user: UserId, role: Role): Promise<Content<Changed>> {
    return this.#ask({ t: 'role', conversation, user, role });
  }

  /** Title, policies, whether all are muted, slow mode: what is left out stays. */
  changeSettings(conversation: ConversationId, change: SettingsChange): Promise<Content<Changed>> {
    return this.#ask({ t: 'settings', conversation, ...change });
  }

  /** @param until - milliseconds since 1970 by the server's clock; left out: for ever. */
  mute(conversation: ConversationId, users: readonly UserId[], until?: number): Promise<Content<Changed>> {
    return this.#ask({ t: 'mute', conversation, users, ...(until === undefined ? {} : { until }) });
  }

  unmute(conversation: ConversationId, users: readonly UserId[]): Promise<Content<Changed>> {
    return this.#ask({ t: 'unmute', conversation, users });
  }

  /** Removes them, and keeps them out until they are unbanned. */
  ban(conversation: ConversationId, users: readonly UserId[]): Promise<Content<Changed>> {
    return this.#ask({ t: 'ban', conversation, users });
  }

  unban(conversation: ConversationId, users: readonly UserId[]): Promise<Content<Changed>> {
    return this.#ask({ t: 'unban', conversation, users });
  }

  /** Shows a message to all above all; `info` lists what is pinned, and an entry `pinned` tells of it as it happens. */
  pin(conversation: ConversationId, seq: SequenceId): Promise<Content<Changed>> {
    return this.#ask({ t: 'pin', conversation, ...this.#placeOf(conversation, seq) });
  }

  unpin(conversation: ConversationId, seq: SequenceId): Promise<Content<Changed>> {
    return this.#ask({ t: 'unpin', conversation, ...this.#placeOf(conversation, seq) });
  }

  /** In order of user id. For the owner and admins. */
  bans(
    conversation: ConversationId,
    page: { readonly after?: UserId; readonly limit?: number } = {},
  ): Promise<Content<Bans>> {
    return this.#ask({ t: 'bans', conversation, ...page });
  }

  /** That user can send this one nothing directly any more. */
  async block(user: UserId): Promise<void> {
    await this.#ask({ t: 'block', user });
  }

  async unblock(user: UserId): Promise<void> {
    await this.#ask({ t: 'unblock', user });
  }

  /**
   * From here on `presence` events tell whether these users are online, over all connections: first of each, then what
   * changes. At most 200 at a time; each must share a direct conversation with this user, and not have blocked them.
   */
  async subscribePresence(users: readonly UserId[]): Promise<void> {
    await this.#ask({ t: 'subscribePresence', users });
    for (const user of users) this.#watched.add(user);
  }

  async unsubscribePresence(users: readonly UserId[]): Promise<void> {
    for (const user of users) this.#watched.delete(user);
    await this.#ask({ t: 'unsubscribePresence', users });
  }

  /** The conversation's settings, and this user's role in it. */
  info(conversation: ConversationId): Promise<Content<Info>> {
    return this.#ask({ t: 'info', conversation });
  }

  /** Moves this user's read position, on all devices, up to `seq`; default: the last message that is here. */
  async read(conversation: ConversationId, seq?: SequenceId): Promise<UnreadInputs> {
    const upTo = seq ?? this.#core.deviceState.conversations.get(conversation)?.applied.seq;
    if (upTo === undefined) throw new MillraceError('not_found', `${conversation} is not in the local list`, 'never');
    const done = await this.#ask({ t: 'read', conversation, seq: upTo });
    this.#core.subscriber.step({ on: 'readDone', done });
    return done;
  }

  /** Tells the others that a device of this user holds everything up to `seq`. */
  async delivered(conversation: ConversationId, seq: SequenceId): Promise<void> {
    await this.#ask({ t: 'delivered', conversation, seq });
  }

  /**
   * This device shows the conversation: of one with many members, whose messages are in no inbox, they come at once from
   * now on, over reconnects, too. Any conversation may be opened; at most 64 at a time.
   */
  async openConversation(conversation: ConversationId): Promise<void> {
    this.#core.refuseWhenClosed();
    await this.#core.opened.open(conversation);
  }

  /**
   * This device does not show it any more: of one with many members unread counts go on, and messages come when it is opened
   * again, or with the next sync, after a reconnect, say.
   */
  async closeConversation(conversation: ConversationId): Promise<void> {
    this.#core.refuseWhenClosed();
    await this.#core.opened.close(conversation);
  }

  /** Not stored, not answered, dropped when offline. */
  typing(conversation: ConversationId): void {
    this.#core.connection.tell({ t: 'typing', conversation });
  }

  /** A page of a conversation from the server: also what is not in `messages()`. */
  history(conversation: ConversationId, query: HistoryQuery = {}): Promise<Content<Page>> {
    return this.#ask({ t: 'history', conversation, direction: 'backward', ...query });
  }

  /**
   * Messages by their words and fields, of what this user may read, as they stand now. Of a hit `places` tells what to mark
   * in its body. `complete` false says that not everything was looked at, for the server's index is behind.
   */
  search(options: SearchOptions): Promise<Content<Found>> {
    return this.#ask(searchQuestion(options));
  }

  /** A page of what has come in the thread of the message at `seq`, its first one. */
  thread(conversation: ConversationId, seq: SequenceId, query: ThreadQuery = {}): Promise<Content<Page>> {
    return this.#ask({ t: 'thread', conversation, seq, direction: 'backward', ...query });
  }

  /** In order of user id. */
  members(
    conversation: ConversationId,
    page: { readonly after?: UserId; readonly limit?: number } = {},
  ): Promise<Content<Members>> {
    return this.#ask({ t: 'members', conversation, ...page });
  }

  /** By how many of those who received the entry at `seq` it was read, and by whom, or by whom not. */
  readers(conversation: ConversationId, seq: SequenceId, query: ReadersQuery = {}): Promise<Content<Readers>> {
    return this.#ask({ t: 'readers', conversation, seq, ...query });
  }

  /** The user's conversations as the server lists them, the latest active first. */
  conversations(page: { readonly after?: string; readonly limit?: number } = {}): Promise<Content<Conversations>> {
    return this.#ask({ t: 'conversations', ...page });
  }

  /** The conversations as this device knows them, the latest active first. */
  conversationList(): readonly ConversationSummary[] {
    const listed = [...this.#core.deviceState.conversations.values()].filter(({ anchored }) => anchored).map(summaryOf);
    return listed.sort(
      (left, right) => right.lastAt - left.lastAt || (left.conversation < right.conversation ? -1 : 1),
    );
  }

  /** The latest messages without a gap up to the last one that is here, rising by seq; `history` has the rest. */
  messages(conversation: ConversationId): readonly Message[] {
    const tail = this.#core.deviceState.conversations.get(conversation)?.tail ?? [];
    const shown = tail.filter(({ deleted }) => deleted !== true);
    return this.#core.cachedMessages === 0 ? [] : shown.slice(-this.#core.cachedMessages);
  }

  unread(conversation: ConversationId): number {
    const state = this.#core.deviceState.conversations.get(conversation);
    return state === undefined ? 0 : summaryOf(state).unread;
  }

  totalUnread(): number {
    let total = 0;
    for (const state of this.#core.deviceState.conversations.values())
      if (state.member) total += summaryOf(state).unread;
    return total;
  }

  /** A new connection knows of no subscription. Who may not be watched any more is left out. */
  async #watchAgain(): Promise<void> {
    try {
      await this.#ask({ t: 'subscribePresence', users: [...this.#watched] });
    } catch {
      for (const user of [...this.#watched]) {
        await this.#ask({ t: 'subscribePresence', users: [user] }).catch((error: unknown) => {
          if (error instanceof MillraceError && error.retry === 'never') this.#watched.delete(user);
        });
      }
    }
  }

  /** What is to be over may be so already: the answer of an earlier try was lost, say. */
  async #askLobby(question: Extract<Question, { t: 'leave' | 'dissolve' }>): Promise<void> {
    try {
      await this.#ask(question);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      if (error.code !== 'not_found' && error.code !== 'not_member') throw error;
    }
  }

  async #inviteFrom(from: number, conversation: ConversationId, users: readonly UserId[], onProgress?: Progress) {
    const { membersPerFrame } = protocolLimits;
    for (let done = from; done < users.length; done += membersPerFrame) {
      const chunk = users.slice(done, done + membersPerFrame);
      await this.invite(conversation, chunk);
      onProgress?.(done + chunk.length, users.length);
    }
  }

  async #ask<Q extends Question>(question: Q): Promise<AnswerFor<Q>> {
    this.#core.refuseWhenClosed();
    return this.#core.asker.ask(question);
  }
}
