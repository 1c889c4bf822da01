import type {
  Ack,
  Bans,
  Changed,
  ClientRequest,
  Connected,
  Conversations,
  Created,
  Drain,
  Ended,
  ErrorFrame,
  Info,
  Heads,
  Live,
  Members,
  Ok,
  Page,
  Pong,
  Presence,
  Push,
  ReadDone,
  Readers,
  Receipt,
  Receipts,
  Resync,
  Synced,
  TypingNotice,
} from '@millrace/protocol';

/** Which frame answers which request, unless `error` does. */
interface Answers {
  connect: Connected;
  refresh: Ok;
  send: Ack;
  sync: Synced;
  history: Page;
  conversations: Conversations;
  members: Members;
  readers: Readers;
  create: Created;
  join: Changed;
  leave: Changed;
  invite: Changed;
  kick: Changed;
  role: Changed;
  settings: Changed;
  mute: Changed;
  unmute: Changed;
  ban: Changed;
  unban: Changed;
  promote: Changed;
  dissolve: Ok;
  bans: Bans;
  block: Ok;
  unblock: Ok;
  info: Info;
  subscribePresence: Ok;
  unsubscribePresence: Ok;
  read: ReadDone;
  delivered: Ok;
  open: Ok;
  close: Ok;
  ping: Pong;
}

/** A request without its number, which the session chooses. */
export type RequestContent = ClientRequest extends infer Frame
  ? Frame extends unknown
    ? Omit<Frame, 'id'>
    : never
  : never;

export type AnswerTo<Request extends RequestContent> = Answers[Request['t']];

/** What a server says of its own accord; an `error` among them answers a frame that it could not read. */
export type UnaskedFrame =
  Push | Live | Heads | Ended | Receipt | Receipts | Presence | TypingNotice | Resync | Drain | ErrorFrame;
