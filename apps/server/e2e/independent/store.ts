import type { Message, Position, ReadPosition, Summary } from './frames.ts';

export interface OutboxMessage {
  readonly n: number;
  readonly sentAt: number;
  readonly type: string;
  readonly body: string;
}

export interface Lane {
  /** The counter that the next new message gets. */
  nextN: number;
  readonly outbox: OutboxMessage[];
}

export interface Held {
  /** The last summary, with the four numbers as events moved them since. */
  summary: Summary | undefined;
  /** By `gen:seq`. */
  readonly messages: Map<string, Message>;
}

/** @returns below 0 when `a` comes before `b`: generation first. */
export function comparePositions(a: Position, b: Position): number {
  return a.gen - b.gen || a.seq - b.seq;
}

/**
 * What a device keeps over its own end: here in memory, handed from one run of a client to the next. Messages, summaries
 * and positions change together, between two turns of the event loop.
 */
export class Store {
  token: string | undefined;
  /** Where the device stands in its user's inbox: `P` of the page. */
  position: Position | undefined;
  /** What `token` stands for. */
  tokenPosition: Position | undefined;
  readonly held = new Map<string, Held>();
  readonly lanes = new Map<string, Lane>();
  /** What came although the device already held it. */
  readonly repeats: Message[] = [];

  conversation(id: string): Held {
    const held = this.held.get(id) ?? { summary: undefined, messages: new Map<string, Message>() };
    this.held.set(id, held);
    return held;
  }

  lane(conversation: string): Lane {
    const lane = this.lanes.get(conversation) ?? { nextN: 1, outbox: [] };
    this.lanes.set(conversation, lane);
    return lane;
  }

  /** The messages of a conversation that the device holds, rising. */
  messages(conversation: string): readonly Message[] {
    return [...this.conversation(conversation).messages.values()].sort(comparePositions);
  }

  /** @returns whether the message was new to the device. */
  add(conversation: string, message: Message): boolean {
    const { messages } = this.conversation(conversation);
    for (const [key, held] of messages) {
      // An entry of a higher generation ends the lower ones: what they held from its seq on was lost.
      if (held.gen < message.gen && held.seq >= message.seq) messages.delete(key);
    }
    const key = `${message.gen}:${message.seq}`;
    const known = messages.get(key);
    if (known === undefined) messages.set(key, message);
    else this.repeats.push(message);
    return known === undefined;
  }

  /** The numbers of a summary, and on top of them whatever the device holds behind it. */
  summarise(summary: Summary, user: string): void {
    this.conversation(summary.conversation).summary = summary;
    for (const message of this.messages(summary.conversation)) this.count(summary.conversation, message, user);
  }

  #change(conversation: string, change: (now: Summary) => Partial<Summary>): void {
    const held = this.conversation(conversation);
    // A conversation that came by push alone has no summary yet; its numbers begin at 0.
    const now: Summary = held.summary ?? {
      ...{
        conversation,
        kind: 'group',
        title: '',
        peer: null,
        member: true,
        diffusion: 'write',
        gen: 1,
        seq: 0,
        lastAt: 0,
      },
      ...{ msgNo: 0, readSeq: 0, readMsgNo: 0, own: 0, unread: 0 },
    };
    const next = { ...now, ...change(now) };
    held.summary = { ...next, unread: Math.max(0, next.msgNo - next.readMsgNo - next.own) };
  }

  /** The user's own countable messages behind a seq, of those that the device holds. */
  #ownAfter(conversation: string, seq: number, user: string): number {
    return this.messages(conversation).filter((each) => each.countable && each.from === user && each.seq > seq).length;
  }

  /** Counts a message that is new to the device, by push, by ack or by history. */
  count(conversation: string, message: Message, user: string): void {
    this.#change(conversation, (now) => {
      if (comparePositions(message, now) <= 0) return {};
      const msgNo = Math.max(now.msgNo, message.msgNo);
      if (beginsReading(message, user) && message.seq > now.readSeq) {
        const own = this.#ownAfter(conversation, message.seq, user);
        return { msgNo, readSeq: message.seq, readMsgNo: message.msgNo, own };
      }
      const isOwn = message.countable && message.from === user && message.seq > now.readSeq;
      return { msgNo, own: now.own + (isOwn ? 1 : 0) };
    });
  }

  /** A push item `read`, or the answer `read`. */
  countRead(conversation: string, read: ReadPosition, user: string): void {
    const { readSeq, readMsgNo } = read;
    const seqs = new Set(this.messages(conversation).map(({ seq }) => seq));
    this.#change(conversation, (now) => {
      if (readSeq <= now.readSeq) return {};
      let heldTo = readSeq;
      while (seqs.has(heldTo + 1)) heldTo += 1;
      const own = heldTo >= now.seq ? this.#ownAfter(conversation, readSeq, user) : read.own;
      return { readSeq, readMsgNo, own };
    });
  }
}

/** Whether the entry tells that this user became a member: their reading begins with it. */
function beginsReading(message: Message, user: string): boolean {
  if (message.type !== 'control' || !('body' in message)) return false;
  const { control, users } = JSON.parse(message.body) as { control: string; users?: string[] };
  return control === 'created' || (control === 'joined' && (users?.includes(user) ?? false));
}
