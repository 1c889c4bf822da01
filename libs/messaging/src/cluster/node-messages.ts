import {
  fromUtf8,
  MalformedBytes,
  utf8,
  type ConversationId,
  type DeviceId,
  type NodeId,
  type PartitionId,
  type UserId,
} from '@millrace/kernel';
import type { ClusterView } from '@millrace/partition';
import { WireEntry, type Receipt, type Receipts, type TypingNotice } from '@millrace/protocol';
import type { ActorKey } from '@millrace/timeline';
import { addExtension, Packr } from 'msgpackr/pack';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { SessionInfo, UserPush } from '../chat-service.ts';
import type { WatchNote } from '../live/live-source.ts';
import type { WatchAsked } from '../live/watches.ts';
import type { TraceQuestion } from '../trace/message-trace.ts';
import type { Arrival } from './arrival.ts';
import type { GenerationNews } from './generations.ts';
import {
  decodeAnswerRecord,
  decodeNoteRecord,
  decodeRequestRecord,
  encodeAnswerRecord,
  encodeNoteRecord,
  encodeRequestRecord,
} from './node-records.ts';
import { nodeShapes } from './node-shapes.ts';
import { packWireEntries, unpackWireEntries } from './packed-wire-entries.ts';
import type { PresenceQuestion } from './presence.ts';

/*
 * What nodes say to each other, as payloads of their links: one version byte, then MessagePack. From version 2 on, objects of
 * the shapes that both sides know (`node-shapes.ts`) are one byte and their values, and entries to many are packed
 * (`packed-wire-entries.ts`). In version 3 a byte tells what follows: 0 MessagePack, else a record of `node-records.ts`.
 * Nodes of one cluster may run two versions of the program for as long as an update takes: a node says with its
 * registration which one it reads, none is told anything newer, and a payload of a version that is not known is refused,
 * not guessed at.
 */
const FIRST = 1;
const SHAPED = 2;
/** The newest version that this program reads, and writes to those that read it as well. */
export const SPEECH = 3;
/** In it, behind the version. */
const NO_RECORD = 0;

export type Priority = 'client' | 'follow-up';

/** A command for an actor that lives on that node. `attach`: the asking node holds sockets of the user. */
export type NodeRequest =
  | { readonly q: 'command'; readonly key: ActorKey; readonly command: AnyCommand; readonly priority: Priority }
  | { readonly q: 'attach'; readonly user: UserId }
  | WatchRequest
  | NodeQuestion;

/** Of conversations that live on that node: answered by as many {@link WatchAnswer}s. */
export interface WatchRequest {
  readonly q: 'watch';
  readonly watches: readonly WatchAsked[];
}

/** What concerns the node itself, and no partition. */
export type NodeQuestion =
  /** A {@link NodeStatus}. */
  | { readonly q: 'status' }
  /** A {@link TraceHere}. */
  | ({ readonly q: 'trace' } & TraceQuestion)
  /** Partitions that have lost something once; answered null. */
  | { readonly q: 'generations'; readonly news: GenerationNews }
  /** {@link HeadsHere}, in this order. */
  | { readonly q: 'heads'; readonly user: UserId; readonly conversations: readonly ConversationId[] }
  /** A {@link SessionsHere}. */
  | { readonly q: 'sessions'; readonly user: UserId }
  /** A {@link PresenceAnswer}. */
  | PresenceQuestion
  /** A {@link ClosedHere}. Of all the user's sessions on the node when `session` is null. */
  | { readonly q: 'close'; readonly user: UserId; readonly session: string | null };

export interface SessionsHere {
  /** Of the newest view that the answering node has. */
  readonly viewVersion: number;
  readonly sessions: readonly SessionInfo[];
}

export interface ClosedHere {
  readonly viewVersion: number;
  readonly closed: number;
}

/** `not_owner`: the actor's partition is not on that node (any more); nothing was done. */
export type NodeAnswer = AnyReply | 'not_owner';

/** What users of the conversation are told beside their inbox, and nothing depends on. */
export type Notice =
  | { readonly kind: 'receipt'; readonly receipt: Omit<Receipt, 't'> }
  | { readonly kind: 'receipts'; readonly receipts: Omit<Receipts, 't'> }
  | { readonly kind: 'typing'; readonly typing: Omit<TypingNotice, 't'> };

export type NodeNote =
  /** To a node that holds sockets of the user. */
  | { readonly n: 'push'; readonly user: UserId; readonly push: UserPush }
  | { readonly n: 'broken'; readonly user: UserId }
  /** To the node that owns the users, which knows where their sockets are. */
  | { readonly n: 'relay'; readonly users: readonly UserId[]; readonly notice: Notice }
  /** To a node that holds sockets of the users. */
  | { readonly n: 'tell'; readonly users: readonly UserId[]; readonly notice: Notice }
  | WatchNote
  /** The sender watches these no more. */
  | { readonly n: 'unwatch'; readonly conversations: readonly ConversationId[] }
  /** No device of the user has that lobby open on the sender any more. */
  | { readonly n: 'away'; readonly conversation: ConversationId; readonly user: UserId }
  /** The asking node holds no socket of that user any more. */
  | { readonly n: 'detach'; readonly user: UserId }
  /** To the user's owner: the sender has an open session of that device. */
  | { readonly n: 'connected'; readonly user: UserId; readonly device: DeviceId; readonly arrival: Arrival }
  /** To a node that holds sockets of the user: the node `by` has an open session of that device. */
  | {
      readonly n: 'replaced';
      readonly user: UserId;
      readonly device: DeviceId;
      readonly arrival: Arrival;
      readonly by: NodeId;
    }
  /** Something of the conversation was erased: what the node keeps of it is to be let go of. */
  | { readonly n: 'erased'; readonly conversation: ConversationId }
  /** From the coordinator. */
  | { readonly n: 'view'; readonly view: ClusterView }
  /** To the coordinator, whichever node that is: something about the members has changed. */
  | { readonly n: 'poke' }
  /** The sender has handed the partition back: who is to own it now need not wait any longer. */
  | { readonly n: 'released'; readonly partition: PartitionId };

const first = new Packr({ useRecords: true });
const newest = new Packr({
  useRecords: true,
  structures: nodeShapes.map((fields) => [...fields]),
  // None is added to them: the other side would not know it.
  maxSharedStructures: nodeShapes.length,
});

/** @param speech - that the other side reads, as of the next one. */
const isFirst = (speech: number): boolean => speech < SHAPED;
const hasRecords = (speech: number): boolean => speech >= SPEECH;

// An entry travels as it is stored, and is decoded by whoever needs it.
addExtension({
  Class: WireEntry,
  type: 0x4d,
  write: ({ gen, seq, data }: WireEntry) => [gen, seq, data],
  read: ([gen, seq, data]: [WireEntry['gen'], WireEntry['seq'], Uint8Array]) => new WireEntry(gen, seq, data),
});

/** A text that begins with U+FEFF, which the decoder of the library takes for a mark of the encoding and leaves out. */
class MarkedText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

addExtension({
  Class: MarkedText,
  type: 0x54,
  write: ({ text }: MarkedText) => utf8(text),
  read: fromUtf8,
});

const MARK = '\uFEFF';

/** Whether the three bytes of the mark stand anywhere in what was packed. */
function holdsMark(packed: Uint8Array): boolean {
  for (let at = packed.indexOf(0xef); at >= 0; at = packed.indexOf(0xef, at + 1)) {
    if (packed[at + 1] === 0xbb && packed[at + 2] === 0xbf) return true;
  }
  return false;
}

/** The same, but for the texts that begin with the mark. */
function markedTexts(value: unknown): unknown {
  if (typeof value === 'string') return value.startsWith(MARK) ? new MarkedText(value) : value;
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || value instanceof WireEntry)
    return value;
  if (Array.isArray(value)) return value.map(markedTexts);
  if (value instanceof Map)
    return new Map([...value].map(([key, each]) => [markedTexts(key), markedTexts(each)] as const));
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, markedTexts(each)]));
}

function encode(message: unknown, speech: number): Uint8Array {
  const packr = isFirst(speech) ? first : newest;
  let packed = packr.pack(message);
  // Rare, and cheap to see: then it is worth a walk through all of it.
  if (holdsMark(packed)) packed = packr.pack(markedTexts(message));
  const head = hasRecords(speech) ? [SPEECH, NO_RECORD] : [isFirst(speech) ? FIRST : SHAPED];
  const bytes = new Uint8Array(head.length + packed.length);
  bytes.set(head);
  bytes.set(packed, head.length);
  return bytes;
}

/** The version of a payload: its sender reads it, too. */
export const speechOf = (bytes: Uint8Array): number => bytes[0] ?? 0;

const isRecord = (bytes: Uint8Array): boolean => speechOf(bytes) === SPEECH && (bytes[1] ?? NO_RECORD) !== NO_RECORD;

function decode(bytes: Uint8Array): unknown {
  const speech = speechOf(bytes);
  if (speech < FIRST || speech > SPEECH) {
    throw new MalformedBytes(`a node speaks version ${String(bytes[0])} of the messages between nodes`);
  }
  try {
    return (isFirst(speech) ? first : newest).unpack(bytes.subarray(hasRecords(speech) ? 2 : 1));
  } catch (error) {
    throw new MalformedBytes(`a message between nodes cannot be read: ${String(error)}`);
  }
}

/** A request of an actor. */
export type ActorRequest = Exclude<NodeRequest, NodeQuestion | WatchRequest>;

/** A request with the version of the view by which its sender chose the node. */
export interface SentRequest {
  readonly version: number;
  readonly request: NodeRequest;
}

/** @param speech - the newest version that the receiver reads, as of all of these. */
export const encodeRequest = (sent: SentRequest, speech: number): Uint8Array =>
  (hasRecords(speech) ? encodeRequestRecord(SPEECH, sent) : null) ?? encode(packedRequest(sent, speech), speech);
/** @param asked - what it answers; left out, the answer is no record. */
export const encodeAnswer = (answer: NodeAnswer, speech: number, asked: NodeRequest | null = null): Uint8Array =>
  (asked !== null && hasRecords(speech) ? encodeAnswerRecord(SPEECH, answer, asked) : null) ?? encode(answer, speech);
export const encodeNote = (note: NodeNote, speech: number): Uint8Array =>
  (hasRecords(speech) ? encodeNoteRecord(SPEECH, note) : null) ??
  encode(isFirst(speech) ? note : noteWithEntries(note, packWireEntries), speech);

const packedRequest = ({ version, request }: SentRequest, speech: number): SentRequest => ({
  version,
  request: isFirst(speech) ? request : withEntries(request, packWireEntries),
});

/** @throws MalformedBytes when the bytes are of another version, or damaged. */
export const decodeRequest = (bytes: Uint8Array): SentRequest => {
  if (isRecord(bytes)) return decodeRequestRecord(bytes);
  const { version, request } = decode(bytes) as SentRequest;
  return { version, request: isFirst(speechOf(bytes)) ? request : withEntries(request, unpackWireEntries) };
};
/** @throws MalformedBytes likewise. */
export const decodeAnswer = (bytes: Uint8Array): NodeAnswer =>
  isRecord(bytes) ? decodeAnswerRecord(bytes) : (decode(bytes) as NodeAnswer);
/** @throws MalformedBytes likewise. */
export const decodeNote = (bytes: Uint8Array): NodeNote => {
  if (isRecord(bytes)) return decodeNoteRecord(bytes);
  const note = decode(bytes) as NodeNote;
  return isFirst(speechOf(bytes)) ? note : noteWithEntries(note, unpackWireEntries);
};

/** What it makes of entries takes their place: they are bytes on their way, and entries on either side. */
type OfEntries = typeof packWireEntries | typeof unpackWireEntries;

/** Many users are told the same entries, one after the other: see `packed-wire-entries.ts`. */
function withEntries(request: NodeRequest, change: OfEntries): NodeRequest {
  if (request.q !== 'command' || request.command.t !== 'deliver') return request;
  const { q, key, command, priority } = request;
  const items = command.items.map((item) => {
    if (item.d !== 'messages') return item;
    const { d, facts, gen, entries, behind, skipped, change: own } = item;
    return { d, facts, gen, entries: change(entries as never) as readonly WireEntry[], behind, skipped, change: own };
  });
  return { q, key, command: { t: 'deliver', items }, priority };
}

/** The same of what came into an inbox. */
function noteWithEntries(note: NodeNote, change: OfEntries): NodeNote {
  if (note.n !== 'push') return note;
  const items = note.push.items.map((item) =>
    'messages' in item
      ? { conversation: item.conversation, messages: change(item.messages as never) as readonly WireEntry[] }
      : item,
  );
  const { gen, from, to } = note.push;
  return { n: 'push', user: note.user, push: { gen, from, to, items } };
}
