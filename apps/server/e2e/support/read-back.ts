import { setTimeout as sleep } from 'node:timers/promises';
import {
  systemRandom,
  systemTimers,
  type ConversationId,
  type DeviceId,
  type Random,
  type Result,
  type SequenceId,
} from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import {
  describeSessionError,
  RawSession,
  withRetries,
  type AnswerTo,
  type RequestContent,
  type RetryPolicy,
  type SessionError,
  type UnaskedFrame,
} from '@millrace/raw-client';
import { CheckedWebSocket } from './checked-web-socket.ts';
import type { Acknowledged } from './sturdy-sender.ts';
import { tokenFor } from './test-tokens.ts';

/** For what a node cannot do at the moment, as behind a fault: it says so, and to come back. */
const PATIENCE: RetryPolicy = { initialMs: 200, maxMs: 1_000, attemptsMax: 20, random: systemRandom, sleep };

/** How a reader asks. @throws what it is refused with. */
export type Ask = <Request extends RequestContent>(session: RawSession, request: Request) => Promise<AnswerTo<Request>>;

function valueOf<T>(request: RequestContent, answer: Result<T, SessionError>): T {
  if (answer.ok) return answer.value;
  throw new Error(`${request.t}: ${describeSessionError(answer.error)}, for ${JSON.stringify(request)}`);
}

const once: Ask = async (session, request) => valueOf(request, await session.request(request));

/** Again for as long as the server asks for patience. */
export const patiently: Ask = async (session, request) =>
  valueOf(request, await withRetries(PATIENCE, () => session.request(request)));

async function toConnectAs(
  socketUrl: string,
  user: string,
  device: string,
  onUnasked: (frame: UnaskedFrame) => void = () => undefined,
): Promise<Result<RawSession, SessionError>> {
  const token = await tokenFor(user);
  return RawSession.connect({
    url: socketUrl,
    token,
    device: device as DeviceId,
    timers: systemTimers,
    webSocket: CheckedWebSocket,
    onUnasked,
  });
}

type Who = Parameters<typeof toConnectAs>;

function connected([, user]: Who, session: Result<RawSession, SessionError>): RawSession {
  if (session.ok) return session.value;
  throw new Error(`${user} cannot connect: ${describeSessionError(session.error)}`);
}

export const connectAs = async (...who: Who): Promise<RawSession> => connected(who, await toConnectAs(...who));

/** Again for as long as the node asks for patience. */
export const connectPatiently = async (...who: Who): Promise<RawSession> =>
  connected(who, await withRetries(PATIENCE, () => toConnectAs(...who)));

/** A conversation from its first to its last entry, as one of its members reads it. */
export async function readAll(
  session: RawSession,
  conversation: ConversationId,
  ask = once,
): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (let from = 1; ;) {
    const page = await ask(session, {
      t: 'history',
      conversation,
      direction: 'forward',
      from: from as SequenceId,
      limit: 1000,
    });
    messages.push(...page.messages);
    if (!page.hasMore) return messages;
    from = (messages.at(-1)?.seq ?? 0) + 1;
  }
}

/** Backward from the end, page by page. */
export async function readBackward(
  session: RawSession,
  conversation: ConversationId,
  limit: number,
  ask = once,
): Promise<readonly Message[]> {
  const messages: Message[] = [];
  for (let from: number | undefined; ;) {
    const more = from === undefined ? {} : { from: from as SequenceId };
    const page = await ask(session, { t: 'history', conversation, direction: 'backward', limit, ...more });
    messages.push(...page.messages);
    if (!page.hasMore) return messages;
    from = (messages.at(-1)?.seq ?? 1) - 1;
  }
}

/** Pages of any length from anywhere, in both directions. @returns those that do not say what all of it says. */
export async function readAnyPages(
  session: RawSession,
  conversation: ConversationId,
  all: readonly Message[],
  count: number,
  random: Random,
  ask = once,
): Promise<readonly string[]> {
  const wrong: string[] = [];
  for (let tried = 0; tried < count; tried += 1) {
    const direction = random.uint32() % 2 === 0 ? 'forward' : 'backward';
    const from = 1 + (random.uint32() % all.length);
    const limit = 1 + (random.uint32() % 120);
    const page = await ask(session, {
      t: 'history',
      conversation,
      direction,
      from: from as SequenceId,
      limit,
    });
    const wanted =
      direction === 'forward'
        ? all.slice(from - 1, from - 1 + limit)
        : all.slice(Math.max(0, from - limit), from).reverse();
    if (JSON.stringify(page.messages) === JSON.stringify(wanted)) continue;
    wrong.push(`${conversation} from ${String(from)} ${direction}, ${String(limit)}`);
  }
  return wrong;
}

export interface Findings {
  /** Acknowledged, and not where the ack said. */
  readonly lost: readonly string[];
  /** The same client message under two seqs. */
  readonly duplicated: readonly string[];
  /** Seqs that do not follow on each other. */
  readonly gaps: readonly string[];
}

/** Holds a conversation against what its senders were told. */
export function compare(messages: readonly Message[], acknowledged: readonly Acknowledged[]): Findings {
  const at = new Map(messages.map((message) => [`${String(message.gen)}-${String(message.seq)}`, message]));
  const lost = acknowledged
    .filter(({ gen, seq, text }) => at.get(`${String(gen)}-${String(seq)}`)?.body !== text)
    .map(({ user, n, gen, seq }) => `${user} n ${String(n)} at ${String(gen)}-${String(seq)}`);
  const seen = new Set<string>();
  const duplicated: string[] = [];
  for (const { from, deviceTag, n } of messages) {
    if (n === 0) continue;
    const id = `${String(from)} ${String(deviceTag)} ${String(n)}`;
    if (seen.has(id)) duplicated.push(id);
    seen.add(id);
  }
  const gaps: string[] = [];
  messages.forEach(({ seq }, index) => {
    if (seq !== index + 1) gaps.push(`seq ${String(seq)} stands where ${String(index + 1)} belongs`);
  });
  return { lost, duplicated, gaps };
}
