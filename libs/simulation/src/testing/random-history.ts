import {
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Random,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import type { ChatService, Principal } from '@millrace/messaging';
import type { TimelineHead } from '@millrace/timeline';

const WORDS = ['kettle', 'Kettles', 'café', 'cafe', '咖啡', '北京', '大学', '京大', 'ชา', 'กาแฟ', 'green', 'ok', '👋'];

export const principal = (user: UserId): Principal => ({ user, device: `${user}-1` as DeviceId });

/** What users do, at random: most of it is allowed, and what is not is refused. */
export class RandomHistory {
  readonly users: readonly UserId[];
  readonly rooms: readonly ConversationId[];
  #chat: ChatService;
  readonly #random: Random;
  readonly #headOf: (conversation: ConversationId) => Promise<TimelineHead>;
  readonly #sent = new Map<string, number>();
  /** By user and room, what they have sent there. */
  readonly #own = new Map<string, SequenceId[]>();

  /** @param name - its users and rooms are its own. */
  constructor(
    chat: ChatService,
    random: Random,
    name: string,
    headOf: (conversation: ConversationId) => Promise<TimelineHead>,
  ) {
    this.#chat = chat;
    this.#random = random;
    this.#headOf = headOf;
    this.users = ['ann', 'bob', 'cat', 'dan'].map((user) => `${user}-${name}` as UserId);
    this.rooms = ['tea', 'talk'].map((room) => `${room}-${name}` as ConversationId);
  }

  get owner(): UserId {
    return this.users[0] ?? ('' as UserId);
  }

  /** Over another run of the node. What devices have numbered of what was lost, they skip. */
  goOn(chat: ChatService): void {
    this.#chat = chat;
  }

  async begin(): Promise<void> {
    const [one, other] = this.rooms;
    for (const [conversation, historyPolicy] of [
      [one, 'all'],
      [other, 'join'],
    ] as const) {
      if (conversation === undefined) continue;
      const members = this.users.slice(1, 3);
      const command = { kind: 'group', conversation, members, joinPolicy: 'open', historyPolicy } as const;
      const created = await this.#chat.create(principal(this.owner), command);
      if (!created.ok) throw new Error(created.error.message);
    }
  }

  async step(): Promise<void> {
    const room = this.#pick(this.rooms);
    const user = this.#user();
    const by = principal(user);
    const at = { conversation: room };
    const kind = this.#random.fraction();
    if (kind < 0.5) await this.#send(user, room, this.#text());
    else if (kind < 0.62)
      await this.#revise(user, room, (n, seq) => ({ op: 'edit' as const, n, seq, body: this.#text() }));
    else if (kind < 0.72) await this.#revise(user, room, (n, seq) => ({ op: 'recall' as const, n, seq }));
    else if (kind < 0.8) await this.#chat.delete(by, { ...at, seq: await this.#someSeq(room) });
    else if (kind < 0.86) await this.#chat.leave(by, at);
    else if (kind < 0.93) await this.#chat.join(by, at);
    else if (kind < 0.96)
      await this.#chat.ban(principal(this.owner), { ...at, users: [this.#pick(this.users.slice(1))] });
    else await this.#chat.unban(principal(this.owner), { ...at, users: this.users });
  }

  async #send(user: UserId, conversation: ConversationId, body: string): Promise<void> {
    await this.#numbered(user, conversation, (n) => {
      return new Promise((resolve) => {
        const type = this.#random.fraction() < 0.9 ? 'text' : 'image';
        this.#chat.publish(principal(user), { conversation, n, sentAt: n, type, body }, (outcome) => {
          if (outcome.ok) this.#ownOf(user, conversation).push(outcome.value.seq);
          resolve(outcome);
        });
      });
    });
  }

  async #revise(
    user: UserId,
    conversation: ConversationId,
    change: (
      n: number,
      seq: SequenceId,
    ) => { op: 'edit'; n: number; seq: SequenceId; body: string } | { op: 'recall'; n: number; seq: SequenceId },
  ): Promise<void> {
    const own = this.#ownOf(user, conversation);
    const isOwn = own.length > 0 && this.#random.fraction() < 0.85;
    const seq = isOwn ? this.#pick(own) : await this.#someSeq(conversation);
    await this.#numbered(user, conversation, (n) => {
      const { op, ...rest } = change(n, seq);
      return new Promise((resolve) => {
        const command = { conversation, sentAt: n, ...rest };
        if (op === 'edit') this.#chat.edit(principal(user), command as Parameters<ChatService['edit']>[1], resolve);
        else this.#chat.recall(principal(user), command, resolve);
      });
    });
  }

  /** A number that was refused is given to the next one; what was lost of them is numbered again. */
  async #numbered(
    user: UserId,
    room: ConversationId,
    ask: (n: number) => Promise<Parameters<Parameters<ChatService['publish']>[2]>[0]>,
  ): Promise<void> {
    const key = `${user} ${room}`;
    const n = (this.#sent.get(key) ?? 0) + 1;
    const outcome = await ask(n);
    if (outcome.ok) this.#sent.set(key, n);
    else if (outcome.error.expected !== undefined) this.#sent.set(key, outcome.error.expected - 1);
  }

  #ownOf(user: UserId, room: ConversationId): SequenceId[] {
    const key = `${user} ${room}`;
    const own = this.#own.get(key) ?? [];
    this.#own.set(key, own);
    return own;
  }

  async #someSeq(room: ConversationId): Promise<SequenceId> {
    const { seq } = await this.#headOf(room);
    // Mostly one of the latest: what the index has not heard of yet.
    const back = Math.floor(this.#random.fraction() * (this.#random.fraction() < 0.5 ? 6 : seq));
    return sequenceId(Math.max(1, seq - back));
  }

  #text(): string {
    return Array.from({ length: 1 + Math.floor(this.#random.fraction() * 3) }, () => this.#pick(WORDS)).join(' ');
  }

  #user(): UserId {
    return this.#pick(this.users);
  }

  #pick<T>(all: readonly T[]): T {
    const one = all[Math.floor(this.#random.fraction() * all.length)];
    if (one === undefined) throw new Error('nothing to pick from');
    return one;
  }
}
