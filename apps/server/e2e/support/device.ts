import type { MillraceClient, MillraceClientOptions } from '@millrace/client';
import { nodeClient } from '@millrace/client/node';
import type { ConversationId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { checkedWebSocket } from './checked-web-socket.ts';
import { tokenFor } from './test-tokens.ts';

/** A device of a user over the real SDK, whose every frame is checked, with what it was told so far. */
export interface Device {
  readonly client: MillraceClient;
  /** By conversation, in the order of the events. */
  readonly heard: ReadonlyMap<ConversationId, readonly Message[]>;
}

export async function device(
  socketUrl: string | (() => Promise<string>),
  user: string,
  options: Pick<MillraceClientOptions, 'encoding' | 'storage' | 'webSocket'> = {},
): Promise<Device> {
  const heard = new Map<ConversationId, Message[]>();
  const client = nodeClient({
    url: socketUrl,
    token: () => tokenFor(user),
    webSocket: checkedWebSocket,
    reconnect: { initialMs: 20, maxMs: 200 },
    ...options,
  });
  client.on('message', ({ conversation, message }) => {
    const list = heard.get(conversation);
    if (list === undefined) heard.set(conversation, [message]);
    else list.push(message);
  });
  await client.connect();
  return { client, heard };
}
