import type { Generation, UserId } from '@millrace/kernel';
import type { Role } from '@millrace/protocol';
import type { ConversationMeta } from '../conversation/conversation-state.ts';

/** What a lobby is, beside who is in it and what is said there. */
export interface LobbyFacts {
  readonly meta: ConversationMeta;
  /** Entries that it keeps. */
  readonly backlog: number;
  readonly membersMax: number;
}

/** A lobby as its owner tells it to a node that holds sockets of its members. */
export interface LobbyTold {
  readonly facts: LobbyFacts;
  readonly gen: Generation;
  /** Of those that were asked about. */
  readonly roles: readonly (readonly [UserId, Role])[];
}

/** What such a node tells the owner. */
export interface LobbyHere {
  /** Members that have it open on a device there; all of them. */
  readonly present: readonly UserId[];
  /** What the last owner told; null when none has yet. */
  readonly told: LobbyTold | null;
}
