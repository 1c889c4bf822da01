import { directConversationId, err, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import type { ActorCalls } from './actor-calls.ts';
import type { ModerationService, Principal } from './chat-service.ts';

const BANS_DEFAULT = 200;

const userOf = (by: Principal | null): UserId | null => by?.user ?? null;

/** How order is kept in conversations, over the actors. */
export function moderationOver(calls: ActorCalls): ModerationService {
  const setBlock = async (by: UserId, user: UserId, isOn: boolean): ReturnType<ModerationService['block']> => {
    if (by === user) return err(frameError('bad_request', 'nobody can block themselves: give another user'));
    return calls.conversation(directConversationId(by, user), { t: 'block', by, user, isOn });
  };
  return {
    changeSettings: (by, { conversation, ...change }) =>
      calls.conversation(conversation, { t: 'settings', by: userOf(by), change }),
    mute: (by, { conversation, users, until }) =>
      calls.conversation(conversation, { t: 'mute', by: userOf(by), users, until: until ?? null }),
    unmute: (by, { conversation, users }) => calls.conversation(conversation, { t: 'unmute', by: userOf(by), users }),
    ban: (by, { conversation, users }) => calls.conversation(conversation, { t: 'ban', by: userOf(by), users }),
    unban: (by, { conversation, users }) => calls.conversation(conversation, { t: 'unban', by: userOf(by), users }),
    promote: (by, { conversation }) => calls.conversation(conversation, { t: 'promote', by: userOf(by) }),
    dissolve: (by, { conversation }) => calls.conversation(conversation, { t: 'dissolve', by: userOf(by) }),
    bans: (by, { conversation, after, limit }) => {
      const page = { after: after ?? null, limit: limit ?? BANS_DEFAULT };
      return calls.conversation(conversation, { t: 'bans', by: userOf(by), ...page });
    },
    block: (by, { user }) => setBlock(by, user, true),
    unblock: (by, { user }) => setBlock(by, user, false),
    infoFor: (by, { conversation }) => calls.conversation(conversation, { t: 'infoFor', user: by.user }),
  };
}
