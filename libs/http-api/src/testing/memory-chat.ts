import { err, generation, ok, sequenceId, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import type { ConversationInfo, ImportSlice, KeyedSend, SliceRefused } from '@millrace/messaging';
import {
  decodeEntry,
  encodeEntry,
  frameError,
  WireEntry,
  type ConversationSummary,
  type EntryFields,
  type FrameError,
  type Role,
} from '@millrace/protocol';
import type { BackendChat } from '../ports.ts';
import { MemoryScheduled } from './memory-scheduled.ts';

interface Room {
  readonly info: ConversationInfo;
  readonly roles: Map<UserId, Role>;
  readonly entries: WireEntry[];
  readonly acked: Map<string, number>;
}

const gen = generation(1);

const notALobby = ({ info }: Room): FrameError | null =>
  info.kind === 'lobby' ? null : frameError('forbidden', 'this is not a lobby');

/** A chat for the tests of the HTTP API: nothing is stored, nobody is pushed to, one generation, key window 7. */
export class MemoryChat implements BackendChat {
  /** Set, every call is answered with it. */
  outage: FrameError | null = null;
  /** Set, calls of `info` wait for it. */
  gate: Promise<void> | null = null;
  readonly #rooms = new Map<ConversationId, Room>();
  readonly #later = new MemoryScheduled();

  schedule = this.#later.schedule;
  unschedule = this.#later.unschedule;
  scheduled = this.#later.scheduled;

  createFor: BackendChat['createFor'] = async (creator, command) => {
    if (this.outage !== null) return err(this.outage);
    const conversation = command.conversation ?? (`room-${String(this.#rooms.size + 1)}` as ConversationId);
    const known = this.#rooms.get(conversation);
    if (known !== undefined) return ok({ conversation, gen, seq: sequenceId(1), fresh: false });
    const roles = new Map<UserId, Role>(command.members.map((user) => [user, 'member']));
    roles.set(creator, 'owner');
    const room: Room = {
      info: {
        conversation,
        kind: command.kind,
        title: command.title ?? '',
        joinPolicy: command.joinPolicy ?? 'invite',
        historyPolicy: command.historyPolicy ?? 'all',
        memberCount: 0,
        gen,
        seq: sequenceId(0),
        msgNo: 0,
        muted: false,
        slowModeMs: 0,
        mentionAllBy: 'admins',
        pinBy: 'admins',
        keyWindow: 7,
        diffusion: 'write',
        ...(command.backlog === undefined ? {} : { backlog: command.backlog }),
        ...(command.membersMax === undefined ? {} : { membersMax: command.membersMax }),
      },
      roles,
      entries: [],
      acked: new Map(),
    };
    this.#rooms.set(conversation, room);
    const control = { control: 'created', kind: command.kind, title: room.info.title, members: command.members };
    this.#append(room, { type: 'control', from: creator, body: JSON.stringify(control), countable: false });
    return ok({ conversation, gen, seq: sequenceId(1), fresh: true });
  };

  info: BackendChat['info'] = async (conversation) => {
    if (this.gate !== null) await this.gate;
    return this.#with(conversation, (room) =>
      ok({
        ...room.info,
        memberCount: room.roles.size,
        seq: sequenceId(room.entries.length),
        msgNo: this.#msgNo(room),
      }),
    );
  };

  listMembers: BackendChat['listMembers'] = async ({ conversation, after, limit }) =>
    this.#with(conversation, (room) => {
      const users = [...room.roles.keys()].sort().filter((user) => after === undefined || user > after);
      const page = users.slice(0, limit ?? 200);
      return ok({
        conversation,
        count: room.roles.size,
        members: page.map((user) => ({
          user,
          role: room.roles.get(user) ?? 'member',
          readSeq: sequenceId(0),
          deliveredSeq: sequenceId(0),
        })),
        next: page.length < users.length ? (page.at(-1) ?? null) : null,
      });
    });

  listReaders: BackendChat['listReaders'] = async ({ conversation, seq }) =>
    this.#with(conversation, (room) => {
      if (seq > room.entries.length) return err(frameError('not_found', 'there is no such entry'));
      const counts = { recipients: room.roles.size - 1, delivered: 0, read: 0 };
      return ok({ conversation, gen, seq, ...counts, users: [], next: null });
    });

  addMembers: BackendChat['addMembers'] = async (conversation, users) =>
    this.#change(conversation, (room) => {
      for (const user of users) room.roles.set(user, room.roles.get(user) ?? 'member');
      return null;
    });

  removeMembers: BackendChat['removeMembers'] = async (conversation, users) =>
    this.#change(conversation, (room) => {
      for (const user of users) room.roles.delete(user);
      return null;
    });

  assignRole: BackendChat['assignRole'] = async (conversation, user, role) =>
    this.#change(conversation, (room) => {
      if (!room.roles.has(user)) return frameError('not_found', 'the user is no member');
      room.roles.set(user, role);
      return null;
    });

  publishKeyed: BackendChat['publishKeyed'] = async (send: KeyedSend) =>
    this.#with(send.conversation, (room) => {
      if (!room.roles.has(send.from)) return err(frameError('not_member', 'the sender is no member'));
      if (send.window < room.info.keyWindow) return err(frameError('expired', 'the key window is over'));
      const known = room.acked.get(`${send.from}/${send.key}`);
      const seq = known ?? this.#append(room, { type: send.type, from: send.from, body: send.body, countable: true });
      room.acked.set(`${send.from}/${send.key}`, seq);
      return ok({
        conversation: send.conversation,
        n: 0,
        gen,
        seq: sequenceId(seq),
        msgNo: known === undefined ? this.#msgNo(room) : 0,
        at: known === undefined ? 1_700_000_000_000 : 0,
        level: 'memory' as const,
        duplicate: known !== undefined,
      });
    });

  forwardKeyed: BackendChat['forwardKeyed'] = ({ source, ...keyed }) =>
    this.publishKeyed({ ...keyed, type: 'text', body: `${source.conversation} ${String(source.seq)}` });

  editFor: BackendChat['editFor'] = async ({ conversation, from, key, window }) =>
    this.publishKeyed({ conversation, from, key, window, type: 'text', body: 'an edit' });
  recallFor: BackendChat['recallFor'] = async (conversation, seq) =>
    this.#change(conversation, (room) => (seq > room.entries.length ? frameError('not_found', 'no message') : null));
  reactFor: BackendChat['reactFor'] = async ({ emoji, ...keyed }) => this.editFor({ ...keyed, body: emoji });
  editHistory: BackendChat['editHistory'] = async ({ conversation, seq }) =>
    this.#with(conversation, (room) =>
      room.entries.length < seq
        ? err(frameError('not_found', 'no message'))
        : ok({ conversation, seq, type: 'text', versions: [], next: null, recalled: null }),
    );
  pin: BackendChat['pin'] = (_by, { conversation, seq }) => this.recallFor(conversation, seq);
  unpin: BackendChat['unpin'] = (_by, { conversation, seq }) => this.recallFor(conversation, seq);
  delete: BackendChat['delete'] = async (by, { conversation }) =>
    this.#with(conversation, (room) =>
      room.roles.has(by.user) ? ok(null) : err(frameError('not_member', 'this user is no member')),
    );

  history: BackendChat['history'] = async (by, { conversation, direction, from, limit = 50 }) =>
    this.#with(conversation, (room) => {
      if (!room.roles.has(by.user)) return err(frameError('not_member', 'this user is no member'));
      const head = room.entries.length;
      if (from !== undefined && from > head) return err(frameError('regressed', 'that was lost', { from: head }));
      const start = from ?? (direction === 'forward' ? 1 : head);
      const all = direction === 'forward' ? room.entries.slice(start - 1) : room.entries.slice(0, start).reverse();
      const messages = all.slice(0, limit);
      return ok({
        conversation,
        messages,
        hasMore: messages.length < all.length,
        head: { gen, seq: sequenceId(head) },
      });
    });

  search: BackendChat['search'] = async (by, query) => this.#found(query, ({ roles }) => roles.has(by.user));
  searchFor: BackendChat['searchFor'] = async (query) => this.#found(query, () => true);

  #found({ text = '', conversations }: Parameters<BackendChat['searchFor']>[0], isSeen: (room: Room) => boolean) {
    if (this.outage !== null) return err(this.outage);
    const hits = [...this.#rooms.values()].flatMap((room) => {
      const { conversation } = room.info;
      if (!isSeen(room) || conversations?.includes(conversation) === false) return [];
      return room.entries.flatMap((message) => {
        const start = String(message.message.body).indexOf(text);
        const isHit = message.message.type === 'text' && start >= 0;
        return isHit ? [{ conversation, message, places: [{ start, end: start + text.length }] }] : [];
      });
    });
    return ok({ hits, next: null, complete: true, unsearched: [] });
  }

  thread: BackendChat['thread'] = (by, { seq: _seq, ...query }) => this.history(by, query);

  conversations: BackendChat['conversations'] = async (by) => {
    if (this.outage !== null) return err(this.outage);
    const rooms = [...this.#rooms.values()].filter(({ roles }) => roles.has(by.user));
    const conversations = rooms.map((room): ConversationSummary => {
      const msgNo = this.#msgNo(room);
      const { conversation, kind, title } = room.info;
      const at = { gen, seq: sequenceId(room.entries.length), lastAt: 1_700_000_000_000 };
      const unread = { msgNo, readSeq: sequenceId(0), readMsgNo: 0, own: 0, unread: msgNo };
      return { conversation, kind, title, peer: null, member: true, diffusion: 'write', ...at, ...unread };
    });
    return ok({ conversations, next: null });
  };

  changeSettings: BackendChat['changeSettings'] = async (_by, { conversation }) =>
    this.#change(conversation, () => null);
  mute: BackendChat['mute'] = async (_by, { conversation }) => this.#change(conversation, () => null);
  unmute: BackendChat['unmute'] = async (_by, { conversation }) => this.#change(conversation, () => null);
  ban: BackendChat['ban'] = async (_by, { conversation, users }) =>
    this.#change(conversation, (room) => {
      for (const user of users) room.roles.delete(user);
      return null;
    });
  unban: BackendChat['unban'] = async (_by, { conversation }) => this.#change(conversation, () => null);
  promote: BackendChat['promote'] = async (_by, { conversation }) => this.#change(conversation, notALobby);
  dissolve: BackendChat['dissolve'] = async (_by, { conversation }) =>
    this.#with(conversation, (room) => {
      const refused = notALobby(room);
      if (refused !== null) return err(refused);
      this.#rooms.delete(conversation);
      return ok(null);
    });
  bans: BackendChat['bans'] = async (_by, { conversation }) =>
    this.#with(conversation, () => ok({ conversation, count: 0, users: [], next: null }));
  block: BackendChat['block'] = async () => (this.outage === null ? ok(null) : err(this.outage));
  unblock: BackendChat['unblock'] = async () => (this.outage === null ? ok(null) : err(this.outage));

  /** What {@link importSlice} was given. */
  readonly slices: ImportSlice[] = [];
  /** Set, slices are refused with it. */
  refusal: SliceRefused | null = null;

  exportPage: BackendChat['exportPage'] = async ({ conversation, cursor }) =>
    this.#with(conversation, (room) =>
      ok({
        lines: room.entries.map(({ seq, data }) => {
          const { body, ...rest } = decodeEntry(data);
          return { seq, ...rest, body: String(body) };
        }),
        next: cursor === null ? 'more' : null,
      }),
    );

  importSlice: BackendChat['importSlice'] = async (slice) => {
    if (this.outage !== null) return err(this.outage);
    if (this.refusal !== null) return err(this.refusal);
    this.slices.push(slice);
    return ok({ seq: slice.entries.at(-1)?.seq ?? sequenceId(0), isDone: slice.isLast, announced: null });
  };

  #with<T>(conversation: ConversationId, run: (room: Room) => Result<T, FrameError>): Result<T, FrameError> {
    if (this.outage !== null) return err(this.outage);
    const room = this.#rooms.get(conversation);
    return room === undefined ? err(frameError('not_found', 'there is no such conversation')) : run(room);
  }

  #change(conversation: ConversationId, change: (room: Room) => FrameError | null) {
    return this.#with(conversation, (room) => {
      const refused = change(room);
      if (refused !== null) return err(refused);
      return ok({ conversation, gen, seq: sequenceId(room.entries.length) });
    });
  }

  #msgNo(room: Room): number {
    return room.entries.filter((entry) => entry.message.countable).length;
  }

  #append(room: Room, fields: Pick<EntryFields, 'type' | 'from' | 'body' | 'countable'>): number {
    const seq = room.entries.length + 1;
    const msgNo = this.#msgNo(room) + (fields.countable ? 1 : 0);
    const data = encodeEntry({ ...fields, msgNo, at: 1_700_000_000_000, sentAt: 0, deviceTag: 0, n: 0 });
    room.entries.push(new WireEntry(gen, sequenceId(seq), data));
    return seq;
  }
}
