import type { ConversationId } from '@millrace/kernel';
import type { Findings } from './findings.ts';

/** What an ack said. */
export interface AckedMessage {
  readonly sender: string;
  /** Of all messages of this sender, from 1. */
  readonly number: number;
  /** The counter that it was sent with. */
  readonly n: number;
  readonly gen: number;
  readonly seq: number;
}

/** An entry of a conversation, as a page showed it. */
export interface StoredEntry {
  readonly gen: number;
  readonly seq: number;
  readonly value: string;
  /** `user/device tag/n`; null when no device sent it. */
  readonly clientMessage: string | null;
}

export interface LostMessage extends AckedMessage {
  readonly conversation: ConversationId;
  /** Whether the server tells of it: a higher generation began at or before that seq. */
  readonly isTold: boolean;
}

export interface StoredConversation {
  readonly conversation: ConversationId;
  readonly entries: readonly StoredEntry[];
  /** Where the server says that the conversation ends. */
  readonly head: { readonly gen: number; readonly seq: number };
}

export const valueOf = (sender: string, number: number): string => `${sender} ${String(number)}`;

/**
 * Holds a conversation, as it was read at the end, against every ack.
 *
 * (C1) An acknowledged message stands at the seq of its ack, in its generation, and nowhere else.
 * (C2) The seqs are 1, 2, 3 … up to the head; a generation only rises.
 * (C3) A client message id, and a message, is there once (I4); the messages of a sender in the order of sending.
 *
 * @returns the acknowledged messages that are not stored.
 */
export function checkStored(
  { conversation, entries, head }: StoredConversation,
  acked: readonly AckedMessage[],
  findings: Findings,
): readonly LostMessage[] {
  const seqOf = new Map<string, number>();
  const clientMessages = new Set<string>();
  const bySeq: (StoredEntry | undefined)[] = [];
  let last = { gen: 0, seq: 0 };
  for (const entry of entries) {
    const { gen, seq, value, clientMessage } = entry;
    const where = `${String(gen)}-${String(seq)}`;
    if (seq !== last.seq + 1) findings.add('gap', conversation, `${where} is stored behind seq ${String(last.seq)}`);
    if (gen < last.gen) findings.add('backwards', conversation, `${where} is stored behind ${String(last.gen)}-…`);
    last = { gen, seq };
    bySeq[seq] = entry;
    if (clientMessage === null) continue;
    const before = seqOf.get(value);
    if (before !== undefined || clientMessages.has(clientMessage)) {
      const other = before === undefined ? `its id ${clientMessage}` : `seq ${String(before)}`;
      findings.add('duplicated', conversation, `${value} is stored at ${where}, and so is ${other}`);
    }
    seqOf.set(value, seq);
    clientMessages.add(clientMessage);
  }
  if (last.seq < head.seq)
    findings.add('gap', conversation, `the head is ${String(head.seq)}, the end ${String(last.seq)}`);
  checkOrder(conversation, entries, findings);

  const lost: LostMessage[] = [];
  for (const ack of acked) {
    const { sender, number, gen, seq } = ack;
    const value = valueOf(sender, number);
    const there = bySeq[seq];
    if (there?.value === value && there.gen === gen) continue;
    const elsewhere = seqOf.get(value);
    if (elsewhere !== undefined) {
      const acknowledged = `${String(gen)}-${String(seq)}`;
      findings.add(
        'conflict',
        conversation,
        `${value} was acked as ${acknowledged} and is stored at ${String(elsewhere)}`,
      );
      continue;
    }
    const isTold = there === undefined ? head.gen > gen && head.seq < seq : there.gen > gen;
    lost.push({ conversation, ...ack, isTold });
  }
  return lost;
}

function checkOrder(conversation: ConversationId, entries: readonly StoredEntry[], findings: Findings): void {
  const lastOf = new Map<string, number>();
  for (const { seq, value, clientMessage } of entries) {
    if (clientMessage === null) continue;
    const [sender = '', text] = value.split(' ');
    const number = Number(text);
    if (number < (lastOf.get(sender) ?? 0)) {
      findings.add('disordered', conversation, `${value} is stored at seq ${String(seq)}, behind a later one`);
    }
    lastOf.set(sender, Math.max(number, lastOf.get(sender) ?? 0));
  }
}

/** The generation of each stored entry by its seq, as a device's log has it. */
export function gensOf(entries: readonly StoredEntry[]): readonly number[] {
  const gens = [0];
  for (const { gen, seq } of entries) gens[seq] = gen;
  return gens;
}
