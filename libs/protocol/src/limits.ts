/**
 * The bounds of protocol v1 (I9). A server may set `frameBytes` and `bodyBytes` lower or higher for its clients and tells
 * them so in `connected`; the others are the same everywhere.
 */
export const protocolLimits = {
  /** One WebSocket message from a client, bytes. */
  frameBytes: 65_536,
  /** Frames joined into one WebSocket message from a client. */
  framesPerMessage: 256,
  /** A message's body: UTF-8 bytes of a text, or the bytes themselves. */
  bodyBytes: 32_768,
  /** Unanswered sends of one device in one conversation, and how many counters the server remembers for retries (I4). */
  sendWindow: 64,
  /** User ids in one `create`, `invite`, `kick`, `mute`, `unmute`, `ban` or `unban`. */
  membersPerFrame: 200,
  /** User ids in `send.mentions`. */
  mentionsPerMessage: 50,
  /** Messages that a summary tells of in its `mentions`. */
  mentionsPerSummary: 100,
  /** Kinds of reactions under one message, and characters of one. */
  reactionsPerMessage: 20,
  reactionChars: 32,
  /** Users that are named of one kind of reaction. */
  usersPerReaction: 20,
  /** Unicode code points of why a message was recalled. */
  reasonChars: 200,
  /** Messages that are pinned in one conversation. */
  pinsPerConversation: 100,
  /** Messages that a summary tells of in its `goneSeqs`, and that a user may have deleted and not read. */
  gonePerSummary: 1_000,
  /** Unicode code points of a conversation's title. */
  titleChars: 200,
  /** Users that one session watches, and in one `subscribePresence` or `unsubscribePresence`. */
  presenceUsers: 200,
  /** Least time between two messages of one member, milliseconds: a day. */
  slowModeMs: 86_400_000,
  /** For how many days a conversation's own setting keeps messages. */
  retentionDays: 36_500,
  /** How long after it was sent a message may disappear, at least and at most: 5 seconds, and 366 days. */
  lifetimeMsMin: 5_000,
  lifetimeMs: 31_622_400_000,
  /** Unicode code points of `connect.client`. */
  clientChars: 64,
  /** A JWT, characters. */
  tokenChars: 8_192,
  /** What the server handed out as opaque (sync token, `next` of a list), characters. */
  opaqueChars: 16_384,
  /** Conversations in `sync.reached`. */
  reachedPerSync: 500,
  syncMessages: 1_000,
  syncMessagesDefault: 500,
  pageMessages: 1_000,
  pageMessagesDefault: 50,
  /** Of `search.text`, Unicode code points. */
  searchChars: 1_000,
  /** Conversations that one `search` names, senders, and fields. */
  searchConversations: 100,
  searchSenders: 50,
  searchFields: 8,
  /** Of a text that a field is compared with, UTF-16 code units. */
  searchValueChars: 256,
  pageHits: 100,
  pageHitsDefault: 20,
  /** Of the name that a user gives to a scheduled message, Unicode code points. */
  scheduledKeyChars: 64,
  /** Scheduled messages of one user that wait, and bytes of their bodies. */
  scheduledPerUser: 100,
  scheduledBytesPerUser: 262_144,
  /** How far ahead one may be due, milliseconds: 366 days. */
  scheduledAheadMs: 31_622_400_000,
  pageScheduled: 100,
  pageScheduledDefault: 20,
  /** Replies in one page of a thread. */
  pageReplies: 200,
  pageRepliesDefault: 50,
  pageConversations: 500,
  pageConversationsDefault: 100,
  pageMembers: 1_000,
  pageMembersDefault: 200,
  /** Conversations that one session has open at a time. */
  openConversations: 64,
  /** `create.backlog` of a lobby: entries that it keeps. */
  lobbyBacklog: 1_000,
  /** `create.membersMax` of a lobby. */
  lobbyMembers: 10_000,
  /** Conversations in one `heads` frame. */
  headsPerFrame: 500,
  /** Messages that one of them tells of in its `mentionAll`. */
  mentionsPerHead: 10,
} as const;

export type ProtocolLimits = { readonly [Name in keyof typeof protocolLimits]: number };

/** The largest request id. */
export const requestIdMax = 0xffff_ffff;
