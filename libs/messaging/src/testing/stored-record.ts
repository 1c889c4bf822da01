import { modeNow } from '@millrace/diffusion';
import { utf8, type ConversationId, type Generation, generation } from '@millrace/kernel';
import type { ActorRecord, ActorWrite } from '@millrace/partition';
import type { TimelineHead } from '@millrace/timeline';
import type { ConversationState } from '../conversation/conversation-state.ts';
import { decodeConversation } from '../conversation/conversation-record.ts';
import type { UserState } from '../user/user-state.ts';

/** A record as a store keeps it, to which an actor's writes are applied. */
export class StoredRecord {
  head: TimelineHead | null = null;
  readonly fields = new Map<string, Uint8Array>();
  readonly entries: Uint8Array[] = [];

  apply(write: ActorWrite | null): void {
    if (write === null) return;
    // A store refuses a write that expects another position (I2).
    const stands = this.head ?? { gen: 0, seq: 0 };
    if (write.expected.gen !== stands.gen || write.expected.seq !== stands.seq) {
      throw new Error(`conflict: ${JSON.stringify(write.expected)} is expected of ${JSON.stringify(stands)}`);
    }
    this.head = write.head;
    this.entries.push(...write.entries);
    for (const [field, value] of write.set) this.fields.set(field, typeof value === 'string' ? utf8(value) : value);
    for (const field of write.unset) this.fields.delete(field);
  }

  get record(): ActorRecord {
    // A store does not keep the order of the fields.
    const shuffled = [...this.fields].sort(([left], [right]) => (left < right ? 1 : -1));
    return { head: this.head, fields: new Map(shuffled) };
  }
}

const sorted = <K extends string | number, V>(entries: Iterable<readonly [K, V]>): readonly (readonly [K, V])[] =>
  [...entries].sort(([left], [right]) => (left < right ? -1 : 1));

/** Everything that a conversation's state tells, for comparison. */
export function tellConversation(state: ConversationState): unknown {
  return {
    meta: state.meta.value,
    head: state.head.value,
    archivedTo: state.archivedTo.value,
    retiredMsgNo: state.retiredMsgNo.value,
    erased: state.erased.value,
    msgNo: state.msgNo.value,
    keyWindow: state.keyWindow.value,
    members: sorted(state.members.entries()),
    counters: sorted(state.counters.entries()),
    keys: sorted(state.keys.entries()),
    bans: sorted(state.bans.entries()),
    mentioned: sorted(state.mentioned.entries()),
    mentionsOfAll: state.mentionsOfAll.value,
    recalled: state.recalled.value,
    pinned: state.pinned.value,
    deleted: sorted(state.deleted.entries()),
    revised: state.revised.value,
    toRevise: state.revisions.fields,
    inOrderBanned: [...state.banIndex.behind(null)].filter((user) => state.bans.has(user)),
    storedAt: { gen: state.storedAt.gen, seq: state.storedAt.seq },
    unstored: state.entries.length,
    segments: state.segments.value,
    readReason: state.readReason.value,
    lastAt: modeNow(state.segments.value) === 'read' ? state.lastAt.value : null,
    senders: sorted(state.senders.entries()),
    recipients: [...state.recipients].sort(),
    memberCount: state.memberCount,
    inOrder: [...state.index.behind(null)].filter((user) => state.present(user) !== null),
    sent: ['a', 'b', 'c', 'd'].map((user) => state.sent(user as never)),
    dirty: state.dirty,
  };
}

/** Everything that a user's state tells, for comparison. */
export function tellUser(state: UserState): unknown {
  return {
    head: state.head.value,
    inbox: state.inbox.value,
    listed: sorted(state.listed.entries()),
    progress: sorted(state.progress.entries()),
    concerns: [1, 2, 3, 4, 5].map((slot) => state.concern(slot)),
    storedAt: { gen: state.storedAt.gen, seq: state.storedAt.seq },
    unstored: state.entries.length,
    slots: [1, 2, 3, 4, 5].map((slot) => state.conversationAt(slot)),
    dirty: state.dirty,
  };
}

export function emptyConversation(id: string, gen: Generation = generation(1)): ConversationState {
  return decodeConversation(id as ConversationId, { head: null, fields: new Map() }, gen);
}
