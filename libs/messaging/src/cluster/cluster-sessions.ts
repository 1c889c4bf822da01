import { err, ok, type Clock, type NodeId, type Result, type Timers, type UserId } from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import type { AnyReply } from '../actor-calls.ts';
import type { SessionInfo, SessionPort } from '../chat-service.ts';
import type { ClosedHere, NodeQuestion, SessionsHere } from './node-messages.ts';

/** A session, and the name of the member that holds its socket. */
export interface NodeSession extends SessionInfo {
  readonly node: string;
}

export interface UserSessions {
  readonly sessions: readonly NodeSession[];
  /** Members with sockets that did not answer: there may be more sessions on them. */
  readonly missing: readonly string[];
}

export interface ClosedSessions {
  readonly closed: number;
  /** Members with sockets of which it is not known whether they closed what they have. */
  readonly missing: readonly string[];
}

export type SessionQuestion = Extract<NodeQuestion, { readonly q: 'sessions' | 'close' }>;

export interface ClusterSessionsParts {
  readonly self: NodeId;
  readonly name: string;
  readonly port: SessionPort;
  readonly clock: Clock;
  readonly timers: Timers;
  /** The newest view that is known here, null for none. */
  view(): ClusterView | null;
  /** Null when there is no answer in time. */
  ask(msMax: number, to: NodeId, question: SessionQuestion): Promise<AnyReply | null>;
  /** Another node goes by a newer view than this one has. */
  behind(): void;
}

interface Told<Answer> {
  readonly answers: readonly { readonly node: string; readonly answer: Answer }[];
  readonly missing: readonly string[];
}

/** For the whole of it. */
const ANSWER_MS_MAX = 2_000;
const VIEW_POLL_MS = 10;

/**
 * The sessions of users on every node with sockets.
 *
 * (S1) No node with a session is left out silently. All members are asked, those without sockets for the version of
 *      their view: when one has a newer view than was gone by, that one is waited for, and whoever is new in it is asked.
 *      So it does not matter that this node has not heard of a node that has just joined: before a device is connected
 *      there, the user's owner has the view that names the node (N1). Who has sockets and does not answer is named.
 *
 * Not asked is a node that no view names because it stands still or is cut off for longer than its lease.
 */
export class ClusterSessions {
  readonly #parts: ClusterSessionsParts;

  constructor(parts: ClusterSessionsParts) {
    this.#parts = parts;
  }

  /** `unavailable` when this node cannot learn in time who is in the cluster. */
  async list(user: UserId): Promise<Result<UserSessions, FrameError>> {
    const told = await this.#askAll<SessionsHere>({ q: 'sessions', user });
    if (!told.ok) return told;
    const { answers, missing } = told.value;
    const sessions = answers.flatMap(({ node, answer }) => answer.sessions.map((session) => ({ ...session, node })));
    return ok({ sessions, missing });
  }

  /** Closes one session, or all of the user's when it is null, as revoked. May be repeated. */
  async close(user: UserId, session: string | null): Promise<Result<ClosedSessions, FrameError>> {
    const told = await this.#askAll<ClosedHere>({ q: 'close', user, session });
    if (!told.ok) return told;
    const { answers, missing } = told.value;
    return ok({ closed: answers.reduce((sum, { answer }) => sum + answer.closed, 0), missing });
  }

  /** What this node alone answers. */
  tell(question: SessionQuestion): SessionsHere | ClosedHere {
    const { port } = this.#parts;
    const { user } = question;
    const viewVersion = this.#parts.view()?.version ?? 0;
    if (question.q === 'sessions') return { viewVersion, sessions: port.list(user) };
    const { session } = question;
    return { viewVersion, closed: session === null ? port.kick(user) : port.kick(user, session) };
  }

  async #askAll<Answer extends SessionsHere | ClosedHere>(
    question: SessionQuestion,
  ): Promise<Result<Told<Answer>, FrameError>> {
    const { self, name, clock } = this.#parts;
    const untilMs = clock.monotonicMs() + ANSWER_MS_MAX;
    const told = new Map<NodeId, { readonly node: string; readonly answer: Answer }>();
    told.set(self, { node: name, answer: this.tell(question) as Answer });
    let newest = 0;
    do {
      const view = this.#parts.view();
      const members = view?.members.filter(({ node }) => !told.has(node)) ?? [];
      await Promise.all(
        members.map(async ({ node, name: named }) => {
          const reply = await this.#parts.ask(untilMs - clock.monotonicMs(), node, question);
          if (reply?.ok === true) told.set(node, { node: named, answer: reply.value as Answer });
        }),
      );
      newest = Math.max(newest, ...[...told.values()].map(({ answer }) => answer.viewVersion));
      if (newest <= (view?.version ?? 0)) {
        const silent = members.filter(({ node, roles }) => !told.has(node) && roles.includes('gateway'));
        const missing = silent.map((member) => member.name);
        return ok({ answers: [...told.values()], missing });
      }
      this.#parts.behind();
    } while (await this.#hasView(newest, untilMs));
    return err(frameError('unavailable', 'this node does not know the newest members of its cluster; try again soon'));
  }

  /** Waits for that view. @returns whether it came in time. */
  async #hasView(version: number, untilMs: number): Promise<boolean> {
    const { clock, timers } = this.#parts;
    for (;;) {
      if (clock.monotonicMs() >= untilMs) return false;
      if ((this.#parts.view()?.version ?? 0) >= version) return true;
      await new Promise<void>((resolve) => {
        timers.after(VIEW_POLL_MS, resolve);
      });
    }
  }
}
