import {
  err,
  ok,
  parseConversationId,
  parseDeviceId,
  parseGeneration,
  parseSequenceId,
  parseUserId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type Result,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';

/*
 * A ledger is what a replay was told was stored, as JSON lines: first the run, then one record for every answer, in
 * the order in which the answers came.
 */

export const LEDGER_VERSION = 1;

/** The first line. */
export interface RunRecord {
  readonly ledger: typeof LEDGER_VERSION;
  readonly run: string;
  /** Of every user: a message's id is this device and its `n`. */
  readonly device: DeviceId;
  /** The HTTP address that was replayed to. */
  readonly url: string;
  readonly file: string;
  readonly fileSha256: string;
  readonly startedAt: string;
}

/** A conversation was created, by its first author. */
export interface ConversationRecord {
  readonly conversation: ConversationId;
  readonly channel: string;
  readonly creator: UserId;
}

/** A user joined a conversation; the creator has no such record. */
export interface MemberRecord {
  readonly joined: UserId;
  readonly conversation: ConversationId;
  readonly gen: Generation;
  readonly seq: SequenceId;
}

/** The sync token of a user's device from before their first message here: `verify` syncs on from it. */
export interface SyncRecord {
  readonly sync: UserId;
  readonly token: string;
}

/** A message was acknowledged. */
export interface MessageRecord {
  /** Of the corpus file. */
  readonly line: number;
  readonly conversation: ConversationId;
  readonly from: UserId;
  readonly n: number;
  readonly gen: Generation;
  readonly seq: SequenceId;
  /** Of the text's UTF-8, hexadecimal. */
  readonly sha256: string;
}

export type LedgerRecord = ConversationRecord | MemberRecord | SyncRecord | MessageRecord;

type Fields = Readonly<Record<string, unknown>>;

const isText = (value: unknown): value is string => typeof value === 'string';
const isCounter = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;

function fieldsOf(text: string): Fields | null {
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Fields) : null;
  } catch {
    return null;
  }
}

export function parseRunRecord(text: string): Result<RunRecord, string> {
  const fields = fieldsOf(text);
  if (fields === null || !('ledger' in fields)) return err('it does not begin with the record of a run');
  const { ledger, run, device, url, file, fileSha256, startedAt } = fields;
  if (ledger !== LEDGER_VERSION) return err(`its version ${JSON.stringify(ledger)} is not known to this program`);
  const deviceId = parseDeviceId(device);
  if (!deviceId.ok) return err(deviceId.error.message);
  if (!isText(run) || !isText(url) || !isText(file) || !isText(fileSha256) || !isText(startedAt)) {
    return err('the record of its run lacks a field');
  }
  return ok({ ledger, run, device: deviceId.value, url, file, fileSha256, startedAt });
}

function parseMessage(fields: Fields): MessageRecord | null {
  const conversation = parseConversationId(fields['conversation']);
  const from = parseUserId(fields['from']);
  const gen = parseGeneration(fields['gen']);
  const seq = parseSequenceId(fields['seq']);
  const { line, n, sha256 } = fields;
  if (!conversation.ok || !from.ok || !gen.ok || !seq.ok) return null;
  if (!isCounter(line) || !isCounter(n) || !isText(sha256)) return null;
  return { line, conversation: conversation.value, from: from.value, n, gen: gen.value, seq: seq.value, sha256 };
}

/** Any line of a ledger but the first; null when it is none. */
export function parseLedgerRecord(text: string): LedgerRecord | null {
  const fields = fieldsOf(text);
  if (fields === null) return null;
  if ('line' in fields) return parseMessage(fields);
  if ('sync' in fields) {
    const user = parseUserId(fields['sync']);
    const token = fields['token'];
    return user.ok && isText(token) ? { sync: user.value, token } : null;
  }
  const conversation = parseConversationId(fields['conversation']);
  if (!conversation.ok) return null;
  if ('joined' in fields) {
    const joined = parseUserId(fields['joined']);
    const gen = parseGeneration(fields['gen']);
    const seq = parseSequenceId(fields['seq']);
    if (!joined.ok || !gen.ok || !seq.ok) return null;
    return { joined: joined.value, conversation: conversation.value, gen: gen.value, seq: seq.value };
  }
  const creator = parseUserId(fields['creator']);
  const channel = fields['channel'];
  if (!creator.ok || !isText(channel)) return null;
  return { conversation: conversation.value, channel, creator: creator.value };
}
