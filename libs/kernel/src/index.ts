export { addTo } from './add-to.ts';
export { InvariantViolation, invariant, unreachable } from './assert.ts';
export { ByteReader, ByteWriter, MalformedBytes, fromUtf8, packed, utf8 } from './bytes.ts';
export { codeUnitAt, writeAscii } from './code-units.ts';
export { systemClock, systemTimers, type Cancel, type Clock, type Timers } from './clock.ts';
export { hash32, hash32Of } from './hash.ts';
export {
  directConversationId,
  generation,
  isDirectConversationId,
  isLobbyId,
  parseConversationId,
  parseDeviceId,
  parseGeneration,
  parseNodeId,
  parseSequenceId,
  parseUserId,
  partitionId,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type Generation,
  type IdError,
  type NodeId,
  type PartitionId,
  type SequenceId,
  type UserId,
} from './ids.ts';
export { PromptTimers, promptTimers } from './prompt-timers.ts';
export { seededRandom, systemRandom, type Random } from './random.ts';
export { RareSet } from './rare-set.ts';
export { err, ok, type Result } from './result.ts';
export { LastFew } from './last-few.ts';
export { Slabs } from './slabs.ts';
