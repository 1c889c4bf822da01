import type { ClientStorage, MillraceClient, WebSocketConstructor } from '@millrace/client';
import { nodeClient } from '@millrace/client/node';
import type { ConversationId, Timers, UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import type { GroupStage } from './group-stage.ts';
import { SeqRuns } from './seq-runs.ts';

export interface GroupDeviceOptions {
  readonly storage?: ClientStorage;
  readonly webSocket?: WebSocketConstructor;
  readonly timers?: Timers;
  /** Told of each message of the conversation, from the first on. */
  readonly onMessage?: (message: Message) => void;
}

/**
 * A device over the SDK, and what its client told of one conversation. It is told of a gap whenever its user comes back: over
 * anything else than a time outside it lacks messages, which is found.
 */
export class GroupDevice {
  readonly user: UserId;
  readonly client: MillraceClient;
  readonly got = new SeqRuns();

  private constructor(
    stage: GroupStage,
    user: UserId,
    conversation: ConversationId,
    { onMessage, ...options }: GroupDeviceOptions,
  ) {
    this.user = user;
    this.client = nodeClient({
      url: () => Promise.resolve(stage.nextSocketUrl()),
      token: () => Promise.resolve(stage.tokenOf(user)),
      clientName: 'millrace-groups',
      cachedMessages: 0,
      reconnect: { initialMs: 50, maxMs: 1_000 },
      ...options,
    });
    this.client.on('message', (event) => {
      if (event.conversation !== conversation) return;
      this.got.add(event.message);
      onMessage?.(event.message);
    });
    this.client.on('regressed', ({ from }) => {
      this.got.wrong.push(`regressed to ${String(from)}`);
    });
  }

  static async connect(
    stage: GroupStage,
    user: UserId,
    conversation: ConversationId,
    options: GroupDeviceOptions = {},
  ): Promise<GroupDevice> {
    const device = new GroupDevice(stage, user, conversation, options);
    await device.client.connect();
    return device;
  }
}
