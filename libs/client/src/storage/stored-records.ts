import {
  parseConversationId,
  parseDeviceId,
  parseUserId,
  type ConversationId,
  type DeviceId,
  type SequenceId,
  type UserId,
} from '@millrace/kernel';
import {
  fromBase64,
  jsonMessage,
  noGone,
  toBase64,
  type Mentions,
  type Message,
  type MessagePlace,
  type SendableType,
} from '@millrace/protocol';
import type { OutboxChange, OutboxEntry } from '../publish/outbox.ts';
import type { ConversationState } from '../subscription/conversation-state.ts';
import { newDevice, type DeviceState } from '../subscription/device-state.ts';

/*
 * What is kept, a key each, so that a push writes only what it changed:
 *
 *   device            who this is, and the last logical timestamp
 *   inbox             position, token
 *   c:<conversation>  positions, counts, held messages
 *   m:<seq>:<conversation>   one cached message
 *   n:<conversation>  the counter of the next send
 *   o:<serial>        one message of the outbox
 *
 * Every value is JSON. `device` has the version of all of them.
 */
const VERSION = 1;

export interface DeviceRecord {
  readonly device: DeviceId;
  /** Null until the first connect told. */
  readonly user: UserId | null;
  readonly sentAt: number;
}

export interface StoredState extends DeviceRecord {
  readonly state: DeviceState;
  readonly outbox: readonly OutboxEntry[];
  readonly counters: ReadonlyMap<ConversationId, number>;
}

export const keyOf = {
  device: 'device',
  inbox: 'inbox',
  conversation: (conversation: ConversationId) => `c:${conversation}`,
  message: (conversation: ConversationId, seq: number) => `m:${String(seq)}:${conversation}`,
  counter: (conversation: ConversationId) => `n:${conversation}`,
  outbox: (serial: number) => `o:${String(serial)}`,
} as const;

export function encodeDevice({ device, user, sentAt }: DeviceRecord): string {
  return JSON.stringify({ v: VERSION, device, user, sentAt });
}

export function encodeInbox({ inbox, token, tokenAt, partial }: DeviceState): string {
  return JSON.stringify({ inbox, token, tokenAt, partial });
}

export function encodeConversation(state: ConversationState): string {
  const { conversation: _conversation, tail: _tail, held, ...rest } = state;
  return JSON.stringify({ ...rest, held: held.map(jsonMessage) });
}

export const encodeMessage = (message: Message): string => JSON.stringify(jsonMessage(message));

export function encodeOutboxEntry(entry: OutboxEntry): string {
  const { conversation, type, body, sentAt, n, mentions, mentionAll, change, replyTo, source } = entry;
  const content = typeof body === 'string' ? { body } : { bodyBase64: toBase64(body) };
  return JSON.stringify({ conversation, type, sentAt, n, ...content, mentions, mentionAll, change, replyTo, source });
}

/**
 * Reads everything back. Null when there is nothing, or nothing that this program can read: then the device begins
 * anew, under a new id.
 */
export function decodeStored(entries: ReadonlyMap<string, string>): StoredState | null {
  try {
    return decode(entries);
  } catch (error) {
    if (error instanceof Unreadable || error instanceof SyntaxError) return null;
    throw error;
  }
}

class Unreadable extends Error {
  override readonly name = 'Unreadable';
}

/** Values are trusted to be what this program wrote, once their version and their key are right. */
function decode(entries: ReadonlyMap<string, string>): StoredState | null {
  const deviceText = entries.get(keyOf.device);
  if (deviceText === undefined) return null;
  const record = JSON.parse(deviceText) as DeviceRecord & { readonly v: unknown };
  if (record.v !== VERSION) throw new Unreadable(`version ${String(record.v)}`);
  const device = parsed(parseDeviceId(record.device));
  const user = record.user === null ? null : parsed(parseUserId(record.user));
  const state = newDevice();
  const inboxText = entries.get(keyOf.inbox);
  if (inboxText !== undefined) Object.assign(state, JSON.parse(inboxText));
  const tails = new Map<string, Message[]>();
  const outbox: OutboxEntry[] = [];
  const counters = new Map<ConversationId, number>();
  for (const [key, text] of entries) {
    const rest = key.slice(2);
    if (key.startsWith('c:')) {
      const conversation = parsed(parseConversationId(rest));
      state.conversations.set(conversation, decodeConversation(conversation, text));
    } else if (key.startsWith('n:')) counters.set(parsed(parseConversationId(rest)), Number(text));
    else if (key.startsWith('o:')) outbox.push(decodeOutboxEntry(Number(rest), text));
    else if (key.startsWith('m:')) {
      const conversation = rest.slice(rest.indexOf(':') + 1);
      const tail = tails.get(conversation) ?? [];
      tails.set(conversation, tail);
      tail.push(decodeMessage(JSON.parse(text)));
    }
  }
  for (const [id, conversation] of state.conversations) {
    conversation.tail = (tails.get(id) ?? []).sort((left, right) => left.seq - right.seq);
  }
  outbox.sort((left, right) => left.serial - right.serial);
  return { device, user, sentAt: record.sentAt, state, outbox, counters };
}

function parsed<T>(result: { readonly ok: true; readonly value: T } | { readonly ok: false }): T {
  if (!result.ok) throw new Unreadable('an id');
  return result.value;
}

function decodeConversation(conversation: ConversationId, text: string): ConversationState {
  const { held, ...rest } = JSON.parse(text) as Omit<
    ConversationState,
    'conversation' | 'tail' | 'held' | 'diffusion' | 'ahead' | 'mentions' | 'gone' | 'doubted'
  > & {
    readonly held: readonly unknown[];
    // A program of before knew of none that is pulled.
    readonly diffusion?: ConversationState['diffusion'];
    // Nor of mentions, or of what is gone.
    readonly mentions?: ConversationState['mentions'];
    readonly gone?: ConversationState['gone'];
    // Nor of what is to be read again.
    readonly doubted?: ConversationState['doubted'];
  };
  return {
    diffusion: 'write',
    ahead: null,
    mentions: [],
    gone: noGone,
    doubted: [],
    ...rest,
    conversation,
    tail: [],
    held: held.map(decodeMessage),
  };
}

function decodeMessage(value: unknown): Message {
  const { bodyBase64, ...rest } = value as Message & { readonly bodyBase64?: string };
  return bodyBase64 === undefined ? rest : { ...rest, body: bytesOf(bodyBase64) };
}

function decodeOutboxEntry(serial: number, text: string): OutboxEntry {
  const value = JSON.parse(text) as {
    readonly conversation: ConversationId;
    readonly type: SendableType;
    readonly sentAt: number;
    readonly n: number;
    readonly body?: string;
    readonly bodyBase64?: string;
    readonly change?: OutboxChange;
    readonly replyTo?: SequenceId;
    readonly source?: MessagePlace;
  } & Mentions;
  const { conversation, type, sentAt, n, mentions, mentionAll, change, replyTo, source } = value;
  const more = {
    ...(mentions === undefined ? {} : { mentions }),
    ...(mentionAll === undefined ? {} : { mentionAll }),
    ...(change === undefined ? {} : { change }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(source === undefined ? {} : { source }),
  };
  const body = value.bodyBase64 === undefined ? (value.body ?? '') : bytesOf(value.bodyBase64);
  // It may have been sent by the run that stored it.
  const fixed = { serial, conversation, type, body, sentAt, n, ...more };
  return { ...fixed, after: n - 1, sent: true, inFlight: false, durable: true };
}

function bytesOf(base64: string): Uint8Array {
  const bytes = fromBase64(base64);
  if (!bytes.ok) throw new Unreadable('a body');
  return bytes.value;
}
