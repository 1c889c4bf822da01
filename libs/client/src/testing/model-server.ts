import {
  directConversationId,
  generation,
  ok,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  deviceTag,
  encodeEntry,
  frameError,
  WireEntry,
  type ClientFrame,
  type ControlBody,
  type ConversationSummary,
  type EntryFields,
  type FrameError,
  type History,
  type Push,
  type PushItem,
  type Send,
  type ServerFrame,
  type Sync,
} from '@millrace/protocol';
import { modelSearch } from './model-search.ts';

export interface ModelConversation {
  readonly id: ConversationId;
  readonly kind: 'direct' | 'group';
  readonly title: string;
  gen: number;
  /** Last seq of each finished generation. */
  readonly ended: Map<number, number>;
  entries: WireEntry[];
  msgNo: number;
  readonly counters: Map<string, { last: number; seqs: Map<number, number> }>;
  readonly joined: Map<UserId, number>;
}

interface Progress {
  gen: number;
  seq: number;
  msgNo: number;
  sent: number;
  readSeq: number;
  readMsgNo: number;
  sentAtRead: number;
  lastAt: number;
  member: boolean;
}

type Item = PushItem<WireEntry>;

interface ModelUser {
  gen: number;
  items: Item[];
  oldest: number;
  readonly progress: Map<ConversationId, Progress>;
}

/** One connected device; `out` is where its frames go. */
export interface ModelSession {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly tag: number;
  told: number;
  readonly out: (frame: ServerFrame<WireEntry>) => void;
}

/**
 * A server in memory that does what a client may lean on: dense seqs, counters per device (I4), an inbox per user that
 * lags behind the ack until `diffuse`, pushes that leave a device's own messages out, sync and history.
 */
export class ModelServer {
  readonly conversations = new Map<ConversationId, ModelConversation>();
  readonly sessions = new Set<ModelSession>();
  /** Inbox entries or conversations in one answer to a sync. */
  pageRecords = 1_000;
  /** Refuses a send that is not stored yet; null lets it pass. */
  refuse: (send: Send) => FrameError | null = () => null;
  /** Answers, but those to pings, wait for {@link answerNow}, and pushes overtake them. */
  answersLate = false;
  #late: (() => void)[] = [];
  readonly #users = new Map<UserId, ModelUser>();
  #undiffused: { readonly user: UserId; readonly conversation: ConversationId; readonly item: Item }[] = [];
  #clock = 1_000;

  connect(frame: Extract<ClientFrame, { t: 'connect' }>, out: ModelSession['out'], idleMs = 60_000): ModelSession {
    const user = frame.token as UserId;
    const { gen, items } = this.#user(user);
    const inbox = { gen: generation(gen), seq: sequenceId(items.length) };
    const tag = deviceTag(user, frame.device);
    const session: ModelSession = { user, device: frame.device, tag, told: items.length, out };
    this.sessions.add(session);
    const limits = { frameBytes: 65_536, bodyBytes: 32_768, sendWindow: 64, idleMs };
    const { id, device } = frame;
    out({ t: 'connected', id, user, device, session: 's', serverTime: this.#clock, ackLevel: 'memory', inbox, limits });
    return session;
  }

  receive(session: ModelSession, frame: ClientFrame): void {
    if (frame.t === 'typing') return;
    const answer = this.#answer(session, frame);
    const reply: ServerFrame<WireEntry> = answer.ok ? answer.value : { t: 'error', id: frame.id, ...answer.error };
    const give = (): void => {
      session.out(reply);
      // What the answer holds needs no push any more.
      if (reply.t === 'synced') session.told = Math.max(session.told, reply.inbox.seq);
    };
    if (this.answersLate && frame.t !== 'ping') this.#late.push(give);
    else give();
  }

  createGroup(id: ConversationId, members: readonly UserId[]): ModelConversation {
    const by = { from: members[0] ?? null, deviceTag: 0, n: 0, sentAt: 0 };
    return this.#create(id, 'group', members, by);
  }

  /** A message of somebody without a device here. */
  post(id: ConversationId, from: UserId, body: string): WireEntry {
    return this.#append(this.#conversation(id), { from, deviceTag: 0, n: 0, sentAt: 0, type: 'text', body }, true);
  }

  addMember(id: ConversationId, user: UserId): void {
    const conversation = this.#conversation(id);
    if (conversation.joined.has(user)) return;
    conversation.joined.set(user, conversation.entries.length + 1);
    this.#control(conversation, user, { control: 'joined', users: [user] });
  }

  answerNow(): void {
    const late = this.#late;
    this.#late = [];
    for (const give of late) give();
  }

  /** Lets the oldest waiting inbox entries arrive; default all. */
  diffuse(count = Number.POSITIVE_INFINITY): void {
    const due = this.#undiffused.slice(0, count);
    this.#undiffused = this.#undiffused.slice(due.length);
    for (const { user, conversation, item } of due) this.#deliver(user, conversation, item);
  }

  /** The inbox forgets all but its newest entries: devices that are further behind get a snapshot. */
  trimInbox(user: UserId, keep: number): void {
    const inbox = this.#user(user);
    inbox.oldest = Math.max(inbox.oldest, inbox.items.length - keep + 1);
  }

  /**
   * A crash that lost what came after `seq`.
   *
   * @param alone - the inboxes that pointed there are still there, and break; else they were lost with it.
   */
  lose(id: ConversationId, seq: number, alone = false): void {
    this.diffuse();
    const conversation = this.#conversation(id);
    conversation.ended.set(conversation.gen, seq);
    conversation.gen += 1;
    conversation.entries = conversation.entries.slice(0, seq);
    conversation.msgNo = conversation.entries.at(-1)?.message.msgNo ?? 0;
    for (const counter of conversation.counters.values()) {
      for (const [n, at] of counter.seqs) if (at > seq) counter.seqs.delete(n);
      counter.last = Math.max(0, ...counter.seqs.keys());
    }
    const last = conversation.entries.at(-1)?.message;
    for (const user of conversation.joined.keys()) {
      const inbox = this.#user(user);
      if (!alone) inbox.gen += 1;
      inbox.oldest = inbox.items.length + 1;
      if (alone) this.breakInbox(user, id);
      const progress = inbox.progress.get(id);
      if (progress === undefined || last === undefined) continue;
      const sent = conversation.entries.filter(({ message }) => message.countable && message.from === user).length;
      const gen = alone ? Number(conversation.entries.at(-1)?.gen) : conversation.gen;
      Object.assign(progress, { gen, seq, msgNo: conversation.msgNo, sent, lastAt: last.at });
      progress.readSeq = Math.min(progress.readSeq, seq);
      progress.readMsgNo = Math.min(progress.readMsgNo, conversation.msgNo);
      progress.sentAtRead = Math.min(progress.sentAtRead, sent);
    }
    for (const session of this.sessions) session.out({ t: 'resync', reason: 'regressed' });
  }

  /** The inbox lacks something: devices get a snapshot. */
  breakInbox(user: UserId, id: ConversationId): void {
    const inbox = this.#user(user);
    inbox.items.push({ conversation: id, read: { readSeq: sequenceId(0), readMsgNo: 0, own: 0 } });
    inbox.oldest = inbox.items.length + 1;
    for (const session of this.sessions) if (session.user === user) session.out({ t: 'resync', reason: 'incomplete' });
  }

  /** The read position was lost, and the inbox breaks. */
  forgetReading(user: UserId, id: ConversationId): void {
    const progress = this.#user(user).progress.get(id);
    if (progress !== undefined) Object.assign(progress, { readSeq: 0, readMsgNo: 0, sentAtRead: 0 });
    this.breakInbox(user, id);
  }

  summary(user: UserId, conversation: ConversationId): ConversationSummary {
    const progress = this.#user(user).progress.get(conversation);
    if (progress === undefined) throw new Error(`${user} has no ${conversation}`);
    const { kind, title } = this.#conversation(conversation);
    const { msgNo, readMsgNo, lastAt, member } = progress;
    const own = progress.sent - progress.sentAtRead;
    const peer = kind === 'direct' ? (conversation.split('!').find((one) => one !== user) as UserId) : null;
    const at = { gen: generation(progress.gen), seq: sequenceId(progress.seq), lastAt };
    const read = { readSeq: sequenceId(progress.readSeq), readMsgNo, own, unread: msgNo - readMsgNo - own };
    return { conversation, kind, title, peer, member, diffusion: 'write', ...at, msgNo, ...read };
  }

  #answer(
    session: ModelSession,
    frame: Exclude<ClientFrame, { t: 'typing' }>,
  ): Result<ServerFrame<WireEntry>, FrameError> {
    const { user } = session;
    const { id } = frame;
    switch (frame.t) {
      case 'send':
        return this.#send(session, frame);
      case 'sync':
        return this.#sync(session, frame);
      case 'history':
        return this.#history(user, frame);
      case 'search':
        return ok(modelSearch(this.conversations.values(), user, frame));
      case 'conversations': {
        const all = [...this.#user(user).progress.keys()].map((conversation) => this.summary(user, conversation));
        const from = frame.after === undefined ? 0 : Number(frame.after);
        const to = from + (frame.limit ?? 100);
        return ok({
          t: 'conversations',
          id,
          conversations: all.slice(from, to),
          next: to < all.length ? String(to) : null,
        });
      }
      case 'read':
        return ok({ t: 'read', id, ...this.#read(user, frame.conversation, frame.seq) });
      case 'create': {
        const direct = frame.kind === 'direct' ? directConversationId(user, frame.members[0] ?? user) : undefined;
        const name = direct ?? frame.conversation ?? ('made' as ConversationId);
        const fresh = !this.conversations.has(name);
        const by = { from: user, deviceTag: session.tag, n: 0, sentAt: 0 };
        if (fresh) this.#create(name, frame.kind === 'direct' ? 'direct' : 'group', [user, ...frame.members], by);
        return ok({ t: 'created', id, conversation: name, gen: generation(1), seq: sequenceId(1), fresh });
      }
      case 'join':
        this.addMember(frame.conversation, user);
        return ok({ t: 'changed', id, conversation: frame.conversation, gen: generation(1), seq: sequenceId(1) });
      case 'members': {
        const members = [...this.#conversation(frame.conversation).joined.keys()].map((member) => {
          return { user: member, role: 'member' as const, readSeq: sequenceId(0), deliveredSeq: sequenceId(0) };
        });
        return ok({ t: 'members', id, conversation: frame.conversation, count: members.length, members, next: null });
      }
      case 'ping':
        return ok({ t: 'pong', id, serverTime: this.#clock });
      default:
        return ok({ t: 'ok', id });
    }
  }

  #send(session: ModelSession, send: Send): Result<ServerFrame<WireEntry>, FrameError> {
    const { id, n } = send;
    const conversation = this.conversations.get(send.conversation);
    if (conversation?.joined.has(session.user) !== true) {
      return { ok: false, error: frameError('not_member', 'not a member') };
    }
    const key = `${session.user}/${session.device}`;
    const counter = conversation.counters.get(key) ?? { last: 0, seqs: new Map<number, number>() };
    conversation.counters.set(key, counter);
    const known = counter.seqs.get(n);
    const to = { t: 'ack' as const, id, conversation: send.conversation, n, level: 'memory' as const };
    if (known !== undefined) {
      const gen = conversation.entries[known - 1]?.gen ?? generation(conversation.gen);
      return ok({ ...to, gen, seq: sequenceId(known), msgNo: 0, at: 0, duplicate: true });
    }
    // As the server does: the first answer stands, whatever speaks against the message by now.
    const refusal = this.refuse(send);
    if (refusal !== null) return { ok: false, error: refusal };
    if (n <= counter.last) return { ok: false, error: frameError('expired', 'the counter was skipped') };
    if ((send.after ?? n - 1) !== counter.last) {
      return { ok: false, error: frameError('out_of_order', 'a counter is missing', { expected: counter.last + 1 }) };
    }
    const { sentAt, type, body, mentions, mentionAll } = send;
    const fields = {
      ...{ from: session.user, deviceTag: session.tag, n, sentAt, type, body },
      ...(mentions === undefined ? {} : { mentions }),
      ...(mentionAll === undefined ? {} : { mentionAll }),
    };
    const { message } = this.#append(conversation, fields, true);
    counter.last = n;
    counter.seqs.set(n, message.seq);
    const { gen, seq, msgNo, at } = message;
    return ok({ ...to, gen, seq, msgNo, at, duplicate: false });
  }

  #sync({ user }: ModelSession, { id, token, seen }: Sync): Result<ServerFrame<WireEntry>, FrameError> {
    const inbox = this.#user(user);
    const head = { gen: generation(inbox.gen), seq: sequenceId(inbox.items.length) };
    const [gen = -1, seq = 0] = token === undefined ? [] : token.split('-').map(Number);
    const from = seen?.gen === gen ? Math.max(seq, seen.seq) : seq;
    if (gen !== inbox.gen || from + 1 < inbox.oldest) {
      const conversations = [...inbox.progress.keys()].map((one) => ({
        summary: this.summary(user, one),
        messages: [],
      }));
      const regressed = token !== undefined && gen !== inbox.gen;
      const next = `${String(head.gen)}-${String(head.seq)}`;
      return ok({ t: 'synced', id, tooLong: true, regressed, conversations, hasMore: false, inbox: head, token: next });
    }
    const to = Math.min(inbox.items.length, from + this.pageRecords);
    const deltas = new Map<ConversationId, WireEntry[]>();
    for (const item of inbox.items.slice(from, to)) {
      const messages = deltas.get(item.conversation) ?? [];
      deltas.set(item.conversation, messages);
      if ('messages' in item) messages.push(...item.messages);
    }
    const conversations = [...deltas].map(([one, messages]) => ({ summary: this.summary(user, one), messages }));
    const at = { gen: head.gen, seq: sequenceId(to) };
    const more = { hasMore: to < inbox.items.length, inbox: at, token: `${String(at.gen)}-${String(at.seq)}` };
    return ok({ t: 'synced', id, tooLong: false, regressed: false, conversations, ...more });
  }

  #history(user: UserId, query: History): Result<ServerFrame<WireEntry>, FrameError> {
    const { id, direction, limit = 50 } = query;
    const conversation = this.conversations.get(query.conversation);
    const first = conversation?.joined.get(user);
    if (conversation === undefined || first === undefined)
      return { ok: false, error: frameError('not_member', 'not a member') };
    const ended = query.gen === undefined ? undefined : conversation.ended.get(query.gen);
    if (ended !== undefined && query.from !== undefined && query.from - 1 > ended) {
      return { ok: false, error: frameError('regressed', 'lost', { from: ended }) };
    }
    const visible = conversation.entries.filter(({ seq }) => seq >= first);
    const from = query.from ?? (direction === 'forward' ? 1 : Number.POSITIVE_INFINITY);
    const range =
      direction === 'forward'
        ? visible.filter(({ seq }) => seq >= from)
        : visible.filter(({ seq }) => seq <= from).reverse();
    const head = { gen: generation(conversation.gen), seq: sequenceId(conversation.entries.length) };
    const messages = range.slice(0, limit);
    return ok({ t: 'page', id, conversation: query.conversation, messages, hasMore: range.length > limit, head });
  }

  #read(user: UserId, id: ConversationId, seq: SequenceId): ConversationSummary {
    const progress = this.#user(user).progress.get(id);
    if (progress !== undefined && seq > progress.readSeq) {
      const before = this.#conversation(id).entries.slice(0, seq);
      progress.readSeq = seq;
      progress.readMsgNo = before.at(-1)?.message.msgNo ?? 0;
      progress.sentAtRead = before.filter(({ message }) => message.countable && message.from === user).length;
      const own = Math.max(0, progress.sent - progress.sentAtRead);
      this.#inboxAppend(user, { conversation: id, read: { readSeq: seq, readMsgNo: progress.readMsgNo, own } });
    }
    return this.summary(user, id);
  }

  #create(
    id: ConversationId,
    kind: 'direct' | 'group',
    members: readonly UserId[],
    by: Pick<EntryFields, 'from' | 'deviceTag' | 'n' | 'sentAt'>,
  ): ModelConversation {
    const joined = new Map(members.map((member) => [member, 1]));
    const state = { gen: 1, ended: new Map(), entries: [], msgNo: 0, counters: new Map(), joined };
    const conversation: ModelConversation = { id, kind, title: `about ${id}`, ...state };
    this.conversations.set(id, conversation);
    this.#control(conversation, by.from, { control: 'created', kind, title: conversation.title, members });
    return conversation;
  }

  #control(conversation: ModelConversation, from: UserId | null, control: ControlBody): void {
    const body = JSON.stringify(control);
    this.#append(conversation, { from, deviceTag: 0, n: 0, sentAt: 0, type: 'control', body }, false);
  }

  #append(
    conversation: ModelConversation,
    fields: Omit<EntryFields, 'msgNo' | 'countable' | 'at'>,
    countable: boolean,
  ): WireEntry {
    if (countable) conversation.msgNo += 1;
    this.#clock += 1;
    const seq = sequenceId(conversation.entries.length + 1);
    const data = encodeEntry({ ...fields, msgNo: conversation.msgNo, countable, at: this.#clock });
    const entry = new WireEntry(generation(conversation.gen), seq, data);
    conversation.entries.push(entry);
    for (const user of conversation.joined.keys()) {
      const item = { conversation: conversation.id, messages: [entry] };
      this.#undiffused.push({ user, conversation: conversation.id, item });
    }
    return entry;
  }

  #deliver(user: UserId, id: ConversationId, item: Item): void {
    const [entry] = 'messages' in item ? item.messages : [];
    if (entry === undefined) return;
    const { message } = entry;
    const { progress } = this.#user(user);
    const before = progress.get(id);
    const sent = (before?.sent ?? 0) + (message.countable && message.from === user ? 1 : 0);
    const reading = before ?? { readSeq: message.seq, readMsgNo: message.msgNo, sentAtRead: sent };
    const { gen, seq, msgNo, at } = message;
    progress.set(id, { ...reading, gen, seq, msgNo, sent, lastAt: at, member: true });
    this.#inboxAppend(user, item);
  }

  #inboxAppend(user: UserId, item: Item): void {
    const inbox = this.#user(user);
    inbox.items.push(item);
    for (const session of this.sessions) {
      if (session.user !== user) continue;
      const own =
        'messages' in item &&
        item.messages.every(({ message }) => message.from === user && message.deviceTag === session.tag);
      // What only advances the position goes with the next one.
      if (own) continue;
      const seq = sequenceId(inbox.items.length);
      const push: Push<WireEntry> = {
        t: 'push',
        gen: generation(inbox.gen),
        prev: sequenceId(session.told),
        seq,
        items: [item],
      };
      session.told = seq;
      session.out(push);
    }
  }

  #user(user: UserId): ModelUser {
    const known = this.#users.get(user);
    if (known !== undefined) return known;
    const fresh = { gen: 1, items: [], oldest: 1, progress: new Map<ConversationId, Progress>() };
    this.#users.set(user, fresh);
    return fresh;
  }

  #conversation(id: ConversationId): ModelConversation {
    const conversation = this.conversations.get(id);
    if (conversation === undefined) throw new Error(`there is no ${id}`);
    return conversation;
  }
}
