import type { ConversationId } from '@millrace/kernel';
import type { ChatService, Principal } from '@millrace/messaging';
import type { Position } from '@millrace/timeline';
import type { World } from './world.ts';

interface Sent {
  readonly n: number;
  readonly body: string;
  /** What had been acknowledged when it was first sent. */
  floor: Position | null | undefined;
  acked: boolean;
  attempts: number;
}

type PublishOutcome = Parameters<Parameters<ChatService['publish']>[2]>[0];

const PIPELINE = 3;

/** One device's outbox for one conversation, as the protocol wants it: in order, retried with the same counter. */
export class SimulatedSender {
  readonly #world: World;
  readonly #by: Principal;
  readonly #conversation: ConversationId;
  #sent: Sent[] = [];
  #written = 0;
  /** How many of the first are not in `#sent` any more. */
  #forgotten = 0;
  #isSending = false;
  #isClosed = false;

  constructor(world: World, by: Principal, conversation: ConversationId) {
    this.#world = world;
    this.#by = by;
    this.#conversation = conversation;
  }

  /** Drops what is acknowledged, all of it by now. */
  forget(): void {
    this.#forgotten += this.#sent.length;
    this.#sent = [];
  }

  /** Asks which number is free, when nothing is under way any more, and goes on from there. */
  async reopen(): Promise<void> {
    if (!this.#isClosed) return;
    const conversation = this.#conversation;
    const n = Number.MAX_SAFE_INTEGER;
    const answer = await this.#publish({ conversation, n, sentAt: n, type: 'text', body: '' });
    if (answer.ok || answer.error.expected === undefined) return;
    this.#forgotten = answer.error.expected - 1;
    this.#isClosed = false;
  }

  get isDone(): boolean {
    return this.#sent.every(({ acked }) => acked);
  }

  write(): void {
    if (this.#isClosed) return;
    this.#written += 1;
    const { user, device } = this.#by;
    const body = `${user}/${device} in ${this.#conversation}: ${String(this.#written)}`;
    this.#sent.push({ n: this.#forgotten + this.#sent.length + 1, body, floor: undefined, acked: false, attempts: 0 });
    if (!this.#isSending) void this.#send();
  }

  /** Sends what is not acknowledged, a few at a time, and all of them again from the first that failed. */
  async #send(): Promise<void> {
    this.#isSending = true;
    while (!this.isDone) {
      const first = this.#sent.find(({ acked }) => !acked)?.n ?? 0;
      const next = this.#sent.filter(({ n, acked }) => !acked && n < first + PIPELINE);
      const answers = await Promise.all(next.map((each) => this.#try(each)));
      if (answers.includes('failed')) await this.#world.time.sleep(this.#world.between(20, 400));
    }
    this.#isSending = false;
  }

  #publish(send: Parameters<ChatService['publish']>[1]): Promise<PublishOutcome> {
    return this.#world.ask(
      (chat) =>
        new Promise((resolve: (outcome: PublishOutcome) => void) => {
          chat.publish(this.#by, send, resolve);
        }),
      `${this.#by.user}/${this.#by.device}`,
    );
  }

  async #try(sent: Sent): Promise<'acked' | 'failed'> {
    const { history } = this.#world;
    const conversation = this.#conversation;
    const { n, body } = sent;
    sent.attempts += 1;
    if (sent.floor === undefined) sent.floor = history.floor(conversation);
    const answer = await this.#publish({ conversation, n, sentAt: n, type: 'text', body });
    // It was set aside while this attempt was under way.
    if (this.#sent[n - 1 - this.#forgotten] !== sent) return 'failed';
    const id = `${this.#by.user}/${this.#by.device} ${String(n)}`;
    if (answer.ok) {
      const { gen, seq, duplicate } = answer.value;
      sent.acked = true;
      const ack = { conversation, id, body, at: { gen, seq }, losses: history.losses };
      history.acked(ack, sent.floor, !duplicate);
      return 'acked';
    }
    const { code, expected } = answer.error;
    if (code === 'out_of_order') {
      // The server's memory of this device went back with a generation: everything from there is sent again.
      for (const each of this.#sent) if (each.n >= (expected ?? n)) each.acked = false;
    } else if (code === 'not_member' || code === 'not_found') {
      // Refused for good. Its number is free, and that of what was written behind it; but where an attempt before this
      // one is under way yet, which may take the number, nothing more is written.
      if (this.#sent.slice(n - 1 - this.#forgotten).some(({ attempts }) => attempts > 1)) this.#isClosed = true;
      this.#sent = this.#sent.slice(0, n - 1 - this.#forgotten);
    } else if (code !== 'unavailable' && code !== 'overloaded' && code !== 'draining') {
      history.violated(`${id} was refused with ${code}: ${answer.error.message}`);
      this.#sent = this.#sent.slice(0, n - 1 - this.#forgotten);
    }
    return 'failed';
  }
}
