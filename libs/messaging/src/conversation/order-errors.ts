import type { UserId } from '@millrace/kernel';
import { frameError, type FrameError } from '@millrace/protocol';

/** Why a banned user does not come in. */
export const bannedError = (user: UserId): FrameError =>
  frameError('banned', `${user} is banned here: the owner or an admin has to unban them first`);

export const blockedError = (user: UserId): FrameError =>
  frameError('blocked', `the other one has blocked ${user}: nothing can be sent to them`);
