import type { ConversationId, Result } from '@millrace/kernel';
import type { ErrorCode, FrameError } from '@millrace/protocol';

/** What of a send decides on its order. */
export interface Numbered {
  readonly conversation: ConversationId;
  readonly n: number;
  /** The number of the message that it follows on: n − 1 if nothing is said. */
  readonly after?: number;
}

interface Order {
  readonly n: number;
  readonly after: number;
}

/** A send on its way to its conversation. */
export interface GatedSend extends Order {
  /** Kept for as long as it is under way. */
  readonly line: Line;
}

/** What is known of one conversation's sends of one socket. */
interface Line {
  /** In no order. */
  readonly underWay: GatedSend[];
  /** The conversation has said that this was the last number that it has stored; null before it has said anything. */
  known: number | null;
  /** The highest number that may be stored beside. */
  uncertainTo: number;
  /** The lowest that was refused, was surely not stored, and has not come again; null while the gate is open. */
  refused: Order | null;
  /** When a send was first held back for that, monotonic; null while none was. */
  heldMs: number | null;
}

/** Lines that are kept: those of as many conversations as one device is likely to write in at a time. */
const LINES_MAX = 128;
/** A client that does not come again with what was refused gets its answers from the conversation after this. */
const HELD_MS_MAX = 2_000;
/** Refused with one of these, nothing was done: it had no place in a queue. */
const untouched: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['overloaded']);
/** A number that is answered one of these may be stored. */
const uncertain: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['unavailable', 'draining', 'internal', 'expired']);

/**
 * Whether a send could make its conversation go on past `refused`: it is that message, or one that the client put in its
 * place after it had given it up.
 */
const passes = ({ n, after }: Order, refused: Order): boolean => after < refused.n && refused.n <= n;

/** It is not under way any more. @returns whether it was. */
function arrived(send: GatedSend): boolean {
  const { underWay } = send.line;
  const at = underWay.indexOf(send);
  if (at === -1) return false;
  // The last one takes its place: nothing is moved up, and no other array is made.
  const last = underWay.pop();
  if (last !== undefined && last !== send) underWay[at] = last;
  return true;
}

/** The last number that the conversation has, as its answer tells; null when it does not. */
function lastOf({ n }: GatedSend, outcome: Result<unknown, FrameError>): number | null {
  if (outcome.ok) return n;
  const { code, expected } = outcome.error;
  return code === 'out_of_order' && expected !== undefined ? expected - 1 : null;
}

/**
 * Holds back, before they go anywhere, those sends of a device that its conversation can only refuse: behind a message
 * that was refused for want of room, until that message comes again. Under overload a pipeline of 64 sends, of which the
 * first finds no room, would else take the room of 63 useful ones.
 *
 * (G1) Nothing is held back that its conversation would accept, as far as this socket can know: it knows that the refused
 *      message is not stored (the conversation named an earlier one as its last; since then nothing came of that number
 *      but refusals without a trace), that it is not on its way again, and that nothing is that was put in its place.
 * (G2) A device that lost its answers on another socket can know more. It is held back for two seconds at most.
 * (G3) What is remembered is bounded, by conversations and by sends under way, and gone with the socket (I9).
 */
export class SendGate {
  readonly #lines = new Map<ConversationId, Line>();

  /** Conversations that something is remembered of. */
  get size(): number {
    return this.#lines.size;
  }

  /** The `expected` of what must come first: it follows on the number below. Null when the send may go on its way. */
  holdsBack({ conversation, n, after = n - 1 }: Numbered, nowMs: number): number | null {
    const line = this.#lines.get(conversation);
    if (line === undefined || line.refused === null) return null;
    if (n <= line.refused.n || after < line.refused.n) return null;
    line.heldMs ??= nowMs;
    if (nowMs - line.heldMs < HELD_MS_MAX) return line.refused.after + 1;
    line.refused = null;
    return null;
  }

  /** Goes on its way. @returns for {@link answered}; null when there is no room to remember it: then it is not answered here. */
  sent({ conversation, n, after = n - 1 }: Numbered): GatedSend | null {
    const line = this.#lineOf(conversation);
    if (line === null) return null;
    const send = { line, n, after };
    line.underWay.push(send);
    if (line.refused !== null && passes(send, line.refused)) line.refused = null;
    return send;
  }

  answered(send: GatedSend | null, outcome: Result<unknown, FrameError>, isDuplicate: boolean): void {
    if (send === null || !arrived(send)) return;
    const { line } = send;
    if (!outcome.ok && untouched.has(outcome.error.code)) this.#refused(line, send);
    else if (!outcome.ok && uncertain.has(outcome.error.code)) line.uncertainTo = Math.max(line.uncertainTo, send.n);
    // It was stored, but nothing is told of what came behind it.
    else if (outcome.ok && isDuplicate) line.uncertainTo = Math.max(line.uncertainTo, send.n);
    else line.known = lastOf(send, outcome) ?? line.known;
    if (line.refused !== null && line.refused.n <= Math.max(line.known ?? 0, line.uncertainTo)) line.refused = null;
  }

  /** It was refused before it went anywhere. */
  refused({ conversation, n, after = n - 1 }: Numbered): void {
    const line = this.#lines.get(conversation);
    if (line !== undefined) this.#refused(line, { n, after });
  }

  #refused(line: Line, { n, after }: Order): void {
    if (line.refused !== null && line.refused.n <= n) return;
    if (line.known === null || n <= Math.max(line.known, line.uncertainTo)) return;
    for (const send of line.underWay) if (passes(send, { n, after })) return;
    line.refused = { n, after };
    line.heldMs = null;
  }

  #lineOf(conversation: ConversationId): Line | null {
    const known = this.#lines.get(conversation);
    if (known !== undefined) return known;
    if (this.#lines.size >= LINES_MAX && !this.#forgetOne()) return null;
    const line: Line = { underWay: [], known: null, uncertainTo: 0, refused: null, heldMs: null };
    this.#lines.set(conversation, line);
    return line;
  }

  /** The oldest that nothing is under way of, and of which nothing uncertain would be forgotten. */
  #forgetOne(): boolean {
    for (const [conversation, { underWay, known, uncertainTo }] of this.#lines) {
      if (underWay.length > 0 || uncertainTo > (known ?? 0)) continue;
      this.#lines.delete(conversation);
      return true;
    }
    return false;
  }
}
