import { systemTimers, type ConversationId } from '@millrace/kernel';
import { encodeClientFrames, type ClientFrame } from '@millrace/protocol';
import type { FrameSocket } from './frame-socket.ts';
import type { LoadPlan } from './load-plan.ts';
import type { LobbyStep } from './lobbies-plan.ts';

/** Above the ids of sends, which are their numbers, and below those that the wire has for itself. */
const FIRST_ID = 0xf000_0000;
const AGAIN_MS = 100;
const STEP_MS_MAX = 60_000;
/** In the body of a control entry. */
const DISSOLVED = '"dissolved"';

/** As much of an answer as a visit looks at. */
export interface LobbyAnswer {
  readonly t?: string;
  readonly code?: string;
  readonly message?: string;
  readonly retry?: string;
  readonly retryAfterMs?: number;
  readonly heads?: readonly { readonly conversation: string }[];
}

interface Waiting {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * What one device does in the lobbies that it is in.
 *
 * (V1) What is refused for now is asked again; what is refused for good, or not answered in a minute, ends the run.
 */
export class LobbyVisit {
  readonly #user: number;
  readonly #plan: LoadPlan;
  readonly #asked = new Map<number, ClientFrame>();
  readonly #stands = new Set<string>();
  #lastId = FIRST_ID;
  #dissolved = 0;
  #waiting: Waiting | null = null;
  #socket: FrameSocket | null = null;

  constructor(plan: LoadPlan, user: number) {
    this.#plan = plan;
    this.#user = user;
  }

  get #lobbies(): readonly number[] {
    return this.#plan.lobbies?.ofUser[this.#user] ?? [];
  }

  take(step: LobbyStep, socket: FrameSocket): Promise<void> {
    this.#socket = socket;
    for (const lobby of this.#lobbies) {
      const stream = this.#plan.streams[lobby];
      const conversation = (stream?.conversation ?? '') as ConversationId;
      const isOwn = stream?.sender === this.#user;
      if (step === 'create' && isOwn) this.#create(conversation);
      else if (step === 'join' && !isOwn) this.#ask({ t: 'join', id: this.#nextId(), conversation });
      else if (step === 'dissolve' && isOwn) this.#ask({ t: 'dissolve', id: this.#nextId(), conversation });
    }
    if (step === 'stand') return this.#until(step, () => this.#stands.size >= this.#lobbies.length);
    if (step === 'end') return this.#until(step, () => this.#dissolved >= this.#lobbies.length);
    return this.#until(step, () => this.#asked.size === 0);
  }

  #nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  #create(conversation: ConversationId): void {
    const { backlog, membersMax } = this.#plan.lobbies ?? { backlog: 0, membersMax: 1 };
    const frame = { t: 'create', kind: 'lobby', joinPolicy: 'open', members: [] } as const;
    this.#ask({ ...frame, id: this.#nextId(), conversation, backlog, membersMax });
  }

  #ask(frame: ClientFrame & { readonly id: number }): void {
    this.#asked.set(frame.id, frame);
    this.#socket?.send(encodeClientFrames([frame], 'binary'));
  }

  #until(step: LobbyStep, isDone: () => boolean): Promise<void> {
    if (isDone()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.failed(`${step} is not over after ${String(STEP_MS_MAX / 1_000)} s`);
      }, STEP_MS_MAX);
      this.#waiting = {
        isDone,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
    });
  }

  /** The step that is being taken cannot be finished. */
  failed(reason: string): void {
    this.#waiting?.reject(new Error(`user ${String(this.#user)}, in lobbies: ${reason}`));
    this.#waiting = null;
  }

  #look(): void {
    if (this.#waiting?.isDone() !== true) return;
    this.#waiting.resolve();
    this.#waiting = null;
  }

  /** @returns whether it was for this visit. */
  hear(id: number, { t, code, message, retry, retryAfterMs, heads }: LobbyAnswer): boolean {
    if (t === 'heads') {
      for (const { conversation } of heads ?? []) this.#stands.add(conversation);
      this.#look();
      return true;
    }
    if (t === 'ended') {
      this.failed('a lobby is gone that nobody has dissolved');
      return true;
    }
    const frame = this.#asked.get(id);
    if (frame === undefined) return false;
    if (t !== 'error') {
      this.#asked.delete(id);
      this.#look();
    } else if (retry === 'later') {
      systemTimers.after(retryAfterMs ?? AGAIN_MS, () => {
        this.#socket?.send(encodeClientFrames([frame], 'binary'));
      });
    } else {
      this.failed(`${code ?? ''}: ${message ?? ''}`);
    }
    return true;
  }

  /** A control entry, at `from` to `end`. */
  control(bytes: Uint8Array, from: number, end: number): void {
    if (!Buffer.from(bytes.buffer, bytes.byteOffset + from, end - from).includes(DISSOLVED)) return;
    this.#dissolved += 1;
    this.#look();
  }
}
