import type {
  AnswerByRequest,
  AnswerTo,
  ClientRequest,
  ErrorFrame,
  RequestContent,
  ServerFrame,
} from '@millrace/protocol';

/** A request without the id, which the connection chooses. */
export type Question = RequestContent;
export type AnswerFor<Q extends Question> = AnswerTo<Q>;
/** The question of one kind. */
export type QuestionOf<T extends Question['t']> = Extract<Question, { t: T }>;

/** What a request came to: its answer, a refusal, or `null` when the connection went away before either. */
export type Outcome<Q extends Question> = AnswerFor<Q> | ErrorFrame | null;

const answerKinds = {
  connect: 'connected',
  refresh: 'ok',
  send: 'ack',
  forward: 'ack',
  edit: 'ack',
  react: 'ack',
  recall: 'ack',
  delete: 'ok',
  sync: 'synced',
  history: 'page',
  search: 'found',
  thread: 'page',
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
  pin: 'changed',
  unpin: 'changed',
  promote: 'changed',
  dissolve: 'ok',
  bans: 'bans',
  block: 'ok',
  unblock: 'ok',
  schedule: 'scheduled',
  unschedule: 'ok',
  scheduled: 'scheduled',
  info: 'info',
  subscribePresence: 'ok',
  unsubscribePresence: 'ok',
  read: 'read',
  delivered: 'ok',
  open: 'ok',
  close: 'ok',
  ping: 'pong',
} as const satisfies { [T in keyof AnswerByRequest]: AnswerByRequest[T]['t'] };

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
