import type {
  Ack,
  Bans,
  Changed,
  ClientRequest,
  Connected,
  Conversations,
  Created,
  ErrorFrame,
  Info,
  Members,
  Ok,
  Page,
  Pong,
  ReadDone,
  Readers,
  ServerFrame,
  Synced,
} from '@millrace/protocol';

/** The answer that belongs to each request. */
interface AnswerTo {
  connect: Connected;
  refresh: Ok;
  send: Ack;
  sync: Synced;
  history: Page;
  conversations: Conversations;
  members: Members;
  readers: Readers;
  create: Created;
  join: Changed;
  leave: Changed;
  invite: Changed;
  kick: Changed;
  role: Changed;
  settings: Changed;
  mute: Changed;
  unmute: Changed;
  ban: Changed;
  unban: Changed;
  promote: Changed;
  dissolve: Ok;
  bans: Bans;
  block: Ok;
  unblock: Ok;
  info: Info;
  subscribePresence: Ok;
  unsubscribePresence: Ok;
  read: ReadDone;
  delivered: Ok;
  open: Ok;
  close: Ok;
  ping: Pong;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A request without the id, which the connection chooses. */
export type Question = DistributiveOmit<ClientRequest, 'id'>;
export type AnswerFor<Q extends Question> = AnswerTo[Q['t']];
/** The question of one kind. */
export type QuestionOf<T extends Question['t']> = Extract<Question, { t: T }>;

/** What a request came to: its answer, a refusal, or `null` when the connection went away before either. */
export type Outcome<Q extends Question> = AnswerFor<Q> | ErrorFrame | null;

const answerKinds = {
  connect: 'connected',
  refresh: 'ok',
  send: 'ack',
  sync: 'synced',
  history: 'page',
  conversations: 'conversations',
  members: 'members',
  readers: 'readers',
  create: 'created',
  join: 'changed',
  leave: 'changed',
  invite: 'changed',
  kick: 'changed',
  role: 'changed',
  settings: 'changed',
  mute: 'changed',
  unmute: 'changed',
  ban: 'changed',
  unban: 'changed',
  promote: 'changed',
  dissolve: 'ok',
  bans: 'bans',
  block: 'ok',
  unblock: 'ok',
  info: 'info',
  subscribePresence: 'ok',
  unsubscribePresence: 'ok',
  read: 'read',
  delivered: 'ok',
  open: 'ok',
  close: 'ok',
  ping: 'pong',
} as const satisfies { [T in keyof AnswerTo]: AnswerTo[T]['t'] };

type Waiting = { readonly kind: ServerFrame['t']; readonly done: (outcome: ServerFrame | null) => void };

const ID_MAX = 0xffff_ffff;

/** The unanswered requests of one connection. */
export class UnansweredRequests {
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  get size(): number {
    return this.#waiting.size;
  }

  /** Gives the request an id; `done` is called exactly once. */
  add<Q extends Question>(question: Q, done: (outcome: Outcome<Q>) => void): ClientRequest {
    do this.#lastId = this.#lastId === ID_MAX ? 1 : this.#lastId + 1;
    while (this.#waiting.has(this.#lastId));
    const id = this.#lastId;
    // The kind is compared before `done` is called, so that the answer is of the request's type.
    this.#waiting.set(id, { kind: answerKinds[question.t], done: done as (outcome: ServerFrame | null) => void });
    // A question is a request without its id.
    return { ...question, id };
  }

  /** False when the frame answers nothing that was asked, or in a way that the request does not know. */
  answer(frame: ServerFrame): boolean {
    if (!('id' in frame) || !frame.id) return false;
    const waiting = this.#waiting.get(frame.id);
    if (waiting === undefined || (frame.t !== 'error' && frame.t !== waiting.kind)) return false;
    this.#waiting.delete(frame.id);
    waiting.done(frame);
    return true;
  }

  /** The connection is gone. */
  loseAll(): void {
    const all = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { done } of all) done(null);
  }
}
