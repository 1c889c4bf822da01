import type {
  Ack,
  Bans,
  Changed,
  ClientRequest,
  Connected,
  Conversations,
  Created,
  Found,
  Info,
  Members,
  Ok,
  Page,
  Pong,
  ReadDone,
  Readers,
  ScheduledList,
  Synced,
} from './frames.ts';

/** The frame that answers each request, by the request's name; `error` may answer any. */
export interface AnswerByRequest {
  readonly connect: Connected;
  readonly refresh: Ok;
  readonly send: Ack;
  readonly forward: Ack;
  readonly edit: Ack;
  readonly react: Ack;
  readonly recall: Ack;
  readonly delete: Ok;
  readonly sync: Synced;
  readonly history: Page;
  readonly search: Found;
  readonly thread: Page;
  readonly conversations: Conversations;
  readonly members: Members;
  readonly readers: Readers;
  readonly create: Created;
  readonly join: Changed;
  readonly leave: Changed;
  readonly invite: Changed;
  readonly kick: Changed;
  readonly role: Changed;
  readonly settings: Changed;
  readonly mute: Changed;
  readonly unmute: Changed;
  readonly ban: Changed;
  readonly unban: Changed;
  readonly pin: Changed;
  readonly unpin: Changed;
  readonly promote: Changed;
  readonly dissolve: Ok;
  readonly bans: Bans;
  readonly block: Ok;
  readonly unblock: Ok;
  readonly schedule: ScheduledList;
  readonly unschedule: Ok;
  readonly scheduled: ScheduledList;
  readonly info: Info;
  readonly subscribePresence: Ok;
  readonly unsubscribePresence: Ok;
  readonly read: ReadDone;
  readonly delivered: Ok;
  readonly open: Ok;
  readonly close: Ok;
  readonly ping: Pong;
}

/** A request without its id, which whoever sends it chooses. */
export type RequestContent = ClientRequest extends infer Frame
  ? Frame extends unknown
    ? Omit<Frame, 'id'>
    : never
  : never;

export type AnswerTo<Request extends RequestContent> = AnswerByRequest[Request['t']];
