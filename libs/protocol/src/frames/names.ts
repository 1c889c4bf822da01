// The words that frames have for what there is.

/** What a message is. `control` and `void` are written by the server only. */
export type MessageType = 'text' | 'image' | 'file' | 'custom' | 'control' | 'void';
export type SendableType = Exclude<MessageType, 'control' | 'void'>;

/** A lobby is kept in memory only, while somebody is in it. Its id begins with `~`, and no other's does. */
export type ConversationKind = 'direct' | 'group' | 'channel' | 'lobby';
export type Role = 'owner' | 'admin' | 'member';
/** Who may join without an invitation. */
export type JoinPolicy = 'invite' | 'open';
/** What a new member sees: from their join on, or everything. */
export type HistoryPolicy = 'join' | 'all';
/** How a conversation's messages reach its members: `write` into each one's inbox, `read` by being pulled from it. */
export type DiffusionModeName = 'write' | 'read';
/** Who may mention all members at once. */
export type MentionAllPolicy = 'admins' | 'members';
/** Who may pin messages, likewise. */
export type PinPolicy = 'admins' | 'members';
export type AckLevelName = 'memory' | 'disk' | 'replicated';
/** What one ack promises: the deployment's level, or in a lobby nothing that outlives its node. */
export type AckedLevel = AckLevelName | 'volatile';
