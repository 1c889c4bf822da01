import {
  type ConversationId,
  type DeviceId,
  generation,
  hash32,
  type Result,
  sequenceId,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import type { ChatService, Principal } from '@millrace/messaging';
import type { FrameError } from '@millrace/protocol';
import { DeviceView } from './device-view.ts';
import { Following } from './following.ts';
import { SimulatedSender } from './simulated-sender.ts';
import type { Listener, Sockets } from './sockets.ts';
import { groupName, type World } from './world.ts';

/** One device of one user: it writes, reads, comes, goes and syncs, and remembers what it was told. */
export class SimulatedDevice {
  readonly by: Principal;
  readonly view: DeviceView;
  readonly #world: World;
  readonly #conversations: readonly ConversationId[];
  readonly #senders = new Map<ConversationId, SimulatedSender>();
  #token: string | undefined;
  #position = 0;
  /** Where its socket is. */
  #sockets: Sockets | null = null;
  readonly #following: Following;
  readonly #listener: Listener = {
    push: (push) => {
      if (this.#world.options.follows) this.#taken(this.#following.push(push));
    },
    resync: () => {
      this.#following.resync();
    },
    live: (conversation, live) => {
      if (this.#world.options.follows) this.#taken(this.#following.live(conversation, live));
    },
  };
  #written = 0;
  isActive = true;
  syncs = 0;
  resyncs = 0;

  constructor(world: World, user: UserId, device: DeviceId, conversations: readonly ConversationId[]) {
    this.#world = world;
    this.by = { user, device };
    this.view = new DeviceView(user);
    this.#following = new Following(user, this.view);
    this.#conversations = conversations;
  }

  /** Entries that it took over its socket. */
  get followed(): number {
    return this.#following.count;
  }

  get isDone(): boolean {
    return [...this.#senders.values()].every(({ isDone }) => isDone);
  }

  /** Does one thing after the other until it is told to stop. */
  async live(): Promise<void> {
    const world = this.#world;
    while (this.isActive) {
      if (world.chance(0.1)) await this.#show();
      await this.act();
      // Now and then a device is away for long.
      const restMs = world.chance(0.03) ? world.between(2_000, 8_000) : world.between(20, 900);
      await world.time.sleep(restMs * world.options.calm);
    }
  }

  /** Connects a socket to its node, over which it is told what comes, and shows a conversation. */
  async #show(): Promise<void> {
    const conversation = this.#world.pick(this.#conversations);
    if ((await this.#connect()) && conversation !== undefined) await this.#open(conversation);
  }

  /** Connects, and shows everything. */
  async showAll(): Promise<void> {
    if (!(await this.#connect())) return;
    for (const conversation of this.#conversations) await this.#open(conversation);
  }

  async #connect(): Promise<boolean> {
    const { user } = this.by;
    const attached = await this.#ask(async (chat, sockets) => {
      const outcome = await chat.attach(user);
      if (!outcome.ok) return outcome;
      // A node tells its sockets itself, also when the client has given up waiting.
      if (this.#sockets !== sockets) this.#sockets?.detach(user, this.#listener);
      this.#sockets = sockets;
      sockets.attached(user, outcome.value, this.#listener);
      return outcome;
    });
    return attached.ok;
  }

  #open(conversation: ConversationId): Promise<unknown> {
    return this.#ask((chat) => chat.open(this.by, { conversation }));
  }

  /** Does one thing. */
  async act(): Promise<void> {
    const world = this.#world;
    const conversation = world.pick(this.#conversations);
    if (conversation === undefined) return;
    const { by } = this;
    if (world.options.order && world.chance(0.15)) {
      await this.#keepOrder(conversation);
      return;
    }
    if (world.options.changes > 0 && world.chance(world.options.changes)) {
      await this.#change(conversation);
      return;
    }
    const dice = world.between(0, 99);
    if (dice < 50) this.#write(conversation, world.between(1, 4));
    else if (dice < 70) await this.sync(world.between(1, 12));
    else if (dice < 80) await this.#read(conversation);
    else if (dice < 88) await this.#look(conversation);
    else if (dice < 92) await this.#ask((chat) => chat.join(by, { conversation }));
    else if (dice < 95 && world.options.churn < 1 && !world.chance(world.options.churn)) return;
    else if (dice < 95 && conversation !== groupName(0)) await this.#ask((chat) => chat.leave(by, { conversation }));
    else if (dice < 98) await this.#delivered(conversation);
    else if (conversation !== groupName(0)) await this.#kickSomeone(conversation);
  }

  /** Reads everything to its end. @returns whether it could. */
  async readAll(): Promise<boolean> {
    for (const conversation of this.view.conversations) {
      const seq = sequenceId(this.view.head(conversation));
      const read = await this.#ask((chat) => chat.read(this.by, { conversation, seq }));
      if (!read.ok && read.error.code !== 'not_member') return false;
    }
    return true;
  }

  /** Everything was checked: drops what came before. */
  forget(): void {
    for (const conversation of this.view.conversations) this.view.forget(conversation, this.#world.since(conversation));
    for (const sender of this.#senders.values()) sender.forget();
  }

  /** Edits, recalls or deletes one of the latest messages that it has: also what it may not, now and then. */
  async #change(conversation: ConversationId): Promise<void> {
    const { user } = this.by;
    // Nobody changes what they have not seen.
    if (this.view.head(conversation) === 0 || this.#world.chance(0.5)) await this.sync(100);
    const messages = [...this.view.of(conversation)].filter(([, { countable }]) => countable).slice(-20);
    const isMine = this.#world.chance(0.7);
    const some = isMine ? messages.filter(([, { from }]) => from === user) : messages;
    const found = this.#world.pick(some);
    if (found === undefined) return;
    const [at, { from, gen: readIn }] = found;
    const [seq, gen] = [sequenceId(at), generation(readIn)];
    const dice = this.#world.between(0, 9);
    const author = (from ?? '') as UserId;
    if (dice < 3) this.#senderOf(conversation).change({ op: 'edit', seq, gen, author });
    else if (dice < 6) this.#senderOf(conversation).change({ op: dice < 5 ? 'react' : 'unreact', seq, gen, author });
    else if (dice < 8) this.#senderOf(conversation).change({ op: 'recall', seq, gen, author });
    else if (dice === 8) {
      const by = this.#world.chance(0.5) ? null : this.by;
      const isOn = this.#world.chance(0.7);
      await this.#ask((chat) =>
        isOn ? chat.pin(by, { conversation, seq, gen }) : chat.unpin(by, { conversation, seq, gen }),
      );
    } else {
      const { losses } = this.#world.history;
      const deleted = await this.#ask((chat) => chat.delete(this.by, { conversation, seq, gen }));
      if (deleted.ok) this.#world.history.deletions.push({ conversation, user, seq, losses });
    }
  }

  #senderOf(conversation: ConversationId): SimulatedSender {
    let sender = this.#senders.get(conversation);
    if (sender === undefined) {
      sender = new SimulatedSender(this.#world, this.by, conversation);
      this.#senders.set(conversation, sender);
    }
    return sender;
  }

  #write(conversation: ConversationId, count: number): void {
    const sender = this.#senderOf(conversation);
    for (let left = count; left > 0; left -= 1) sender.write(this.#answered(conversation));
  }

  /** A third of what is written answers one of the latest messages that this device has. No dice fall for it. */
  #answered(conversation: ConversationId): SequenceId | null {
    if (this.#world.options.changes === 0) return null;
    this.#written += 1;
    const dice = hash32(`${this.by.user}/${this.by.device} ${String(this.#written)}`);
    const messages = [...this.view.of(conversation)].filter(([, { countable }]) => countable).slice(-8);
    const found = messages[dice % 24];
    return found === undefined ? null : sequenceId(found[0]);
  }

  async #read(conversation: ConversationId): Promise<void> {
    const head = this.view.head(conversation);
    if (head === 0) return;
    const seq = sequenceId(this.#world.between(Math.max(1, head - 5), head));
    const { history } = this.#world;
    const since = history.readSince(conversation);
    const read = await this.#ask((chat) => chat.read(this.by, { conversation, seq }));
    if (read.ok) history.readTo(conversation, this.by.user, read.value.readSeq, since);
  }

  async #delivered(conversation: ConversationId): Promise<void> {
    const seq = sequenceId(this.view.head(conversation));
    await this.#ask((chat) => chat.delivered(this.by, { conversation, seq }));
  }

  async #kickSomeone(conversation: ConversationId): Promise<void> {
    const user = await this.#memberOf(conversation);
    if (user !== undefined) await this.#ask((chat) => chat.kick(this.by, { conversation, users: [user] }));
  }

  async #memberOf(conversation: ConversationId): Promise<UserId | undefined> {
    const { history } = this.#world;
    const since = history.readSince(conversation);
    const page = await this.#ask((chat) => chat.members(this.by, { conversation }));
    if (!page.ok) return undefined;
    for (const { user, readSeq } of page.value.members) history.readTo(conversation, user, readSeq, since);
    return this.#world.pick(page.value.members)?.user;
  }

  /** Mutes or bans somebody, or lifts it: as a member who may not, mostly, or as the backend. Nobody goes from the first group. */
  async #keepOrder(conversation: ConversationId): Promise<void> {
    const world = this.#world;
    const dice = world.between(0, 9);
    const by = world.chance(0.6) ? null : this.by;
    if (dice >= 8) {
      const banned = await this.#ask((chat) => chat.bans(null, { conversation }));
      const users = banned.ok ? banned.value.users : [];
      if (users.length > 0) await this.#ask((chat) => chat.unban(by, { conversation, users }));
      return;
    }
    const user = await this.#memberOf(conversation);
    if (user === undefined) return;
    const users = [user];
    const until = world.time.clock.nowMs() + world.between(100, 3_000);
    if (dice < 3) await this.#ask((chat) => chat.mute(by, { conversation, users, ...(dice < 2 && { until }) }));
    else if (dice < 5) await this.#ask((chat) => chat.unmute(by, { conversation, users }));
    else if (conversation !== groupName(0)) await this.#ask((chat) => chat.ban(by, { conversation, users }));
  }

  /** Looks at the newest entries, which must be as new as what was acknowledged before. */
  async #look(conversation: ConversationId): Promise<void> {
    const { history } = this.#world;
    const floor = history.floor(conversation);
    const { losses } = history;
    const page = await this.#ask((chat) => chat.history(this.by, { conversation, direction: 'backward', limit: 5 }));
    if (!page.ok) return;
    for (const entry of page.value.messages) history.revealed(conversation, entry, `a page for ${this.by.user}`);
    // Only where nobody comes and goes does everyone see the head.
    if (conversation === groupName(0)) history.read(conversation, this.by.user, floor, losses, page.value.head);
  }

  #taken(wrong: string | null): void {
    if (wrong !== null) this.#world.history.violated(`(I6) a socket of ${this.by.user}: ${wrong}`);
  }

  #ask<T>(
    request: (chat: ChatService, sockets: Sockets) => Promise<Result<T, FrameError>>,
  ): Promise<Result<T, FrameError>> {
    return this.#world.ask(request, `${this.by.user}/${this.by.device}`);
  }

  /** Asks for what it has missed. @returns whether it has everything now. */
  async sync(limit: number): Promise<boolean> {
    const { history } = this.#world;
    const told = this.#following.begun();
    const query = this.#token === undefined ? { limit } : { token: this.#token, limit, ...told };
    const synced = await this.#ask((chat) => chat.sync(this.by, query));
    if (!synced.ok) {
      if (synced.error.code === 'bad_request') history.violated(`a sync of ${this.by.user}: ${synced.error.message}`);
      return false;
    }
    const { tooLong, conversations, token, hasMore, inbox } = synced.value;
    this.syncs += 1;
    if (tooLong) {
      // What it had is gone with the first page: it must not go on from there when the next one fails.
      this.#token = undefined;
      this.#following.reset();
      const rebuilt = await this.#rebuild(conversations.map(({ summary }) => summary.conversation));
      if (!rebuilt) return false;
      this.resyncs += 1;
    } else if (inbox.seq < this.#position) {
      history.violated(`the inbox of ${this.by.user} went back from ${String(this.#position)} to ${String(inbox.seq)}`);
    }
    for (const { summary, messages, deleted = [] } of tooLong ? [] : conversations) {
      for (const entry of messages) history.revealed(summary.conversation, entry, `a sync of ${this.by.user}`);
      const wrong = this.view.delta(summary.conversation, messages);
      if (wrong !== null) history.violated(`(I6) a device of ${this.by.user}: ${wrong}`);
      this.view.deleted(summary.conversation, deleted);
    }
    if (!(await this.#readDoubted())) {
      this.#token = undefined;
      return false;
    }
    for (const { summary } of conversations) this.view.readTo(summary.conversation, summary.readSeq);
    this.#following.synced(inbox, hasMore);
    this.#token = token;
    this.#position = inbox.seq;
    return !hasMore;
  }

  /** Reads again what was changed by entries that are lost, or that it was not told of. @returns whether it could. */
  async #readDoubted(): Promise<boolean> {
    for (const [conversation, doubted] of this.view.takeDoubted()) {
      const last = Math.max(...doubted);
      for (let from = Math.min(...doubted); from <= last;) {
        const limit = Math.min(40, last - from + 1);
        const query = { conversation, direction: 'forward', from: sequenceId(from), limit } as const;
        const page = await this.#ask((chat) => chat.history(this.by, query));
        if (!page.ok && page.error.code !== 'not_member' && page.error.code !== 'not_found') return false;
        if (!page.ok) break;
        const { messages, hasMore } = page.value;
        this.view.page(
          conversation,
          messages.filter(({ seq }) => doubted.includes(seq)),
        );
        if (!hasMore) break;
        from = (messages.at(-1)?.seq ?? last) + 1;
      }
    }
    return true;
  }

  /** Reads every conversation again from its beginning. */
  async #rebuild(conversations: readonly ConversationId[]): Promise<boolean> {
    this.view.clear();
    for (const conversation of conversations) {
      for (let from = this.#world.since(conversation) + 1; ;) {
        const start = sequenceId(from);
        const page = await this.#ask((chat) =>
          chat.history(this.by, { conversation, direction: 'forward', from: start, limit: 40 }),
        );
        // After a loss a list may name what its conversation does not know any more.
        const isGone = !page.ok && (page.error.code === 'not_found' || page.error.code === 'not_member');
        if (isGone && this.#world.history.losses > 0) break;
        if (!page.ok) return false;
        this.view.page(conversation, page.value.messages);
        if (!page.value.hasMore) break;
        from = (page.value.messages.at(-1)?.seq ?? 0) + 1;
      }
    }
    return true;
  }
}
