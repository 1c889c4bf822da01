import { err, ok, sequenceId, type ConversationId, type Generation, type NodeId, type UserId } from '@millrace/kernel';
import { NO_COMMITS, type Handled } from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import { emptyHead, MemoryTimeline } from '@millrace/timeline';
import type { Adoption } from '../conversation/adoption.ts';
import { appendedEffect } from '../conversation/appended.ts';
import type { AnyConversationReply, ConversationCommand, WatchState } from '../conversation/commands.ts';
import { ConversationActor } from '../conversation/conversation-actor.ts';
import { nobodyErased } from '../revise/revision.ts';
import { ConversationState } from '../conversation/conversation-state.ts';
import { nothingRecalled } from '../conversation/recalled.ts';
import { admit, changeable, changed, create, dismiss, refused } from '../conversation/membership.ts';
import { info, visible, watch } from '../conversation/queries.ts';
import type { Effect } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { keptPage } from './kept-page.ts';
import type { LobbyFacts, LobbyHere, LobbyTold } from './lobby-facts.ts';
import { LobbyPresence } from './lobby-presence.ts';
import { returned } from './lobby-return.ts';

type Outcome = Handled<AnyConversationReply, Effect>;
type Command<T extends ConversationCommand['t']> = Extract<ConversationCommand, { readonly t: T }>;

export interface LobbyParts {
  readonly id: ConversationId;
  /** Of this activation: above that of every other one of the same id. */
  readonly gen: Generation;
  readonly facts: Pick<LobbyFacts, 'backlog' | 'membersMax'>;
  readonly backlogBytesMax: number;
  /** How long a member stays who is away, milliseconds. */
  readonly graceMs: number;
  readonly messaging: MessagingLimits;
  /** Monotonic. */
  readonly nowMs: number;
}

const notKept: FrameError = frameError(
  'forbidden',
  'a lobby keeps no read positions, and is in no list: promote it to a group first',
);
const onlyOwner: FrameError = frameError('forbidden', 'only the owner ends or promotes a lobby');

/**
 * One lobby: the conversation actor with a Timeline in memory. Does no I/O.
 *
 * (B1) All its entries are in one generation, from seq 1 on without a gap (I3); nothing of it is stored.
 * (B2) Its entries are in no inbox: whoever is in it is told of them as of an open conversation in read mode.
 * (B3) Who is away for longer than the grace time leaves by an entry. Of who is gone nothing is remembered, but a mute that
 *      goes on (I9).
 */
export class Lobby {
  readonly id: ConversationId;
  readonly presence = new LobbyPresence();
  readonly #parts: LobbyParts;
  readonly #state: ConversationState;
  readonly #timeline: MemoryTimeline;
  readonly #actor: ConversationActor;
  readonly #limits: MessagingLimits;
  /** Users that may join whatever the policy is. */
  readonly #invited = new Set<UserId>();
  #emptySinceMs: number | null;
  #writtenMs: number;
  #isDissolved = false;

  constructor(parts: LobbyParts) {
    const { id, gen, facts, backlogBytesMax, messaging, nowMs } = parts;
    this.id = id;
    this.#parts = parts;
    this.#timeline = new MemoryTimeline(gen, { entriesMax: facts.backlog, bytesMax: backlogBytesMax });
    this.#state = new ConversationState({
      ...{
        id,
        storedAt: emptyHead(gen),
        head: emptyHead(gen),
        meta: null,
        msgNo: 0,
        retiredMsgNo: 0,
        lastAt: 0,
        erased: nobodyErased,
      },
      ...{ keyWindow: { window: 1, used: 0 }, archivedTo: sequenceId(0) },
      readReason: 'size',
      // From before its first entry on, for ever.
      segments: [{ from: sequenceId(0), to: null }],
      ...{ senders: [], members: [], counters: [], keys: [], bans: [], mentioned: [], mentionsOfAll: [] },
      ...{ recalled: nothingRecalled, pinned: [], deleted: [], revised: null },
    });
    this.#limits = { ...messaging, membersMax: facts.membersMax, readAbove: Number.MAX_SAFE_INTEGER, writeBelow: 0 };
    this.#actor = new ConversationActor(this.#state, 'volatile', this.#limits);
    this.#emptySinceMs = nowMs;
    this.#writtenMs = nowMs;
  }

  get gen(): Generation {
    return this.#state.gen;
  }

  get exists(): boolean {
    return this.#state.meta.value !== null && !this.#isDissolved;
  }

  get memberCount(): number {
    return this.#state.memberCount;
  }

  /** Since when nobody is in it, monotonic; null while somebody is. */
  get emptySinceMs(): number | null {
    return this.#emptySinceMs;
  }

  /** When somebody wrote last, or it began, monotonic. */
  get writtenMs(): number {
    return this.#writtenMs;
  }

  /** Whether time alone may change something soon. */
  get isWaning(): boolean {
    return this.#emptySinceMs !== null || this.presence.someAreAway;
  }

  /** Bytes and entries that it keeps. */
  get kept(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#timeline.size, bytes: this.#timeline.bytes };
  }

  /**
   * Applies one command. Throws only for a bug of ours, and then nothing of it has happened.
   *
   * @param nowMs - wall time, for display.
   * @param monotonicMs - the same moment, for what time brings.
   */
  handle(command: ConversationCommand, nowMs: number, monotonicMs: number): Outcome {
    return this.#applied(() => this.#handle(command, nowMs), monotonicMs);
  }

  /** A node says who has it open there; of an older activation it may be that these were in it, and are again. */
  registered(node: NodeId, { present, told }: LobbyHere, nowMs: number, monotonicMs: number): readonly Effect[] {
    const effects: Effect[] = [];
    if (told !== null && told.gen < this.gen) {
      const back = present.filter((user) => !this.#state.members.has(user) && !this.#state.bans.has(user));
      const roles = new Map(told.roles);
      const users = back.map((user) => [user, roles.get(user) ?? 'member'] as const);
      const outcome = this.#applied(() => {
        return { reply: ok(null), effects: returned(this.#state, told.facts.meta, users, nowMs, this.#limits) };
      }, monotonicMs);
      effects.push(...outcome.effects);
    }
    const members = present.filter((user) => this.#state.present(user) !== null);
    this.presence.told(node, members, monotonicMs);
    return effects;
  }

  /** Where it stands, and who of these users is in it. */
  watchState(users: readonly UserId[]): WatchState | null {
    const state = watch(this.#state, { users });
    if (!state.ok) return null;
    return { ...state.value, lobby: this.#told(users) };
  }

  #told(users: readonly UserId[]): LobbyTold {
    const meta = this.#state.meta.value;
    const { backlog, membersMax } = this.#parts.facts;
    const roles = users.flatMap((user) => {
      const member = this.#state.present(user);
      return member === null ? [] : [[user, member.role] as const];
    });
    if (meta === null) throw new TypeError('a lobby that was not created is told to nobody');
    return { facts: { meta, backlog, membersMax }, gen: this.gen, roles };
  }

  /** What time has brought: those who were away for too long leave. */
  passed(nowMs: number, monotonicMs: number): readonly Effect[] {
    const users = this.presence.awaySince(monotonicMs - this.#parts.graceMs);
    if (users.length === 0) return [];
    const leave = (): Outcome => dismiss(this.#state, null, 'left', users, nowMs, this.#limits);
    return this.#applied(leave, monotonicMs).effects;
  }

  /** Ends it, for all who are in it. */
  dissolve(by: UserId | null, nowMs: number, monotonicMs: number): readonly Effect[] {
    const end = (): Outcome => {
      const users = this.#state.recipients;
      const entry = this.#state.appendControl(by, { control: 'dissolved' }, nowMs);
      return {
        reply: ok(null),
        effects: [appendedEffect(this.#state, entry, () => users, { change: 'left', users })],
      };
    };
    const { effects } = this.#applied(end, monotonicMs);
    this.#isDissolved = true;
    return effects;
  }

  /** Why this user may not end or promote it; null when they may. `by` null: the deployment's backend. */
  endRefusal(by: UserId | null): FrameError | null {
    if (by === null) return null;
    const role = this.#state.present(by)?.role;
    if (role === undefined) return frameError('not_member', `${by} is not a member of ${this.id}`);
    return role === 'owner' ? null : onlyOwner;
  }

  /** All that a group takes over. */
  adoption(by: UserId | null): Adoption {
    const state = this.#state;
    const { meta, head, msgNo } = { meta: state.meta.value, head: state.head.value, msgNo: state.msgNo.value };
    if (meta === null) throw new TypeError('a lobby that was not created is not promoted');
    const members = state.recipients.flatMap((user) => {
      const member = state.present(user);
      return member === null ? [] : [[user, member] as const];
    });
    const counters = [...state.counters.entries()];
    const entries = this.#timeline.entries.map(({ data }) => data);
    return {
      by,
      meta,
      gen: head.gen,
      seq: head.seq,
      msgNo,
      entries,
      members,
      counters,
      bans: [...state.bans.entries()],
    };
  }

  // ------------------------------------------------------------------------------------------------ commands

  #handle(command: ConversationCommand, nowMs: number): Outcome {
    switch (command.t) {
      case 'create':
        return this.#create(command, nowMs);
      case 'join':
        return this.#join(command, nowMs);
      case 'invite':
        return this.#invite(command);
      case 'info':
        return { reply: this.#info(), effects: [] };
      case 'kept': {
        const seen = visible(this.#state, command);
        if (!seen.ok) return { reply: seen, effects: [] };
        if (command.user !== null && this.#state.present(command.user) === null)
          return refused(frameError('not_member', `${command.user} is not a member of ${this.id}`));
        const of = { head: this.#state.head.value, timeline: this.#timeline };
        return { reply: keptPage(this.id, of, seen.value.intervals, command.query), effects: [] };
      }
      case 'readPlan':
      case 'markRead':
      case 'delivered':
      case 'readers':
      case 'head':
      case 'audience':
      case 'audienceAt':
      case 'standings':
      case 'tiers':
      case 'archived':
        return { reply: err(notKept), effects: [] };
      default:
        return this.#actor.handle(command, nowMs, NO_COMMITS);
    }
  }

  #create({ members, ...command }: Command<'create'>, nowMs: number): Outcome {
    const isNew = this.#state.meta.value === null;
    const outcome = create(this.#state, { ...command, members: [] }, nowMs, this.#limits);
    if (isNew && outcome.reply.ok) for (const user of members) this.#invited.add(user);
    return outcome;
  }

  #join(command: Command<'join'>, nowMs: number): Outcome {
    const { user } = command;
    const meta = changeable(this.#state);
    const isInvited = this.#invited.has(user) && this.#state.present(user) === null && !this.#state.bans.has(user);
    if (!meta.ok || !isInvited) return this.#actor.handle(command, nowMs, NO_COMMITS);
    return admit(this.#state, meta.value, user, [user], nowMs, this.#limits);
  }

  #info(): Outcome['reply'] {
    const { backlog, membersMax } = this.#parts.facts;
    const told = info(this.#state);
    return told.ok ? ok({ ...told.value, backlog, membersMax }) : told;
  }

  /** They may come, and are not in it by that: in a lobby are those who have it open. */
  #invite({ by, users }: Command<'invite'>): Outcome {
    const meta = changeable(this.#state);
    if (!meta.ok) return refused(meta.error);
    const inviter = by === null ? null : this.#state.present(by);
    if (by !== null && inviter === null)
      return refused(frameError('not_member', `${by} is not a member of ${this.id}`));
    if (inviter?.role === 'member' && meta.value.joinPolicy === 'invite')
      return refused(frameError('forbidden', 'only the owner and admins invite here'));
    const all = new Set([...this.#invited, ...users]);
    if (all.size > this.#limits.bansMax) return refused(frameError('limit_reached', 'too many users are invited'));
    for (const user of users) this.#invited.add(user);
    return changed(this.#state, []);
  }

  // ------------------------------------------------------------------------------------------------ what follows

  #applied(work: () => Outcome, monotonicMs: number): Outcome {
    let outcome: Outcome;
    try {
      outcome = work();
    } catch (error) {
      this.#state.restore();
      throw error;
    }
    this.#keep(monotonicMs);
    for (const effect of outcome.effects) {
      if (effect.e !== 'appended' || effect.changes === null) continue;
      if (effect.changes.change === 'joined') this.presence.joined(effect.changes.users, monotonicMs);
      else this.#forget(effect.changes.users);
    }
    if (this.#state.memberCount > 0) this.#emptySinceMs = null;
    else this.#emptySinceMs ??= monotonicMs;
    return outcome;
  }

  /** What was appended is there, as a commit would have it. */
  #keep(monotonicMs: number): void {
    const { entries } = this.#state;
    let seq = this.#state.head.value.seq - entries.length;
    for (const data of entries) {
      seq += 1;
      // In memory of its own: it stays for as long as the backlog holds it.
      this.#timeline.append(sequenceId(seq), new Uint8Array(data));
    }
    if (this.#state.msgNo.dirty) this.#writtenMs = monotonicMs;
    this.#state.oldest = this.#timeline.first;
    this.#state.settle();
  }

  #forget(users: ReadonlySet<UserId>): void {
    this.presence.left(users);
    for (const user of users) {
      const member = this.#state.members.get(user);
      if (member !== undefined && this.#state.present(user) === null && member.mutedUntilMs === 0)
        this.#state.forgetUser(user);
    }
    this.#state.settle();
  }
}
