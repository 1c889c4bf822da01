import type { ConversationId, Generation, UserId } from '@millrace/kernel';
import type { ActorRecord, PartitionActor } from '@millrace/partition';
import type { ActorKey } from '@millrace/timeline';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import { ConversationActor } from '../conversation/conversation-actor.ts';
import { decodeConversation } from '../conversation/conversation-record.ts';
import type { Effect } from '../effects.ts';
import type { KnownGenerations } from '../user/confirmation.ts';
import { PromotedLobbies, promotedPartition } from '../lobby/promoted-lobbies.ts';
import { UserActor } from '../user/user-actor.ts';
import { decodeUser } from '../user/user-record.ts';
import { BirthActor, birthKey } from './birth-actor.ts';

/** What a partition makes of a key and its record. Throws for a record that this version of the program cannot read. */
export function actorsOf(
  { ackLevel, limits, storeFormat }: Pick<ChatNodeParts, 'ackLevel' | 'limits' | 'storeFormat'>,
  known: KnownGenerations,
) {
  return (key: ActorKey, record: ActorRecord, gen: Generation): PartitionActor<AnyCommand, AnyReply, Effect> => {
    if (key === birthKey) return new BirthActor(record, gen);
    if (promotedPartition(key) !== null) return new PromotedLobbies(key, record, gen);
    const name = key.slice(2);
    if (key.startsWith('u:'))
      return new UserActor(decodeUser(name as UserId, record, gen), limits.messaging, known, storeFormat);
    const state = decodeConversation(name as ConversationId, record, gen);
    return new ConversationActor(state, ackLevel, limits.messaging, storeFormat);
  };
}
