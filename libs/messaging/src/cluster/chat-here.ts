import { isLobbyId, type ConversationId, type UserId } from '@millrace/kernel';
import type { ActorCalls } from '../actor-calls.ts';
import type { ChatNodeParts } from '../chat-node-parts.ts';
import type { ChatService } from '../chat-service.ts';
import { chatOver, type ChatReads } from '../chat.ts';
import type { TransferService } from '../transfer/transfer-service.ts';
import type { Live } from '../live/live.ts';
import { ReadAhead } from '../sync/read-ahead.ts';
import type { Attachments } from './attachments.ts';
import type { Devices } from './devices.ts';
import type { Presence } from './presence.ts';

export interface ChatHereParts extends Pick<
  ChatNodeParts,
  'clock' | 'random' | 'trace' | 'search' | 'searchRules' | 'jobs'
> {
  readonly calls: ActorCalls;
  readonly reads: ChatReads;
  readonly attachments: Pick<Attachments, 'attach' | 'detach'>;
  readonly devices: Pick<Devices, 'connected'>;
  readonly live: Pick<Live, 'open' | 'watches' | 'seat' | 'seated' | 'unseat'>;
  readonly presence: Pick<Presence, 'watch' | 'unwatch'>;
}

/** The chat as a node has it: the actors, wherever they are, and what concerns the sockets of this node. */
export function chatHere(parts: ChatHereParts): ChatService & TransferService {
  const { calls, reads, clock, random, trace, search, searchRules, jobs, attachments, devices, live, presence } = parts;
  const chat = chatOver(calls, reads, random, trace, new ReadAhead(clock), search, searchRules, jobs);
  /** A device that comes into a lobby has it open, if it may: it has a seat before the owner tells of it. */
  const seated = async <T extends { readonly ok: boolean }>(
    user: UserId,
    lobby: ConversationId,
    ask: () => Promise<T>,
  ): Promise<T> => {
    const isNew = live.seat(user, lobby);
    const outcome = await ask();
    if (outcome.ok) live.seated(user, lobby);
    else if (isNew) live.unseat(user, lobby);
    return outcome;
  };
  return {
    ...chat,
    create(by, command) {
      if (command.kind !== 'lobby') return chat.create(by, command);
      const conversation = command.conversation ?? (`~${random.id()}` as ConversationId);
      return seated(by.user, conversation, () => chat.create(by, { ...command, conversation }));
    },
    join: (by, command) =>
      isLobbyId(command.conversation)
        ? seated(by.user, command.conversation, () => chat.join(by, command))
        : chat.join(by, command),
    async leave(by, command) {
      const outcome = await chat.leave(by, command);
      const { conversation } = command;
      // What tells of it comes to those who are told what comes; others have nothing to wait for.
      const isOver = isLobbyId(conversation) && outcome.ok && !live.watches.isIn(by.user, conversation);
      if (isOver) live.unseat(by.user, conversation);
      return outcome;
    },
    away: (user, lobby) => {
      live.unseat(user, lobby);
    },
    async attach(user) {
      const attached = await attachments.attach(user);
      if (attached.ok) live.watches.want(user, attached.value.readMode ?? []);
      return attached;
    },
    open: ({ user }, { conversation }) =>
      isLobbyId(conversation)
        ? seated(user, conversation, () => live.open(calls, user, conversation))
        : live.open(calls, user, conversation),
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
