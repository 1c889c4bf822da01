import type { Message, Position, ReadPosition, Summary } from './frames.ts';

export interface OutboxMessage {
  n: number;
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
  /** How often a message came that the device already held. */
  repeats = 0;

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
    // The answer to a retry has neither msgNo nor time: the message itself, when it comes, has.
    if (known === undefined || known.msgNo === 0) messages.set(key, message);
    if (known !== undefined) this.repeats += 1;
    return known === undefined;
  }

  summarise(summary: Summary): void {
    this.conversation(summary.conversation).summary = summary;
  }

  #change(conversation: string, change: (now: Summary) => Partial<Summary>): void {
    const held = this.conversation(conversation);
    // A conversation that came by push alone has no summary yet; its numbers begin at 0.
    const now: Summary = held.summary ?? {
      ...{ conversation, kind: 'group', title: '', peer: null, member: true, gen: 1, seq: 0, lastAt: 0 },
      ...{ msgNo: 0, readSeq: 0, readMsgNo: 0, own: 0, unread: 0 },
    };
    const next = { ...now, ...change(now) };
    held.summary = { ...next, unread: Math.max(0, next.msgNo - next.readMsgNo - next.own) };
  }

  /** A message came by push. */
  countPushed(conversation: string, message: Message, user: string): void {
    this.#change(conversation, (now) => {
      if (message.msgNo <= now.msgNo) return {};
      return { msgNo: message.msgNo, own: now.own + (message.countable && message.from === user ? 1 : 0) };
    });
  }

  /** An own message was acked for the first time. */
  countAcked(conversation: string, ack: { readonly msgNo: number }): void {
    this.#change(conversation, (now) => ({ msgNo: Math.max(now.msgNo, ack.msgNo), own: now.own + 1 }));
  }

  /** A push item `read`, or the answer `read`. */
  countRead(conversation: string, read: ReadPosition): void {
    const { readSeq, readMsgNo, own } = read;
    this.#change(conversation, (now) => (readSeq > now.readSeq ? { readSeq, readMsgNo, own } : {}));
  }
}
