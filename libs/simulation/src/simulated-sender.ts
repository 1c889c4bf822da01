import { hash32, type ConversationId, type Generation, type SequenceId, type UserId } from '@millrace/kernel';
import type { Principal } from '@millrace/messaging';
import type { Mentions } from '@millrace/protocol';
import type { Position } from '@millrace/timeline';
import { userName, type World } from './world.ts';

interface Sent {
  readonly n: number;
  readonly body: string;
  /** What had been acknowledged when it was first sent. */
  floor: Position | null | undefined;
  /** How often acknowledged commits had been lost when it was first sent: its answer may be older than its arrival. */
  losses: number;
  acked: boolean;
  /** It mentions nobody, or not any more. */
  isPlain: boolean;
  /** It changes that message, and is none. */
  readonly change?: {
    readonly op: 'edit' | 'react' | 'unreact' | 'recall';
    readonly seq: SequenceId;
    readonly gen: Generation;
    readonly author: UserId;
  };
  /** It answers that message. */
  readonly replyTo?: SequenceId;
}

/** Some of two: so that they are taken away, too. */
const emojiOf = (body: string): string => (hash32(body) % 2 === 0 ? '👍' : '👎');

const placeOf = ({ seq, gen }: NonNullable<Sent['change']>) => ({ seq, gen });

/** What is stored of it. */
function storedBody({ body, change }: Sent): string {
  if (change === undefined) return body;
  const { op, seq, author } = change;
  if (op === 'edit') return JSON.stringify({ control: 'edited', seq, body });
  if (op === 'recall') return JSON.stringify({ control: 'recalled', seq, author });
  return JSON.stringify({ control: 'reacted', seq, emoji: emojiOf(body), on: op === 'react' });
}

const PIPELINE = 3;

/** Some of the messages mention somebody, or all: always the same of them, so that the dice fall as they did before. */
function mentionsIn(body: string): Mentions {
  const dice = hash32(body);
  if (dice % 12 === 0) return { mentionAll: true };
  return dice % 4 === 0 ? { mentions: [userName(dice % 5), userName(dice % 3)] } : {};
}

/**
 * One device's outbox for one conversation, as the protocol wants it: in order, retried with the same counter, which is
 * never given to another message.
 */
export class SimulatedSender {
  readonly #world: World;
  readonly #by: Principal;
  readonly #conversation: ConversationId;
  /** Every second device sends again what the server has lost, as it was; the others let it be, and skip it. */
  readonly #keepsAcked: boolean;
  /** Those that were not refused, in order. */
  #sent: Sent[] = [];
  #written = 0;
  /** The last number that the server is known to have accepted. */
  #last: number | undefined;
  #isSending = false;

  constructor(world: World, by: Principal, conversation: ConversationId) {
    this.#world = world;
    this.#by = by;
    this.#conversation = conversation;
    this.#keepsAcked = hash32(`${by.user}/${by.device} ${conversation}`) % 2 === 0;
  }

  /** Drops what is acknowledged, all of it by now. */
  forget(): void {
    this.#sent = [];
  }

  get isDone(): boolean {
    return this.#sent.every(({ acked }) => acked);
  }

  /** @param replyTo - the message that it answers. */
  write(replyTo: SequenceId | null = null): void {
    this.#add(replyTo === null ? {} : { replyTo });
  }

  /** Changes a message that is there, in order with what is written. */
  change(change: NonNullable<Sent['change']>): void {
    this.#add({ change });
  }

  #add(more: Pick<Sent, 'change' | 'replyTo'>): void {
    this.#written += 1;
    const { user, device } = this.#by;
    const body = `${user}/${device} in ${this.#conversation}: ${String(this.#written)}`;
    this.#sent.push({ n: this.#written, body, floor: undefined, losses: 0, acked: false, isPlain: false, ...more });
    if (!this.#isSending) void this.#send();
  }

  /** Sends what is not acknowledged, a few at a time, and all of them again from the first that failed. */
  async #send(): Promise<void> {
    this.#isSending = true;
    while (!this.isDone) {
      const first = this.#sent.findIndex(({ acked }) => !acked);
      const next = this.#sent.slice(first, first + PIPELINE).filter(({ acked }) => !acked);
      const answers = await Promise.all(next.map((each, index) => this.#try(each, next[index - 1])));
      if (answers.includes('failed')) await this.#world.time.sleep(this.#world.between(20, 400));
    }
    this.#isSending = false;
  }

  async #try(sent: Sent, before: Sent | undefined): Promise<'acked' | 'failed'> {
    const { history } = this.#world;
    const conversation = this.#conversation;
    const { n, body } = sent;
    if (sent.floor === undefined) {
      sent.floor = history.floor(conversation);
      sent.losses = history.losses;
    }
    const after = Math.min(n - 1, Math.max(before?.n ?? this.#last ?? n - 1, this.#last ?? 0));
    const answer = await this.#world.ask((chat) => {
      const follows = after === n - 1 ? {} : { after };
      const numbered = { conversation, n, ...follows, sentAt: n };
      const { change } = sent;
      return new Promise((resolve: (outcome: Parameters<Parameters<typeof chat.publish>[2]>[0]) => void) => {
        if (change?.op === 'edit') chat.edit(this.#by, { ...numbered, ...placeOf(change), body }, resolve);
        else if (change?.op === 'recall') chat.recall(this.#by, { ...numbered, ...placeOf(change) }, resolve);
        else if (change !== undefined) {
          const react = { ...placeOf(change), emoji: emojiOf(body), on: change.op === 'react' };
          chat.react(this.#by, { ...numbered, ...react }, resolve);
        } else {
          const mentions = sent.isPlain ? {} : mentionsIn(body);
          const reply = sent.replyTo === undefined ? {} : { replyTo: sent.replyTo };
          chat.publish(this.#by, { ...numbered, type: 'text', body, ...mentions, ...reply }, resolve);
        }
      });
    }, `${this.#by.user}/${this.#by.device}`);
    const id = `${this.#by.user}/${this.#by.device} ${String(n)}`;
    if (answer.ok) {
      const { gen, seq, duplicate } = answer.value;
      sent.acked = true;
      this.#last = Math.max(this.#last ?? 0, n);
      const ack = { conversation, id, body: storedBody(sent), at: { gen, seq }, losses: sent.losses };
      history.acked(ack, sent.floor, !duplicate);
      return 'acked';
    }
    const { code, expected } = answer.error;
    if (code === 'out_of_order') {
      this.#last = (expected ?? n) - 1;
      // The server's memory of this device went back with a generation.
      if (this.#keepsAcked) for (const each of this.#sent) if (each.n > this.#last) each.acked = false;
    } else if ((code === 'not_mentionable' || code === 'forbidden') && !sent.isPlain && sent.change === undefined) {
      // Whom it was for is not there, or it is not for this user to say: it goes out without.
      sent.isPlain = true;
      return this.#try(sent, before);
    } else if (code !== 'unavailable' && code !== 'overloaded' && code !== 'draining') {
      // Whose message it is, and what others have made of it, a device need not know.
      const isOfAnother = sent.change !== undefined || sent.replyTo !== undefined;
      const isKnown = isOfAnother && (code === 'forbidden' || code === 'conflict');
      if (code !== 'not_member' && code !== 'not_found' && code !== 'muted' && !isKnown) {
        history.violated(`${id} was refused with ${code}: ${answer.error.message}`);
      }
      // Refused for good: its number is not used again, for a copy of it may be under way yet.
      this.#sent = this.#sent.filter((each) => each !== sent);
    }
    return 'failed';
  }
}
