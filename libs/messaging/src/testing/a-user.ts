import { generation, sequenceId, type ConversationId, type Generation, type UserId } from '@millrace/kernel';
import { encodeEntry, WireEntry, type EntryFields } from '@millrace/protocol';
import { defaultMessagingLimits, type MessagingLimits } from '../limits.ts';
import type { Delivery, UserItem } from '../user/commands.ts';
import type { KnownGenerations } from '../user/confirmation.ts';
import { decodeInboxEntry } from '../user/inbox-entry.ts';
import { UserActor } from '../user/user-actor.ts';
import { decodeUser } from '../user/user-record.ts';
import type { UserState } from '../user/user-state.ts';
import { StoredRecord } from './stored-record.ts';

export const me = 'me' as UserId;
export const DAY_MS = 24 * 3_600_000;

/** A user with their record, each command of which is stored at once. */
export class AUser {
  readonly stored: StoredRecord;
  readonly state: UserState;
  readonly actor: UserActor;
  nowMs = 20 * DAY_MS;
  /** What the node has heard of conversations' partitions. */
  readonly known = { version: 0, gens: new Map<string, number>() };

  readonly id: UserId;

  constructor(limits: Partial<MessagingLimits> = {}, stored = new StoredRecord(), gen = 1, id = me) {
    this.id = id;
    this.stored = stored;
    this.state = this.reloaded(generation(gen));
    this.actor = new UserActor(this.state, { ...defaultMessagingLimits, ...limits }, this.#generations);
  }

  get #generations(): KnownGenerations {
    const { known } = this;
    return {
      get version() {
        return known.version;
      },
      newest: (conversation) => generation(known.gens.get(conversation) ?? 0),
    };
  }

  deliver(items: readonly UserItem[]) {
    const { effects } = this.actor.handle({ t: 'deliver', items }, this.nowMs);
    return effects;
  }

  /** The same user, whose partition has begun that generation. */
  inGeneration(gen: number): AUser {
    return new AUser({}, this.stored, gen);
  }

  store(): void {
    this.stored.apply(this.actor.pendingWrite());
    this.actor.settle();
  }

  reloaded(gen: Generation = this.state.head.value.gen): UserState {
    return decodeUser(this.id, this.stored.record, gen);
  }

  get inbox() {
    return this.stored.entries.map(decodeInboxEntry);
  }
}

export const messageOf = (
  conversation: string,
  seq: number,
  msgNo: number,
  from: string,
  countable: boolean,
  more: Partial<EntryFields> = {},
  gen = 1,
): Delivery => {
  const data = encodeEntry({
    msgNo,
    countable,
    from: from as UserId,
    deviceTag: 1,
    n: seq,
    sentAt: seq,
    at: seq,
    type: 'text',
    body: `${conversation} ${String(seq)}`,
    ...more,
  });
  return {
    d: 'messages',
    facts: { conversation: conversation as ConversationId, kind: 'group', title: conversation },
    gen: generation(gen),
    entries: [new WireEntry(generation(gen), sequenceId(seq), data)],
    change: seq === 1 ? 'joined' : null,
    behind: 'write',
    skipped: null,
  };
};
