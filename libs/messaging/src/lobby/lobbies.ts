import {
  err,
  generation,
  ok,
  type ConversationId,
  type Generation,
  type NodeId,
  type PartitionId,
} from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import type { AnyCommand } from '../actor-calls.ts';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import type { WatchAsked } from '../live/watches.ts';
import { refusal, type AskedOfLobby, type Lived, type LobbiesParts, type LobbyFate } from './lobbies-parts.ts';
import type { LobbyFacts } from './lobby-facts.ts';
import { factsFor } from './lobby-options.ts';
import { Lobby } from './lobby.ts';
import { LobbyTenures, type LobbyTenure } from './lobby-tenures.ts';

/** Commands of one turn of the event loop. */
const TURN_MAX = 1_000;
const SWEEP_MS = 500;
/** Every so many sweeps all are looked at, not only those of which somebody is away. */
const WHOLE_SWEEP = 60;
/** A node that has not said for so long who is there is not believed any more: three times as long as it waits. */
const REGISTERED_MS_MAX = 90_000;
const RETRY_MS = 200;
/** How the keys of all lobbies begin. */
const LOBBY_KEY = conversationKey('~' as ConversationId);

/**
 * The lobbies that live on this node, beside what its partitions store.
 *
 * (B1) A lobby is answered for by the owner of its partition alone, and only while its lease holds: another one's
 *      activation has a higher generation, since it goes by the epoch of the partition.
 * (B2) Nothing of a lobby is asked of the store, but to make it a group; and once for each partition which of its lobbies
 *      were made one.
 * (B3) Promotion happens once: the store decides (I2). Until it is known what became of it nothing else is answered.
 */
export class Lobbies {
  readonly #parts: LobbiesParts;
  readonly #tenures: LobbyTenures;
  readonly #lobbies = new Map<ConversationId, Lived>();
  /** Those that time may change soon. */
  readonly #waning = new Set<Lived>();
  #queue: (AskedOfLobby & { readonly lived: Lived })[] = [];
  #isTurnDue = false;
  #isSweeping = false;
  #sweeps = 0;

  constructor(parts: LobbiesParts) {
    this.#parts = parts;
    this.#tenures = new LobbyTenures(parts);
  }

  get size(): number {
    return this.#lobbies.size;
  }

  /** All that is in memory for lobbies, for who looks whether nothing is left behind. */
  get stats(): { readonly lobbies: number; readonly waning: number; readonly queued: number } {
    return { lobbies: this.#lobbies.size, waning: this.#waning.size, queued: this.#queue.length };
  }

  /**
   * Takes a command for a lobby. `answer` is called exactly once, never before this returns.
   *
   * @returns false for one that is not for a lobby, or for one that has become a group.
   */
  post(key: ActorKey, command: AnyCommand, answer: (outcome: NodeAnswer) => void): boolean {
    if (!key.startsWith(LOBBY_KEY) || command.t === 'adopt' || command.t === 'exported') return false;
    const id = key.slice(2) as ConversationId;
    if (command.t === 'import') {
      void this.#import(key, command).then(answer);
      return true;
    }
    const asked = command as ConversationCommand;
    const lived = this.#lobbies.get(id);
    if (lived !== undefined) {
      this.#enqueue(lived, { lobby: lived.lobby, command: asked, answer });
      return true;
    }
    const partition = this.#parts.partitionOf(key);
    const tenure = this.#tenures.known(partition);
    if (tenure?.promoted.has(id) === true) return false;
    if (tenure === null) {
      this.#tenures.whenKnown(partition, answer, () => {
        this.#again(partition, key, asked, answer);
      });
      return true;
    }
    this.#postNew(tenure, id, asked, answer);
    return true;
  }

  #again(
    partition: PartitionId,
    key: ActorKey,
    command: ConversationCommand,
    answer: (outcome: NodeAnswer) => void,
  ): void {
    if (!this.post(key, command, answer)) void this.#parts.stored(partition, key, command).then(answer);
  }

  #postNew(
    tenure: LobbyTenure,
    id: ConversationId,
    command: ConversationCommand,
    answer: (outcome: NodeAnswer) => void,
  ): void {
    const outcome = command.t === 'create' ? this.#create(tenure, id, command) : this.#notFound(id);
    if ('lobby' in outcome) this.#enqueue(outcome, { lobby: outcome.lobby, command, answer });
    else
      this.#parts.timers.soon(() => {
        answer(outcome);
      });
  }

  #notFound = (id: ConversationId): Exclude<NodeAnswer, string> =>
    err(frameError('not_found', `there is no lobby ${id}: it was never made, or ended when nobody was in it`));

  #create(
    tenure: LobbyTenure,
    id: ConversationId,
    command: Extract<ConversationCommand, { t: 'create' }>,
  ): Lived | Exclude<NodeAnswer, string> {
    if (command.kind !== 'lobby') {
      return err(frameError('bad_request', 'an id that begins with `~` belongs to a lobby, and only to one'));
    }
    const facts = factsFor(command, this.#parts.limits);
    if (!facts.ok) return facts;
    return this.#begin(tenure, id, facts.value);
  }

  #begin(
    tenure: LobbyTenure,
    id: ConversationId,
    facts: Pick<LobbyFacts, 'backlog' | 'membersMax'>,
  ): Lived | Exclude<NodeAnswer, string> {
    const { limits, messaging, clock } = this.#parts;
    if (this.#lobbies.size >= limits.lobbiesMax) {
      const message =
        limits.lobbiesMax === 0
          ? 'this server has no lobbies'
          : `the node has ${String(limits.lobbiesMax)} lobbies already: try again when one has ended, or with another id`;
      return err(frameError('limit_reached', message));
    }
    const gen = this.#tenures.nextGen(tenure);
    if (gen === null) return err(frameError('unavailable', 'the partition is being claimed; try again'));
    const { backlogBytesMax, graceMs } = limits;
    const nowMs = clock.monotonicMs();
    const lobby = new Lobby({ id, gen, facts, backlogBytesMax, graceMs, messaging, nowMs });
    const lived: Lived = { lobby, partition: tenure.partition, queued: 0, held: null, fate: null };
    this.#lobbies.set(id, lived);
    this.#waning.add(lived);
    this.#sweepLater();
    return lived;
  }

  // ------------------------------------------------------------------------------------------------ the turn

  #enqueue(lived: Lived, asked: AskedOfLobby): void {
    const { limits, timers } = this.#parts;
    if (lived.queued >= limits.commandsMax || this.#queue.length >= limits.commandsOfAllMax) {
      timers.soon(() => {
        asked.answer(refusal('overloaded', 'the lobby has more to do than it may queue'));
      });
      return;
    }
    lived.queued += 1;
    this.#queue.push({ ...asked, lived });
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#parts.timers.soon(() => {
      this.#isTurnDue = false;
      this.#turn();
    });
  }

  #turn(): void {
    const taken = this.#queue.slice(0, TURN_MAX);
    this.#queue = this.#queue.slice(TURN_MAX);
    const effects: Effect[] = [];
    const answers: (() => void)[] = [];
    for (const { lived, command, lobby, answer } of taken) {
      lived.queued -= 1;
      const outcome = this.#handle(lived, { lobby, command, answer }, effects);
      if (outcome !== null)
        answers.push(() => {
          answer(outcome);
        });
    }
    for (const answer of answers) answer();
    if (effects.length > 0) this.#parts.told(effects);
    if (this.#queue.length > 0) this.#turnSoon();
  }

  /** Null for what is answered later. */
  #handle(lived: Lived, asked: AskedOfLobby, effects: Effect[]): NodeAnswer | null {
    const { lobby, command } = asked;
    if (lived.fate !== null) return lived.fate === 'gone' ? this.#notFound(lobby.id) : 'not_owner';
    if (!this.#parts.mayServe())
      return refusal('unavailable', 'the lease of this node has run out; it is being renewed');
    if (lived.held !== null) {
      // Counted as what it queues, and let go with the outcome.
      lived.queued += 1;
      lived.held.push(asked);
      return null;
    }
    if (command.t !== 'create' && !lobby.exists) return this.#notFound(lobby.id);
    if (command.t === 'dissolve' || command.t === 'promote') return this.#end(lived, asked, effects);
    const { clock, log } = this.#parts;
    try {
      const handled = lobby.handle(command, clock.nowMs(), clock.monotonicMs());
      effects.push(...handled.effects);
      this.#look(lived);
      return handled.reply;
    } catch (error) {
      log.error('a handler threw; its command is refused', { lobby: lobby.id, error: String(error) });
      return refusal('internal', 'this hit a defect of the server; it has been logged');
    }
  }

  #end(lived: Lived, asked: AskedOfLobby, effects: Effect[]): NodeAnswer | null {
    const { lobby, command } = asked;
    const { clock } = this.#parts;
    const by = command.t === 'dissolve' || command.t === 'promote' ? command.by : null;
    const refused = lobby.endRefusal(by);
    if (refused !== null) return err(refused);
    if (command.t === 'dissolve') {
      effects.push(...lobby.dissolve(by, clock.nowMs(), clock.monotonicMs()));
      this.#forget(lived, 'gone');
      return ok(null);
    }
    if (lobby.memberCount > this.#parts.messaging.membersMax) {
      return refusal('limit_reached', `a group has at most ${String(this.#parts.messaging.membersMax)} members`);
    }
    lived.held = [];
    void this.#promote(lived, asked, by);
    return null;
  }

  #look(lived: Lived): void {
    if (lived.lobby.isWaning) {
      this.#waning.add(lived);
      this.#sweepLater();
    } else this.#waning.delete(lived);
  }

  #forget(lived: Lived, fate: LobbyFate): void {
    lived.fate = fate;
    this.#waning.delete(lived);
    if (this.#lobbies.get(lived.lobby.id) === lived) this.#lobbies.delete(lived.lobby.id);
    this.#release(lived);
  }

  // ------------------------------------------------------------------------------------------------ promotion

  async #promote(lived: Lived, asked: AskedOfLobby, by: Parameters<Lobby['adoption']>[0]): Promise<void> {
    const { partition, lobby } = lived;
    const outcome = await this.#stored(lived, by);
    if (lived.fate !== null) {
      asked.answer(lived.fate === 'moved' ? 'not_owner' : this.#notFound(lobby.id));
      return;
    }
    if (outcome !== 'not_owner' && outcome.ok) {
      this.#tenures.known(partition)?.promoted.add(lobby.id);
      asked.answer(outcome);
      this.#forget(lived, 'promoted');
      this.#passOn(lived);
      return;
    }
    // It is known that nothing of it has happened: the lobby goes on.
    asked.answer(outcome);
    this.#release(lived);
  }

  /** Resolves when it is known what became of it, or the lobby is not here any more. */
  async #stored(lived: Lived, by: Parameters<Lobby['adoption']>[0]): Promise<NodeAnswer> {
    const { partition, lobby } = lived;
    const { stored, log } = this.#parts;
    const noted = await this.#tenures.note(partition, lobby.id);
    if (noted !== null) return noted;
    const adoption = lobby.adoption(by);
    for (let tries = 1; ; tries += 1) {
      const outcome = await stored(partition, conversationKey(lobby.id), { t: 'adopt', adoption });
      if (lived.fate !== null || outcome === 'not_owner' || outcome.ok) return outcome;
      const isDecided = outcome.error.code === 'conflict' || outcome.error.code === 'limit_reached';
      if (isDecided) return outcome;
      // It may be stored, and its answer lost: nothing can be said of the lobby before that is known (I5).
      if (tries === 1)
        log.warn('a lobby is being made a group; the store has not said that it is', { lobby: lobby.id });
      await new Promise<void>((resolve) => {
        this.#parts.timers.after(RETRY_MS, resolve);
      });
    }
  }

  /** A group that was a lobby comes out of an export: as one that is promoted, it is known as a group before it is one. */
  async #import(key: ActorKey, command: AnyCommand): Promise<NodeAnswer> {
    const id = key.slice(2) as ConversationId;
    const partition = this.#parts.partitionOf(key);
    if (this.#lobbies.has(id)) return refusal('conflict', `there is a lobby ${id}: end it first`);
    const noted = await this.#tenures.note(partition, id);
    if (noted !== null) return noted;
    this.#tenures.known(partition)?.promoted.add(id);
    return this.#parts.stored(partition, key, command);
  }

  /** What came meanwhile, in order. */
  #release(lived: Lived): void {
    const held = lived.held ?? [];
    lived.held = null;
    lived.queued -= held.length;
    if (held.length === 0) return;
    // Before what waits in the queue, which came later.
    lived.queued += held.length;
    this.#queue = [...held.map((asked) => ({ ...asked, lived })), ...this.#queue];
    this.#turnSoon();
  }

  /** What waits for one that is a group now goes there at once, before what comes from here on. */
  #passOn(lived: Lived): void {
    const all = this.#queue;
    this.#queue = all.filter((asked) => asked.lived !== lived);
    for (const asked of all) {
      if (asked.lived === lived)
        this.#again(lived.partition, conversationKey(lived.lobby.id), asked.command, asked.answer);
    }
  }

  // ------------------------------------------------------------------------------------------------ who is there

  /** What a node asks that holds sockets of members: as for any conversation that it watches. */
  async watch(from: NodeId, asked: WatchAsked, storedWatch: () => Promise<NodeAnswer>): Promise<NodeAnswer> {
    const { conversation: id } = asked;
    const partition = this.#parts.partitionOf(conversationKey(id));
    if (!this.#parts.has(partition)) return 'not_owner';
    const failure = await new Promise<NodeAnswer | null>((resolve) => {
      if (this.#tenures.known(partition) !== null) resolve(null);
      else
        this.#tenures.whenKnown(partition, resolve, () => {
          resolve(null);
        });
    });
    const tenure = this.#tenures.known(partition);
    if (failure !== null || tenure === null) return failure ?? 'not_owner';
    if (!this.#lobbies.has(id) && tenure.promoted.has(id)) {
      const group = await storedWatch();
      if (group === 'not_owner' || group.ok || group.error.code !== 'not_found') return group;
    }
    return this.#register(tenure, from, asked);
  }

  #register(tenure: LobbyTenure, from: NodeId, { conversation: id, users, lobby: here }: WatchAsked): NodeAnswer {
    if (this.#tenures.known(tenure.partition) !== tenure) return 'not_owner';
    if (!this.#parts.mayServe()) return refusal('unavailable', 'the lease of this node has run out');
    const known = this.#lobbies.get(id);
    const told = here?.told ?? null;
    if (known === undefined && (told === null || here?.present.length === 0 || !isOlder(told.gen, tenure)))
      return this.#notFound(id);
    const lived = known ?? (told === null ? this.#notFound(id) : this.#begin(tenure, id, told.facts));
    if (!('lobby' in lived)) return lived;
    if (lived.held !== null) return refusal('unavailable', 'the lobby is being made a group');
    const { clock, told: tell } = this.#parts;
    if (here !== undefined) {
      const effects = lived.lobby.registered(from, here, clock.nowMs(), clock.monotonicMs());
      if (effects.length > 0) tell(effects);
    }
    this.#look(lived);
    const state = lived.lobby.watchState(users);
    return state === null ? this.#notFound(id) : ok(state);
  }

  /** One user has it open on that node no more. */
  away(from: NodeId, id: ConversationId, user: Parameters<Lobby['presence']['gone']>[1]): void {
    const lived = this.#lobbies.get(id);
    lived?.lobby.presence.gone(from, user, this.#parts.clock.monotonicMs());
    if (lived !== undefined) this.#look(lived);
  }

  /** Nobody there has these open any more. */
  unwatched(from: NodeId, ids: readonly ConversationId[]): void {
    for (const id of ids) this.#unwatched(from, this.#lobbies.get(id));
  }

  /** A node's run is over. */
  forgetNode(node: NodeId): void {
    for (const lived of this.#lobbies.values()) this.#unwatched(node, lived);
  }

  #unwatched(node: NodeId, lived: Lived | undefined): void {
    if (lived === undefined) return;
    lived.lobby.presence.forgetNode(node, this.#parts.clock.monotonicMs());
    this.#look(lived);
  }

  /** The partition is not this node's any more, or what it had of it is not to be trusted: others may have gone on. */
  drop(partition: PartitionId): void {
    for (const lived of [...this.#lobbies.values()]) {
      if (lived.partition === partition) this.#forget(lived, 'moved');
    }
    this.#tenures.drop(partition);
  }

  // ------------------------------------------------------------------------------------------------ time

  #sweepLater(): void {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    this.#parts.timers.after(SWEEP_MS, () => {
      this.#isSweeping = false;
      this.#sweep();
      if (this.#lobbies.size > 0) this.#sweepLater();
    });
  }

  #sweep(): void {
    const { clock, limits } = this.#parts;
    const [nowMs, monotonicMs] = [clock.nowMs(), clock.monotonicMs()];
    if (!this.#parts.mayServe()) return;
    this.#sweeps += 1;
    const isWhole = this.#sweeps % WHOLE_SWEEP === 0;
    const effects: Effect[] = [];
    for (const lived of isWhole ? [...this.#lobbies.values()] : [...this.#waning]) {
      const { lobby } = lived;
      if (lived.held !== null || lived.queued > 0) continue;
      if (isWhole) lobby.presence.expire(monotonicMs - REGISTERED_MS_MAX, monotonicMs);
      effects.push(...lobby.passed(nowMs, monotonicMs));
      const { emptySinceMs, writtenMs } = lobby;
      const isIdle = lobby.exists && lobby.memberCount > 0 && monotonicMs - writtenMs >= limits.idleMs;
      if (isIdle) effects.push(...lobby.dissolve(null, nowMs, monotonicMs));
      const isOver = emptySinceMs !== null && (!lobby.exists || monotonicMs - emptySinceMs >= limits.emptyMs);
      if (isIdle || isOver) this.#forget(lived, 'gone');
      else this.#look(lived);
    }
    if (effects.length > 0) this.#parts.told(effects);
  }
}

/** Whether that generation is of an owner before this one: else a lobby that is not here has ended here. */
const isOlder = (gen: Generation, tenure: LobbyTenure): boolean => gen < generation(tenure.firstGen);
