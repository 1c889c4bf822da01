import { err, type DeviceId, type UserId } from '@millrace/kernel';
import type { BackendChat, ChainControl, DataErasure, StoryTeller, SessionControl } from '@millrace/http-api';
import type { Arrival, LivePort, SessionInfo, SessionPort, UserPush, UserPushPort } from '@millrace/messaging';
import {
  frameError,
  type FrameError,
  type PresenceState,
  type Receipt,
  type Receipts,
  type Resync,
  type TypingNotice,
} from '@millrace/protocol';

/*
 * HTTP listens first, so that a node which waits for Redis or for the lease of the one before it can say so; and the
 * node needs a gateway to push to, the gateway a node to ask. Until the other one is there, these stand in.
 */

const notYet = (): Promise<{ readonly ok: false; readonly error: FrameError }> =>
  Promise.resolve(err(frameError('unavailable', 'this node is still starting; try again soon')));

/** The chat for the HTTP API: `unavailable` until the node serves. */
export class LateChat implements BackendChat {
  #chat: BackendChat | null = null;

  become(chat: BackendChat): void {
    this.#chat = chat;
  }

  createFor: BackendChat['createFor'] = (...args) => this.#chat?.createFor(...args) ?? notYet();
  info: BackendChat['info'] = (...args) => this.#chat?.info(...args) ?? notYet();
  listMembers: BackendChat['listMembers'] = (...args) => this.#chat?.listMembers(...args) ?? notYet();
  listReaders: BackendChat['listReaders'] = (...args) => this.#chat?.listReaders(...args) ?? notYet();
  changeSettings: BackendChat['changeSettings'] = (...args) => this.#chat?.changeSettings(...args) ?? notYet();
  mute: BackendChat['mute'] = (...args) => this.#chat?.mute(...args) ?? notYet();
  unmute: BackendChat['unmute'] = (...args) => this.#chat?.unmute(...args) ?? notYet();
  ban: BackendChat['ban'] = (...args) => this.#chat?.ban(...args) ?? notYet();
  unban: BackendChat['unban'] = (...args) => this.#chat?.unban(...args) ?? notYet();
  promote: BackendChat['promote'] = (...args) => this.#chat?.promote(...args) ?? notYet();
  dissolve: BackendChat['dissolve'] = (...args) => this.#chat?.dissolve(...args) ?? notYet();
  bans: BackendChat['bans'] = (...args) => this.#chat?.bans(...args) ?? notYet();
  block: BackendChat['block'] = (...args) => this.#chat?.block(...args) ?? notYet();
  unblock: BackendChat['unblock'] = (...args) => this.#chat?.unblock(...args) ?? notYet();
  addMembers: BackendChat['addMembers'] = (...args) => this.#chat?.addMembers(...args) ?? notYet();
  removeMembers: BackendChat['removeMembers'] = (...args) => this.#chat?.removeMembers(...args) ?? notYet();
  assignRole: BackendChat['assignRole'] = (...args) => this.#chat?.assignRole(...args) ?? notYet();
  publishKeyed: BackendChat['publishKeyed'] = (...args) => this.#chat?.publishKeyed(...args) ?? notYet();
  forwardKeyed: BackendChat['forwardKeyed'] = (...args) => this.#chat?.forwardKeyed(...args) ?? notYet();
  editFor: BackendChat['editFor'] = (...args) => this.#chat?.editFor(...args) ?? notYet();
  reactFor: BackendChat['reactFor'] = (...args) => this.#chat?.reactFor(...args) ?? notYet();
  recallFor: BackendChat['recallFor'] = (...args) => this.#chat?.recallFor(...args) ?? notYet();
  editHistory: BackendChat['editHistory'] = (...args) => this.#chat?.editHistory(...args) ?? notYet();
  delete: BackendChat['delete'] = (...args) => this.#chat?.delete(...args) ?? notYet();
  pin: BackendChat['pin'] = (...args) => this.#chat?.pin(...args) ?? notYet();
  unpin: BackendChat['unpin'] = (...args) => this.#chat?.unpin(...args) ?? notYet();
  history: BackendChat['history'] = (...args) => this.#chat?.history(...args) ?? notYet();
  thread: BackendChat['thread'] = (...args) => this.#chat?.thread(...args) ?? notYet();
  conversations: BackendChat['conversations'] = (...args) => this.#chat?.conversations(...args) ?? notYet();
  exportPage: BackendChat['exportPage'] = (...args) => this.#chat?.exportPage(...args) ?? notYet();
  importSlice: BackendChat['importSlice'] = (...args) => this.#chat?.importSlice(...args) ?? notYet();
  schedule: BackendChat['schedule'] = (...args) => this.#chat?.schedule(...args) ?? notYet();
  unschedule: BackendChat['unschedule'] = (...args) => this.#chat?.unschedule(...args) ?? notYet();
  scheduled: BackendChat['scheduled'] = (...args) => this.#chat?.scheduled(...args) ?? notYet();
  search: BackendChat['search'] = (...args) => this.#chat?.search(...args) ?? notYet();
  searchFor: BackendChat['searchFor'] = (...args) => this.#chat?.searchFor(...args) ?? notYet();
}

/** The sessions for the HTTP API: `unavailable` until the node serves. */
export class LateSessions implements SessionControl {
  #sessions: SessionControl | null = null;

  become(sessions: SessionControl): void {
    this.#sessions = sessions;
  }

  list: SessionControl['list'] = (...args) => this.#sessions?.list(...args) ?? notYet();
  close: SessionControl['close'] = (...args) => this.#sessions?.close(...args) ?? notYet();
}

/** The stories of messages for the HTTP API: `unavailable` until the node serves. */
export class LateStories implements StoryTeller {
  #stories: StoryTeller | null = null;

  become(stories: StoryTeller): void {
    this.#stories = stories;
  }

  tell: StoryTeller['tell'] = (...args) => this.#stories?.tell(...args) ?? notYet();
}

/** What erases, for the HTTP API: `unavailable` until the node serves. */
export class LateErasures implements DataErasure {
  #erasures: DataErasure | null = null;

  become(erasures: DataErasure): void {
    this.#erasures = erasures;
  }

  eraseUser: DataErasure['eraseUser'] = (...args) => this.#erasures?.eraseUser(...args) ?? notYet();
  report: DataErasure['report'] = (...args) => this.#erasures?.report(...args) ?? notYet();
  eraseConversation: DataErasure['eraseConversation'] = (...args) =>
    this.#erasures?.eraseConversation(...args) ?? notYet();
}

/** What checks the chains of conversations, for the HTTP API: `unavailable` until the node serves. */
export class LateChains implements ChainControl {
  #chains: ChainControl | null = null;

  become(chains: ChainControl): void {
    this.#chains = chains;
  }

  check: ChainControl['check'] = (...args) => this.#chains?.check(...args) ?? notYet();
}

/** The sessions on this node: none until the sockets listen, or ever without the role `gateway`. */
export class LateSessionPort implements SessionPort {
  #port: SessionPort | null = null;

  become(port: SessionPort): void {
    this.#port = port;
  }

  list(user: UserId): readonly SessionInfo[] {
    return this.#port?.list(user) ?? [];
  }

  kick(user: UserId, session?: string): number {
    if (this.#port === null) return 0;
    return session === undefined ? this.#port.kick(user) : this.#port.kick(user, session);
  }

  arrivals(user: UserId): ReturnType<SessionPort['arrivals']> {
    return this.#port?.arrivals(user) ?? [];
  }

  replace(user: UserId, device: DeviceId, arrival: Arrival): Arrival | null {
    return this.#port?.replace(user, device, arrival) ?? null;
  }
}

/** Where conversations in read mode are followed: nowhere until the sockets listen. */
export class LateLivePort implements LivePort {
  #port: LivePort | null = null;

  become(port: LivePort): void {
    this.#port = port;
  }

  entered: LivePort['entered'] = (...args) => this.#port?.entered(...args);
  left: LivePort['left'] = (...args) => this.#port?.left(...args);
  live: LivePort['live'] = (...args) => this.#port?.live(...args);
  at: LivePort['at'] = (...args) => this.#port?.at(...args);
  stands: LivePort['stands'] = (...args) => this.#port?.stands(...args);
  over: LivePort['over'] = (...args) => this.#port?.over(...args);
  gone: LivePort['gone'] = (...args) => this.#port?.gone(...args);
}

/** Where the node pushes to: nowhere until the sockets listen, for nobody can be connected before. */
export class LatePushPort implements UserPushPort {
  #port: UserPushPort | null = null;

  become(port: UserPushPort): void {
    this.#port = port;
  }

  push(user: UserId, push: UserPush): void {
    this.#port?.push(user, push);
  }

  receipt(users: readonly UserId[], receipt: Omit<Receipt, 't' | 'id'>): void {
    this.#port?.receipt(users, receipt);
  }

  receipts(users: readonly UserId[], receipts: Omit<Receipts, 't' | 'id'>): void {
    this.#port?.receipts(users, receipts);
  }

  presence(states: readonly PresenceState[]): void {
    this.#port?.presence(states);
  }

  typing(users: readonly UserId[], notice: Omit<TypingNotice, 't' | 'id'>): void {
    this.#port?.typing(users, notice);
  }

  resync(user: UserId, reason: Resync['reason']): void {
    this.#port?.resync(user, reason);
  }
}
