import { sequenceId, type ConversationId, type DeviceId, type Result, type UserId } from '@millrace/kernel';
import type { ChatService, Principal } from '@millrace/messaging';
import type { FrameError } from '@millrace/protocol';
import { DeviceView } from './device-view.ts';
import { SimulatedSender } from './simulated-sender.ts';
import { groupName, type World } from './world.ts';

/** One device of one user: it writes, reads, comes, goes and syncs, and remembers what it was told. */
export class SimulatedDevice {
  readonly by: Principal;
  readonly view = new DeviceView();
  readonly #world: World;
  readonly #conversations: readonly ConversationId[];
  readonly #senders = new Map<ConversationId, SimulatedSender>();
  #token: string | undefined;
  #position = 0;
  isActive = true;
  syncs = 0;
  resyncs = 0;

  constructor(world: World, user: UserId, device: DeviceId, conversations: readonly ConversationId[]) {
    this.#world = world;
    this.by = { user, device };
    this.#conversations = conversations;
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
    const attached = await this.#ask((chat) => chat.attach(this.by.user));
    if (attached.ok && conversation !== undefined) await this.#ask((chat) => chat.open(this.by, { conversation }));
  }

  /** Does one thing. */
  async act(): Promise<void> {
    const world = this.#world;
    const conversation = world.pick(this.#conversations);
    if (conversation === undefined) return;
    const { by } = this;
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

  #write(conversation: ConversationId, count: number): void {
    let sender = this.#senders.get(conversation);
    if (sender === undefined) {
      sender = new SimulatedSender(this.#world, this.by, conversation);
      this.#senders.set(conversation, sender);
    }
    for (let left = count; left > 0; left -= 1) sender.write();
  }

  async #read(conversation: ConversationId): Promise<void> {
    const head = this.view.head(conversation);
    if (head === 0) return;
    const seq = sequenceId(this.#world.between(Math.max(1, head - 5), head));
    await this.#ask((chat) => chat.read(this.by, { conversation, seq }));
  }

  async #delivered(conversation: ConversationId): Promise<void> {
    const seq = sequenceId(this.view.head(conversation));
    await this.#ask((chat) => chat.delivered(this.by, { conversation, seq }));
  }

  async #kickSomeone(conversation: ConversationId): Promise<void> {
    const members = await this.#ask((chat) => chat.members(this.by, { conversation }));
    const user = members.ok ? this.#world.pick(members.value.members)?.user : undefined;
    if (user !== undefined) await this.#ask((chat) => chat.kick(this.by, { conversation, users: [user] }));
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

  #ask<T>(request: (chat: ChatService) => Promise<Result<T, FrameError>>): Promise<Result<T, FrameError>> {
    return this.#world.ask(request, `${this.by.user}/${this.by.device}`);
  }

  /** Asks for what it has missed. @returns whether it has everything now. */
  async sync(limit: number): Promise<boolean> {
    const { history } = this.#world;
    const query = this.#token === undefined ? { limit } : { token: this.#token, limit };
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
      const rebuilt = await this.#rebuild(conversations.map(({ summary }) => summary.conversation));
      if (!rebuilt) return false;
      this.resyncs += 1;
    } else if (inbox.seq < this.#position) {
      history.violated(`the inbox of ${this.by.user} went back from ${String(this.#position)} to ${String(inbox.seq)}`);
    }
    for (const { summary, messages } of tooLong ? [] : conversations) {
      for (const entry of messages) history.revealed(summary.conversation, entry, `a sync of ${this.by.user}`);
      const wrong = this.view.delta(summary.conversation, messages);
      if (wrong !== null) history.violated(`(I6) a device of ${this.by.user}: ${wrong}`);
    }
    this.#token = token;
    this.#position = inbox.seq;
    return !hasMore;
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
