import {
  err,
  generation,
  ok,
  sequenceId,
  type ConversationId,
  type NodeId,
  type Result,
  type UserId,
} from '@millrace/kernel';
import type { Arrival, Attached, ChatService, Principal, UserPush } from '@millrace/messaging';
import { deviceTag, encodeEntry, frameError, WireEntry, type Ack, type FrameError } from '@millrace/protocol';

type Synced = Awaited<ReturnType<ChatService['sync']>>;

const refuse = (): Promise<{ readonly ok: false; readonly error: FrameError }> =>
  Promise.resolve(err(frameError('not_found', 'there is nothing of the kind here')));

/** Makes the push of one message into an inbox. */
export function messagePush(seq: number, text: string, by?: Principal, gen = 1): UserPush {
  const entry = encodeEntry({
    msgNo: seq,
    countable: true,
    from: by?.user ?? ('bob' as UserId),
    deviceTag: by === undefined ? 7 : deviceTag(by.user, by.device),
    n: 1,
    sentAt: 1,
    at: 1,
    type: 'text',
    body: text,
  });
  const message = new WireEntry(generation(1), sequenceId(seq), entry);
  return {
    gen: generation(gen),
    from: sequenceId(seq),
    to: sequenceId(seq),
    items: [{ conversation: 'tea' as ConversationId, messages: [message] }],
  };
}

/** A chat that knows users' inboxes by their positions only, and answers when a test says so. */
export class MemoryChat implements ChatService {
  readonly inboxes = new Map<UserId, number>();
  /** Calls, in order: `attach ann`, `send tea 1`. */
  readonly calls: string[] = [];
  /** While true, what is asked is answered only by {@link answerAll}. */
  isHolding = false;
  attachError: FrameError | null = null;
  /** Who may open conversations; null: everybody. */
  openers: ReadonlySet<UserId> | null = null;
  /** Sends of these numbers are refused. */
  readonly sendErrors = new Map<number, FrameError>();
  /** What a sync is answered, when not with the whole of the inbox. */
  syncAnswer: (() => Synced) | null = null;
  /** Sessions that are open, as the chat was told: `ann/phone 1`. */
  readonly connectedAs: string[] = [];
  #arrivals = 0;
  #held: (() => void)[] = [];
  readonly #seqs = new Map<string, number>();

  answerAll(): void {
    const held = this.#held;
    this.#held = [];
    for (const answer of held) answer();
  }

  publish(
    by: Principal,
    send: Parameters<ChatService['publish']>[1],
    answer: (outcome: Result<Omit<Ack, 't' | 'id'>, FrameError>) => void,
  ): void {
    this.calls.push(`send ${by.user}/${by.device} ${send.conversation} ${String(send.n)}`);
    const refused = this.sendErrors.get(send.n);
    if (refused !== undefined) {
      this.#later(() => {
        answer(err(refused));
      });
      return;
    }
    const seq = (this.#seqs.get(send.conversation) ?? 0) + 1;
    this.#seqs.set(send.conversation, seq);
    const { conversation, n } = send;
    const position = { gen: generation(1), seq: sequenceId(seq), msgNo: seq, at: 5 };
    this.#later(() => {
      answer(ok({ conversation, n, ...position, level: 'memory', duplicate: false }));
    });
  }

  async attach(user: UserId): Promise<Result<Attached, FrameError>> {
    this.calls.push(`attach ${user}`);
    const seq = this.inboxes.get(user) ?? 0;
    const arrival = this.arrival();
    await this.#turn();
    if (this.attachError !== null) return err(this.attachError);
    return ok({ gen: generation(1), seq: sequenceId(seq), arrival, readMode: [] });
  }

  /** The next one. */
  arrival(): Arrival {
    this.#arrivals += 1;
    return { version: 1, owner: 'owner-1' as NodeId, n: this.#arrivals };
  }

  connected({ user, device }: Principal, { n }: Arrival): void {
    this.connectedAs.push(`${user}/${device} ${String(n)}`);
  }

  detach(user: UserId): void {
    this.calls.push(`detach ${user}`);
  }

  async sync(by: Principal): Promise<Synced> {
    this.calls.push(`sync ${by.user}`);
    const answer = this.syncAnswer?.() ?? this.synced(this.inboxes.get(by.user) ?? 0);
    await this.#turn();
    return answer;
  }

  synced(seq: number, hasMore = false): Synced {
    const inbox = { gen: generation(1), seq: sequenceId(seq) };
    return ok({ tooLong: false, regressed: false, conversations: [], hasMore, inbox, token: 'next' });
  }

  async search(by: Principal, { text }: Parameters<ChatService['search']>[1]): ReturnType<ChatService['search']> {
    this.calls.push(`search ${by.user} ${text ?? ''}`);
    await this.#turn();
    return ok({ hits: [], next: null, complete: true, unsearched: [] });
  }

  async searchFor(): ReturnType<ChatService['searchFor']> {
    return refuse();
  }

  async history(by: Principal): ReturnType<ChatService['history']> {
    this.calls.push(`history ${by.user}`);
    await this.#turn();
    return refuse();
  }

  async thread(by: Principal): ReturnType<ChatService['thread']> {
    this.calls.push(`thread ${by.user}`);
    await this.#turn();
    return refuse();
  }

  async open(by: Principal, { conversation }: Parameters<ChatService['open']>[1]): ReturnType<ChatService['open']> {
    this.calls.push(`open ${by.user} ${conversation}`);
    await this.#turn();
    if (this.openers === null || this.openers.has(by.user)) return ok(null);
    return err(frameError('not_member', `${by.user} is not a member of ${conversation}`));
  }

  away(user: UserId, lobby: ConversationId): void {
    this.calls.push(`away ${user} ${lobby}`);
  }

  typing(by: Principal): void {
    this.calls.push(`typing ${by.user}`);
  }

  async delivered(): ReturnType<ChatService['delivered']> {
    return Promise.resolve(ok(null));
  }

  edit(_by: Principal, _edit: unknown, answer: Parameters<ChatService['edit']>[2]): void {
    this.#later(() => {
      answer(err(frameError('not_found', 'there is nothing of the kind here')));
    });
  }

  forward(_by: Principal, _forward: unknown, answer: Parameters<ChatService['forward']>[2]): void {
    this.edit(_by, _forward, answer);
  }

  react(_by: Principal, _react: unknown, answer: Parameters<ChatService['react']>[2]): void {
    this.edit(_by, _react, answer);
  }

  recall(_by: Principal, _recall: unknown, answer: Parameters<ChatService['recall']>[2]): void {
    this.edit(_by, _recall, answer);
  }

  delete = refuse;
  editFor = refuse;
  reactFor = refuse;
  recallFor = refuse;
  editHistory = refuse;
  create = refuse;
  join = refuse;
  leave = refuse;
  invite = refuse;
  kick = refuse;
  setRole = refuse;
  read = refuse;
  changeSettings = refuse;
  mute = refuse;
  unmute = refuse;
  ban = refuse;
  unban = refuse;
  pin = refuse;
  unpin = refuse;
  promote = refuse;
  dissolve = refuse;
  bans = refuse;
  block = refuse;
  unblock = refuse;
  infoFor = refuse;
  schedule = refuse;
  unschedule = refuse;
  scheduled = refuse;

  async sendDue(): ReturnType<ChatService['sendDue']> {
    return { kind: 'nothing' };
  }

  /** Everybody but those whose names begin with `no`. */
  async mayWatch(by: Principal, users: readonly UserId[]): ReturnType<ChatService['mayWatch']> {
    this.calls.push(`mayWatch ${by.user} ${users.join()}`);
    await this.#turn();
    return users.some((user) => user.startsWith('no')) ? err(frameError('forbidden', 'not this one')) : ok(null);
  }

  watch(user: UserId): void {
    this.calls.push(`watch ${user}`);
  }

  unwatch(user: UserId): void {
    this.calls.push(`unwatch ${user}`);
  }

  members = refuse;
  readers = refuse;
  conversations = refuse;
  info = refuse;
  publishKeyed = refuse;
  forwardKeyed = refuse;
  createFor = refuse;
  addMembers = refuse;
  removeMembers = refuse;
  assignRole = refuse;
  listMembers = refuse;
  listReaders = refuse;

  #later(answer: () => void): void {
    if (this.isHolding) this.#held.push(answer);
    else setImmediate(answer);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#later(resolve);
    });
  }
}
