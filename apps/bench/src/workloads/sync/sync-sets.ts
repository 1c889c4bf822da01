import { setTimeout as sleepMs } from 'node:timers/promises';
import { systemClock, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import { newPayload, writePayload } from '../../load/payload.ts';
import type { StoredRange } from '../../processes/xrange-floor.ts';
import { PAYLOAD_BYTES } from '../shape.ts';
import { StoredCheck } from '../stored-check.ts';
import { inParallel, type Ask, type UserSessions } from '../user-sessions.ts';

/** What one device missed. */
export interface SyncSet {
  readonly name: string;
  /** `write`: it lies in the user's inbox. `read`: in large groups, of which nothing is in any inbox. */
  readonly mode: 'write' | 'read';
  readonly conversations: number;
  /** In each of them. */
  readonly messagesEach: number;
}

const MISSED = 10_000;
const CONVERSATIONS = [1, 50, 500] as const;
/** One more than a conversation may have, by default, before it goes over to read mode: with its owner 201. */
const READ_MEMBERS = 200;
const LIST_LIMIT = protocolLimits.pageConversations;
const PAGE_MESSAGES = protocolLimits.pageMessages;
/** Messages of one writer into many groups that are under way. */
const READ_WINDOW = 32;
/** A session may send so many frames at once, and so many a second from then on: somewhat less, and none is refused. */
const FRAMES_AT_ONCE = 3_000;
const FRAMES_PER_SECOND = 1_800;
const SETTLE_MS = 100;
const SETTLE_MS_MAX = 60_000;

/** @param scale - a share of conversations and messages, for trying the bench itself. */
export function syncSets(scale: number): readonly SyncSet[] {
  const missed = Math.max(20, Math.round(MISSED * scale));
  return (['write', 'read'] as const).flatMap((mode) =>
    CONVERSATIONS.map((wanted) => {
      const conversations = Math.max(1, Math.round(wanted === 1 ? 1 : wanted * scale));
      const messagesEach = Math.max(1, Math.floor(missed / conversations));
      return { name: `${mode}-${String(wanted)}`, mode, conversations, messagesEach };
    }),
  );
}

export interface PreparedSet {
  readonly set: SyncSet;
  readonly user: UserId;
  /** What the device kept before it went. */
  readonly syncToken: string;
  /** Of each conversation; the writers' messages name it by its place here. */
  readonly ranges: readonly StoredRange[];
  /** Entries of the user's inbox that tell of them. */
  readonly inboxRecords: number;
}

const ascii = new TextDecoder('latin1');

function bodyOf(stream: number, n: number): string {
  const payload = newPayload(PAYLOAD_BYTES);
  writePayload(payload, stream, n, systemClock.monotonicMs() * 1_000);
  return ascii.decode(payload);
}

/** Waits as long as it takes for `count` frames of a session to be within what it may send. */
async function pace(startedMs: number, count: number): Promise<void> {
  const dueMs = startedMs + ((count - FRAMES_AT_ONCE) * 1_000) / FRAMES_PER_SECOND;
  const waitMs = dueMs - systemClock.monotonicMs();
  if (waitMs > 0) await sleepMs(waitMs);
}

interface Place {
  readonly conversation: ConversationId;
  readonly stream: number;
}

/** Message `n` into one conversation. @returns where it lies. */
async function sendOne(ask: Ask, { conversation, stream }: Place, n: number): Promise<{ gen: number; seq: number }> {
  const body = bodyOf(stream, n);
  const { gen, seq } = await ask({ t: 'send', conversation, n, sentAt: n, type: 'text', body });
  return { gen, seq };
}

/** Makes what devices missed, by the public protocol, and sees that it is stored. */
export class SyncSetUp {
  readonly #sessions: UserSessions;
  readonly #run: string;

  constructor(sessions: UserSessions, run: string) {
    this.#sessions = sessions;
    this.#run = run;
  }

  async prepare(set: SyncSet): Promise<PreparedSet> {
    const user = `sync-${this.#run}-${set.name}` as UserId;
    const streams = Array.from({ length: set.conversations }, (_, stream) => stream);
    const writers = streams.map((stream) => `${user}-${String(set.mode === 'write' ? stream : 'o')}` as UserId);
    const places = await this.#create(set, user, writers);
    const conversations = places.map(({ conversation }) => conversation);
    const before = await this.#settled(user, conversations, ({ diffusion }) => (diffusion ?? 'write') === set.mode);
    const ranges =
      set.mode === 'write' ? await this.#writeEach(set, writers, places) : await this.#writeAll(set, user, places);
    await this.#settled(user, conversations, ({ msgNo }) => msgNo >= set.messagesEach);
    await this.#checkStored(set, user, conversations);
    const after = await this.#sessions.as(user, (ask) => ask({ t: 'sync' }));
    const inboxRecords = after.inbox.seq - before.inboxSeq;
    return { set, user, syncToken: before.syncToken, ranges, inboxRecords };
  }

  async #create(set: SyncSet, user: UserId, writers: readonly UserId[]): Promise<readonly Place[]> {
    const places: Place[] = [];
    if (set.mode === 'write') {
      await inParallel([...writers.entries()], async ([stream, writer]) => {
        const { conversation } = await this.#sessions.as(writer, (ask) =>
          ask({ t: 'create', kind: 'direct', members: [user] }),
        );
        places[stream] = { conversation, stream };
      });
      return places;
    }
    const [owner] = writers;
    if (owner === undefined) return places;
    const others = Array.from({ length: READ_MEMBERS - 1 }, (_, at) => `sync-${this.#run}-member-${String(at)}`);
    const members = [user, ...(others as UserId[])];
    await this.#sessions.as(owner, async (ask) => {
      for (let stream = 0; stream < set.conversations; stream += 1) {
        const conversation = `${user}-${String(stream)}` as ConversationId;
        await ask({ t: 'create', kind: 'group', conversation, title: set.name, members });
        places.push({ conversation, stream });
      }
    });
    return places;
  }

  /** Each of the writers one message after the other, as people write: nothing gathers that need not. */
  async #writeEach(
    { messagesEach }: SyncSet,
    writers: readonly UserId[],
    places: readonly Place[],
  ): Promise<readonly StoredRange[]> {
    return Promise.all(
      places.map(async (place, at) => {
        const writer = writers[at] ?? ('' as UserId);
        return this.#sessions.as(writer, async (ask) => {
          const startedMs = systemClock.monotonicMs();
          const first = await sendOne(ask, place, 1);
          for (let n = 2; n <= messagesEach; n += 1) {
            await pace(startedMs, n);
            await sendOne(ask, place, n);
          }
          const { conversation } = place;
          return { conversation, gen: first.gen, firstSeq: first.seq, messages: messagesEach };
        });
      }),
    );
  }

  /** One writer into all groups, in turn. */
  async #writeAll({ messagesEach }: SyncSet, user: UserId, places: readonly Place[]): Promise<readonly StoredRange[]> {
    const firsts: { gen: number; seq: number }[] = [];
    await this.#sessions.as(`${user}-o` as UserId, async (ask) => {
      const startedMs = systemClock.monotonicMs();
      const all = Array.from({ length: messagesEach }, (_, at) => places.map((place) => ({ place, n: at + 1 }))).flat();
      for (let from = 0; from < all.length; from += READ_WINDOW) {
        await pace(startedMs, from + READ_WINDOW);
        const some = all.slice(from, from + READ_WINDOW);
        const sent = await Promise.all(some.map(({ place, n }) => sendOne(ask, place, n)));
        sent.forEach((position, at) => {
          const one = some[at];
          if (one?.n === 1) firsts[one.place.stream] = position;
        });
      }
    });
    return places.map(({ conversation, stream }) => {
      const { gen, seq } = firsts[stream] ?? { gen: 0, seq: 0 };
      return { conversation, gen, firstSeq: seq, messages: messagesEach };
    });
  }

  /** Waits until the user's list has all of the conversations as they are to be; then where a device stands that syncs. */
  async #settled(
    user: UserId,
    conversations: readonly ConversationId[],
    isAsWanted: (summary: { readonly diffusion?: string; readonly msgNo: number }) => boolean,
  ): Promise<{ readonly syncToken: string; readonly inboxSeq: number }> {
    const untilMs = systemClock.monotonicMs() + SETTLE_MS_MAX;
    return this.#sessions.as(user, async (ask) => {
      for (;;) {
        const found = new Set<ConversationId>();
        for (let after: string | null = ''; after !== null;) {
          const page: {
            conversations: readonly { conversation: ConversationId; diffusion?: string; msgNo: number }[];
            next: string | null;
          } = await ask({ t: 'conversations', limit: LIST_LIMIT, ...(after === '' ? {} : { after }) });
          for (const summary of page.conversations) if (isAsWanted(summary)) found.add(summary.conversation);
          after = page.next;
        }
        if (conversations.every((each) => found.has(each))) {
          const { token, inbox } = await ask({ t: 'sync' });
          return { syncToken: token, inboxSeq: inbox.seq };
        }
        if (systemClock.monotonicMs() > untilMs) {
          throw new Error(`the list of ${user} lacks some of ${String(conversations.length)} conversations`);
        }
        await sleepMs(SETTLE_MS);
      }
    });
  }

  /** Each conversation is read back from its beginning to its head. */
  async #checkStored(set: SyncSet, user: UserId, conversations: readonly ConversationId[]): Promise<void> {
    await this.#sessions.as(user, async (ask) => {
      for (const conversation of conversations) {
        const check = new StoredCheck();
        for (;;) {
          const from = check.nextSeq as SequenceId;
          const page = await ask({ t: 'history', conversation, direction: 'forward', from, limit: PAGE_MESSAGES });
          for (const message of page.messages) check.shown(message);
          if (page.hasMore && page.messages.length > 0) continue;
          const { stored, duplicated, gaps } = check.ended(page.head.seq);
          if (stored === set.messagesEach && duplicated + gaps === 0) break;
          throw new Error(`${conversation} holds ${String(stored)} of ${String(set.messagesEach)} messages`);
        }
      }
    });
  }
}
