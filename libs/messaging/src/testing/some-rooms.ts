import type { Tiers } from '@millrace/archive';
import { MemoryArchive, MemoryArchiveDisk } from '@millrace/archive/testing';
import { err, ok, partitionId, sequenceId, type ConversationId } from '@millrace/kernel';
import { emptyView, type ActorWrite, type ClusterView } from '@millrace/partition';
import { frameError } from '@millrace/protocol';
import {
  comparePositions,
  conversationKey,
  type ActorKey,
  type HotTimelines,
  type RangeQuery,
  type TimelineEntry,
  type TimelineReader,
} from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import type { ConversationCommand } from '../conversation/commands.ts';
import { AConversation } from './a-conversation.ts';

/** Conversations with what is stored of their Timelines, on a node of their own, and an archive. */
export class SomeRooms {
  readonly disk = new MemoryArchiveDisk();
  readonly archive = new MemoryArchive(this.disk);
  readonly rooms = new Map<ConversationId, AConversation>();
  readonly hot = new Map<ActorKey, TimelineEntry[]>();
  /** Asked for each command first: what it says instead of an answer, null for nothing. */
  refuse: (command: ConversationCommand) => string | null = () => null;
  /** The identity of the archive that is fixed. */
  bound: string | null = null;
  view: ClusterView = { ...emptyView(1), version: 1 };
  /** Conversations whose state is not told without asking them. */
  readonly elsewhere = new Set<ConversationId>();

  room(name: string): AConversation {
    const id = name as ConversationId;
    const found = this.rooms.get(id);
    if (found !== undefined) return found;
    const room = new AConversation(name).created(['a', 'b']);
    this.rooms.set(id, room);
    this.hot.set(
      conversationKey(id),
      room.stored.entries.map((data, index) => ({ gen: room.state.gen, seq: sequenceId(index + 1), data })),
    );
    return room;
  }

  /** Hands a command to a conversation, and stores what it comes to. */
  do(name: string, command: ConversationCommand) {
    const room = this.room(name);
    const handled = room.handle(command);
    this.#store(room.actor.pendingWrite());
    room.store();
    return handled;
  }

  write(name: string, messages: number): void {
    for (let count = 0; count < messages; count += 1) this.do(name, this.room(name).sendOf('a'));
  }

  hotSeqs(name: string): readonly number[] {
    return (this.hot.get(conversationKey(name as ConversationId)) ?? []).map(({ seq }) => seq);
  }

  #store(write: ActorWrite | null): void {
    if (write === null) return;
    const { actor, head, entries, trimBefore } = write;
    const timeline = this.hot.get(actor) ?? [];
    let seq = head.seq - entries.length;
    for (const data of entries) timeline.push({ gen: head.gen, seq: sequenceId((seq += 1)), data });
    this.hot.set(
      actor,
      timeline.filter((entry) => trimBefore === null || comparePositions(entry, trimBefore) >= 0),
    );
  }

  readonly timelines: TimelineReader = {
    range: (_partition, actor, { from, to, limit, direction }: RangeQuery) => {
      const entries = (this.hot.get(actor) ?? []).filter(
        (entry) => comparePositions(entry, from) >= 0 && comparePositions(entry, to) <= 0,
      );
      return Promise.resolve((direction === 'forward' ? entries : entries.toReversed()).slice(0, limit));
    },
    at: async (partition, actor, position) => {
      const query = { from: position, to: position, limit: 1, direction: 'forward' } as const;
      return (await this.timelines.range(partition, actor, query))[0] ?? null;
    },
  };

  /** The conversations that have something hot, two in a page. */
  readonly hotTimelines: HotTimelines = {
    conversations: () => this.#pages(),
  };

  async *#pages(): AsyncGenerator<readonly ActorKey[]> {
    const all = [...this.hot].filter(([, entries]) => entries.length > 0).map(([actor]) => actor);
    for (let at = 0; at < all.length; at += 2) yield await Promise.resolve(all.slice(at, at + 2));
  }

  /** What a node is told that serves an archiver. */
  readonly node = {
    view: (): ClusterView => this.view,
    tiers: (conversation: ConversationId): Promise<Tiers | null> => {
      const state = this.elsewhere.has(conversation) ? undefined : this.rooms.get(conversation)?.state;
      return Promise.resolve(
        state === undefined ? null : { head: state.head.value, archivedTo: state.archivedTo.value },
      );
    },
  };

  readonly calls: ActorCalls = {
    conversation: (id, command) => {
      const refusal = this.refuse(command);
      if (refusal !== null) return Promise.resolve(err(frameError('unavailable', refusal)));
      return Promise.resolve(this.do(id, command).reply as never);
    },
    user: () => Promise.reject(new Error('nobody is asked')),
    post: (_key, command, answer) => {
      if (command.t === 'archive') this.bound ??= command.identity;
      answer(ok(this.bound));
    },
    partitionOf: () => partitionId(0),
  };
}
