import type { SequenceId } from '@millrace/kernel';
import { frameError, type Ack, type AckedLevel, type FrameError } from '@millrace/protocol';
import { numberedSpans } from '@millrace/timeline';
import type { ConversationState } from './conversation-state.ts';
import { judgeCounter, type CounterVerdict, type SendCounter } from './send-counter.ts';

/** What a device says of a message, or of a change of one, to tell it apart from all others (I4). */
export interface Numbered {
  readonly n: number;
  /** The number that it follows. */
  readonly after: number;
  readonly sentAt: number;
}

export type AckContent = Omit<Ack, 't' | 'id'>;

export const judged = (counter: SendCounter, { n, after }: Numbered): CounterVerdict => judgeCounter(counter, n, after);

/** The first answer, once more. */
export function duplicateAck(state: ConversationState, n: number, seq: SequenceId, level: AckedLevel): AckContent {
  const span = numberedSpans(state.head.value).find(({ last }) => seq <= last);
  const gen = span?.gen ?? state.gen;
  return { conversation: state.id, n, gen, seq, msgNo: 0, at: 0, level, duplicate: true };
}

/** Why it may not come now, by its number and its timestamp; null when it may. */
export function numberRefusal(
  counter: SendCounter,
  { n, after, sentAt }: Numbered,
  verdict: CounterVerdict,
  sendWindow: number,
): FrameError | null {
  if (verdict.kind === 'out_of_order') {
    const { expected } = verdict;
    const sent = `n ${String(n)} was sent to follow n ${String(after)}`;
    const message = `${sent}, but this device's last message here is n ${String(expected - 1)}: send what follows that first`;
    return frameError('out_of_order', message, { expected });
  }
  if (verdict.kind === 'skipped') {
    const message = `n ${String(n)} was skipped: n ${String(verdict.n)} was sent to follow n ${String(verdict.after)}`;
    return frameError('expired', message);
  }
  if (verdict.kind === 'expired') {
    const message = `n ${String(n)} is more than ${String(sendWindow)} messages back and is no longer remembered`;
    return frameError('expired', message);
  }
  if (sentAt >= counter.sentAt) return null;
  const message = `sentAt ${String(sentAt)} is below this device's last one here, ${String(counter.sentAt)}`;
  return frameError('bad_request', message);
}
