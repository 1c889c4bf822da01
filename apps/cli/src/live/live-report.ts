import type { ConversationId } from '@millrace/kernel';
import { grouped } from '../progress.ts';
import type { ViolationKind } from './findings.ts';
import type { LostMessage } from './stored-check.ts';

/** A pause that a sender had. */
export interface SenderPause {
  readonly ms: number;
  /** Wall time of its begin. */
  readonly at: string;
  readonly sender: string;
  readonly conversation: ConversationId;
}

/** How a run stands, told each second. */
export interface LiveProgress {
  readonly event: 'progress';
  readonly at: string;
  readonly seconds: number;
  readonly written: number;
  readonly acked: number;
  readonly unacknowledged: number;
  readonly delivered: number;
  readonly wrong: number;
}

export interface LiveResult {
  readonly event: 'result';
  /** Nothing is lost, doubled, missing or wrong, and everything that was written was acknowledged. */
  readonly ok: boolean;
  readonly startedAt: string;
  /** Of publishing. */
  readonly seconds: number;
  readonly users: number;
  readonly devices: number;
  readonly conversations: number;
  readonly senders: number;
  readonly levels: readonly string[];
  readonly written: number;
  readonly acked: number;
  readonly ackedPerSecond: number;
  /** Writes a second up to the moment when every device had everything. */
  readonly completePerSecond: number;
  /** Messages that were due and not written, because too many of that sender waited. */
  readonly heldBack: number;
  /** Written, and without an ack at the end. */
  readonly unacknowledged: number;
  readonly stored: number;
  readonly delivered: number;
  readonly lost: number;
  /** Of the lost, those that a higher generation tells of. */
  readonly lostTold: number;
  readonly lostMessages: readonly LostMessage[];
  readonly violations: Readonly<Record<ViolationKind, number>>;
  readonly incompleteDevices: number;
  /** The generations of each conversation, where there is more than one. */
  readonly generations: Readonly<Record<string, readonly number[]>>;
  /** The longest of any one sender; null when none waited. */
  readonly pause: SenderPause | null;
  /** The longest time in which nobody at all had an ack, and somebody waited. */
  readonly overallPause: { readonly ms: number; readonly at: string };
  /** The longest pauses of the senders in each second, the longest first. */
  readonly pauses: readonly SenderPause[];
  readonly reconnects: number;
  readonly refused: Readonly<Record<string, number>>;
  /** The longest that this process itself stood still, milliseconds: pauses are measured no finer. */
  readonly ownDelayMsMax: number;
  readonly samples: readonly string[];
  /** What kept it from being checked to the end; null when all was. */
  readonly stoppedBy: string | null;
}

const fine = (ms: number): string => (ms < 10_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1000).toFixed(1)} s`);

/** What a person reads at the end. */
export function liveTable(result: LiveResult): readonly string[] {
  const { violations: wrong, pause, overallPause } = result;
  const rows: readonly (readonly [string, string])[] = [
    ['written', grouped(result.written)],
    ['acknowledged', `${grouped(result.acked)} (${grouped(result.ackedPerSecond)}/s; ${result.levels.join(', ')})`],
    ['without an ack', grouped(result.unacknowledged)],
    ['stored entries', grouped(result.stored)],
    ['delivered', `${grouped(result.delivered)} to ${grouped(result.devices)} devices`],
    [
      'lost',
      `${grouped(result.lost)}${result.lostTold > 0 ? ` (told by a generation: ${grouped(result.lostTold)})` : ''}`,
    ],
    ['duplicated', grouped(wrong.duplicated)],
    ['gaps', grouped(wrong.gap)],
    ['conflicts', grouped(wrong.conflict)],
    ['cursors gone back', grouped(wrong.backwards)],
    ['out of order', grouped(wrong.disordered)],
    ['refused for good', grouped(wrong.refused)],
    ['incomplete devices', grouped(result.incompleteDevices)],
    ['longest pause', pause === null ? '-' : `${fine(pause.ms)} from ${pause.at} (${pause.sender})`],
    ['of everybody', `${fine(overallPause.ms)} from ${overallPause.at}`],
    ['connections lost', grouped(result.reconnects)],
    [
      'refused for now',
      Object.entries(result.refused)
        .map(([code, count]) => `${code} ${grouped(count)}`)
        .join(', ') || '0',
    ],
    ['own delay, at most', fine(result.ownDelayMsMax)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}

/** The last line, as scripts read it. */
export function liveVerdict({ acked, lost, violations, incompleteDevices, stoppedBy }: LiveResult): string {
  const { duplicated, gap, ...others } = violations;
  const other = Object.entries(others).filter(([, count]) => count > 0);
  const faults = [
    `${String(lost)} lost`,
    `${String(duplicated)} duplicated`,
    `${String(gap)} gaps`,
    `${String(incompleteDevices)} devices incomplete`,
    ...other.map(([kind, count]) => `${String(count)} ${kind}`),
  ];
  return `${stoppedBy === null ? 'verified' : 'did not verify'} ${String(acked)} acknowledged messages: ${faults.join(', ')}`;
}
