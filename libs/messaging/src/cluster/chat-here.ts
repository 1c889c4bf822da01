import type { ActorCalls } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import type { ChatService } from '../chat-service.ts';
import { chatOver, type ChatReads } from '../chat.ts';
import type { Live } from '../live/live.ts';
import type { Attachments } from './attachments.ts';
import type { Devices } from './devices.ts';
import type { Presence } from './presence.ts';

export interface ChatHereParts extends Pick<ChatNodeParts, 'random' | 'trace'> {
  readonly calls: ActorCalls;
  readonly reads: ChatReads;
  readonly attachments: Pick<Attachments, 'attach' | 'detach'>;
  readonly devices: Pick<Devices, 'connected'>;
  readonly live: Pick<Live, 'open' | 'watches'>;
  readonly presence: Pick<Presence, 'watch' | 'unwatch'>;
}

/** The chat as a node has it: the actors, wherever they are, and what concerns the sockets of this node. */
export function chatHere(parts: ChatHereParts): ChatService {
  const { calls, reads, random, trace, attachments, devices, live, presence } = parts;
  return {
    ...chatOver(calls, reads, random, trace),
    async attach(user) {
      const attached = await attachments.attach(user);
      if (attached.ok) live.watches.want(user, attached.value.readMode ?? []);
      return attached;
    },
    open: ({ user }, { conversation }) => live.open(calls, user, conversation),
    connected: ({ user, device }, arrival) => {
      devices.connected(user, device, arrival);
    },
    detach(user) {
      attachments.detach(user);
      live.watches.detach(user);
    },
    watch: (user) => {
      presence.watch(user);
    },
    unwatch: (user) => {
      presence.unwatch(user);
    },
  };
}
