import { InvariantViolation } from './assert.ts';
import { err, ok, type Result } from './result.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** Who a token speaks of. 1..64 characters of `A-Z a-z 0-9 . _ ~ @ : % + = -`. */
export type UserId = Branded<string, 'UserId'>;
/** One installation of one user's client. Same characters as a {@link UserId}. */
export type DeviceId = Branded<string, 'DeviceId'>;
/**
 * Same characters as a {@link UserId}; a direct conversation's is its two users, the lesser first, with a `!` between
 * (which no other id can hold): {@link directConversationId}. A lobby's begins with `~`: {@link isLobbyId}.
 */
export type ConversationId = Branded<string, 'ConversationId'>;
/** One run of one node's program. */
export type NodeId = Branded<string, 'NodeId'>;
/** Position in a Timeline, from 1, without gaps within a generation; 0 stands for "nothing yet". */
export type SequenceId = Branded<number, 'SequenceId'>;
/** Rises only when acknowledged history was, or may have been, lost. From 1; 0 is never stored. */
export type Generation = Branded<number, 'Generation'>;
/** A fixed slice of the keys, 0..partitionCount-1. */
export type PartitionId = Branded<number, 'PartitionId'>;

export interface IdError {
  readonly code: 'bad_id';
  readonly message: string;
}

const ID = /^[A-Za-z0-9._~@:%+=-]{1,64}$/;

function parseName<Name extends string>(what: string, value: unknown): Result<Branded<string, Name>, IdError> {
  if (typeof value === 'string' && ID.test(value)) return ok(value as Branded<string, Name>);
  const shown = typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : typeof value;
  return err({
    code: 'bad_id',
    message: `${what} must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ @ : % + = -, got ${shown}`,
  });
}

export const parseUserId = (value: unknown): Result<UserId, IdError> => parseName<'UserId'>('a user id', value);
export const parseDeviceId = (value: unknown): Result<DeviceId, IdError> => parseName<'DeviceId'>('a device id', value);
/** One name, or two with a `!` between them. One pattern: each that is tried goes through the whole id. */
const CONVERSATION_ID = /^[A-Za-z0-9._~@:%+=-]{1,64}(?:![A-Za-z0-9._~@:%+=-]{1,64})?$/;

export const parseConversationId = (value: unknown): Result<ConversationId, IdError> =>
  typeof value === 'string' && CONVERSATION_ID.test(value)
    ? ok(value as ConversationId)
    : parseName<'ConversationId'>('a conversation id', value);

/** The one direct conversation of two users, whichever asks. */
export function directConversationId(one: UserId, other: UserId): ConversationId {
  return (one < other ? `${one}!${other}` : `${other}!${one}`) as ConversationId;
}

export const isDirectConversationId = (conversation: ConversationId): boolean => conversation.includes('!');
/** A lobby is known by its id, so that no store has to be asked what a conversation is. */
export const isLobbyId = (conversation: ConversationId): boolean => conversation.startsWith('~');
export const parseNodeId = (value: unknown): Result<NodeId, IdError> => parseName<'NodeId'>('a node id', value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** @throws InvariantViolation unless `value` is a whole number, 0..2^53-1. For input use {@link parseSequenceId}. */
export function sequenceId(value: number): SequenceId {
  if (!isCount(value)) throw new InvariantViolation(`not a SequenceId: ${String(value)}`);
  return value as SequenceId;
}

/** @throws InvariantViolation unless `value` is a whole number, 0..2^53-1. */
export function generation(value: number): Generation {
  if (!isCount(value)) throw new InvariantViolation(`not a Generation: ${String(value)}`);
  return value as Generation;
}

/** @throws InvariantViolation unless `value` is a whole number, 0..65535. */
export function partitionId(value: number): PartitionId {
  if (!isCount(value) || value >= 65536) throw new InvariantViolation(`not a PartitionId: ${String(value)}`);
  return value as PartitionId;
}

export function parseSequenceId(value: unknown): Result<SequenceId, IdError> {
  if (isCount(value)) return ok(value as SequenceId);
  return err({ code: 'bad_id', message: 'a SequenceId must be a whole number from 0 to 9007199254740991' });
}

export function parseGeneration(value: unknown): Result<Generation, IdError> {
  if (isCount(value)) return ok(value as Generation);
  return err({ code: 'bad_id', message: 'a generation must be a whole number from 0 to 9007199254740991' });
}
