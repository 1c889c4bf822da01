import { ok, unreachable } from '@millrace/kernel';
import {
  areRecordsTerse,
  STORE_FORMAT,
  type ActorWrite,
  type CommitsBefore,
  type Handled,
  type PartitionActor,
  type StoreFormat,
} from '@millrace/partition';
import type { AckedLevel } from '@millrace/protocol';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { adopt } from './adoption.ts';
import type { AnyConversationReply, ConversationCommand } from './commands.ts';
import { conversationWrite, revisionsWrite } from './conversation-record.ts';
import { exported } from './exported.ts';
import { importPart } from './imported.ts';
import { eraseAll, eraseUser, unreact } from './erase.ts';
import type { ConversationState } from './conversation-state.ts';
import { create, invite, join, kick, leave, setRole } from './membership.ts';
import { ban, bans, block, changeSettings, infoFor, mayWatch, mute, unban, unmute } from './moderation.ts';
import { pin } from './pins.ts';
import { publish, publishKeyed } from './publish.ts';
import { audience, audienceAt, headFor, info, members, standings, visible, watch } from './queries.ts';
import { archived, tiers } from './tiers.ts';
import { keptElsewhere, noLobby, promotedAt, taken } from './was-lobby.ts';
import { deleteFor, recallFor, revise, reviseKeyed } from './revise.ts';
import { latestReceipts, readers } from './readers.ts';
import { retire } from './retire.ts';
import { markDelivered, markRead, readPlan, typing } from './receipts.ts';

/**
 * The single writer of one conversation.
 *
 * (C1) Every change is a function of the state, one command and how far the commits before have come; it reads no clock
 *      and does no I/O.
 * (C2) A seq is allocated only together with the entry that carries it, and both are stored or neither (I3).
 * (C3) Effects name their recipients as of the entry's seq (I7).
 */
export class ConversationActor implements PartitionActor<ConversationCommand, AnyConversationReply, Effect> {
  readonly #state: ConversationState;
  readonly #level: AckedLevel;
  readonly #limits: MessagingLimits;
  readonly #isTerse: boolean;

  constructor(
    state: ConversationState,
    level: AckedLevel,
    limits: MessagingLimits,
    storeFormat: StoreFormat = STORE_FORMAT,
  ) {
    this.#state = state;
    this.#level = level;
    this.#limits = limits;
    this.#isTerse = areRecordsTerse(storeFormat);
  }

  get weight(): number {
    const { members, counters, bans: banned, revisions } = this.#state;
    return 1 + members.size + counters.size + banned.size + revisions.size;
  }

  handle(command: ConversationCommand, nowMs: number, commits: CommitsBefore): Handled<AnyConversationReply, Effect> {
    const state = this.#state;
    state.switches.before(commits);
    const limits = this.#limits;
    switch (command.t) {
      case 'publish':
        return publish(state, command, nowMs, this.#level, limits);
      case 'publishKeyed':
        return publishKeyed(state, command, nowMs, this.#level, limits);
      case 'revise':
        return revise(state, command, nowMs, this.#level, limits);
      case 'reviseKeyed':
        return reviseKeyed(state, command, nowMs, this.#level, limits);
      case 'recallFor':
        return recallFor(state, command, nowMs, limits);
      case 'deleteFor':
        return deleteFor(state, command);
      case 'pin':
        return pin(state, command, nowMs);
      case 'create':
        // Nothing that is stored is a lobby: this id was to become a group once, and may be one yet.
        if (command.kind === 'lobby' && this.#level !== 'volatile') return { reply: taken(state), effects: [] };
        return create(state, command, nowMs, limits);
      case 'join':
        return join(state, command, nowMs, limits);
      case 'leave':
        return leave(state, command, nowMs, limits);
      case 'invite':
        return invite(state, command, nowMs, limits);
      case 'kick':
        return kick(state, command, nowMs, limits);
      case 'role':
        return setRole(state, command, nowMs);
      case 'settings':
        return changeSettings(state, command, nowMs);
      case 'mute':
        return mute(state, command, nowMs);
      case 'unmute':
        return unmute(state, command, nowMs);
      case 'ban':
        return ban(state, command, nowMs, limits);
      case 'unban':
        return unban(state, command, nowMs);
      case 'bans':
        return { reply: bans(state, command), effects: [] };
      case 'block':
        return { reply: block(state, command, nowMs), effects: [] };
      case 'mayWatch':
        return { reply: mayWatch(state, command), effects: [] };
      case 'infoFor':
        return { reply: infoFor(state, command), effects: [] };
      case 'readPlan':
        return { reply: readPlan(state, command), effects: [] };
      case 'markRead':
        return markRead(state, command, limits);
      case 'delivered':
        return markDelivered(state, command, limits);
      case 'typing':
        return { reply: ok(null), effects: typing(state, command, limits) };
      case 'visible':
        return { reply: visible(state, command), effects: [] };
      case 'members':
        return { reply: members(state, command), effects: [] };
      case 'readers':
        return { reply: readers(state, command), effects: [] };
      case 'latestReceipts':
        return { reply: ok(latestReceipts(state)), effects: [] };
      case 'info':
        return { reply: info(state), effects: [] };
      case 'audience':
        return { reply: ok(audience(state, command)), effects: [] };
      case 'head':
        return { reply: ok(headFor(state, command)), effects: [] };
      case 'audienceAt':
        return { reply: audienceAt(state, command), effects: [] };
      case 'watch':
        return { reply: watch(state, command), effects: [] };
      case 'kept':
        return { reply: keptElsewhere(state, command), effects: [] };
      case 'promote':
        return { reply: promotedAt(state, command), effects: [] };
      case 'dissolve':
        return { reply: noLobby(state), effects: [] };
      case 'adopt':
        return adopt(state, command.adoption, nowMs, limits);
      case 'tiers':
        return { reply: tiers(state), effects: [] };
      case 'archived':
        return { reply: archived(state, command), effects: [] };
      case 'exported':
        return { reply: exported(state, command), effects: [] };
      case 'import':
        return importPart(state, command.part, limits);
      case 'eraseUser':
        return eraseUser(state, command, nowMs, limits);
      case 'unreact':
        return { reply: unreact(state, command), effects: [] };
      case 'eraseAll':
        return { reply: eraseAll(state, command), effects: [] };
      case 'retire':
        return retire(state, command, nowMs);
      case 'standings':
        return { reply: ok(standings(state, command)), effects: [] };
      default:
        return unreachable(command);
    }
  }

  pendingWrite(): ActorWrite | null {
    return conversationWrite(this.#state, this.#isTerse);
  }

  writeBeside(): ActorWrite | null {
    return revisionsWrite(this.#state);
  }

  settle(): void {
    this.#state.settle();
  }

  restore(): void {
    this.#state.restore();
  }
}
