import { describeArchiveError, type ArchiveStore } from '@millrace/archive';
import {
  err,
  ok,
  sequenceId,
  type Clock,
  type ConversationId,
  type Result,
  type SequenceId,
  type Timers,
  type UserId,
} from '@millrace/kernel';
import type { PartitionLog, PartitionStore } from '@millrace/partition';
import { frameError, type FrameError } from '@millrace/protocol';
import { conversationKey, revisionsKey, StoreUnavailable, type StoredConversations } from '@millrace/timeline';
import type { ActorCalls } from '../actor-calls.ts';
import { overtaken } from '../answered.ts';
import type { Archiver } from '../archive/archiver.ts';
import type { ErasedHere } from '../conversation/commands.ts';
import type { CurrentReads } from '../revise/current.ts';
import { targetFacts } from '../revise/target-facts.ts';
import type { DueJobs } from '../scheduled/due-jobs.ts';
import { forgetScheduled } from '../scheduled/schedule-chat.ts';
import { eraseArchived } from './erase-archived.ts';
import { IndexErasure, type ErasableSearch } from './index-erasure.ts';
import { pinnedAuthors } from './pinned-authors.ts';
import { newReport, withLeft, type ErasureReport, type LeftOver } from './erasure-report.ts';

/** The node that it works on. */
export interface ErasingNode {
  readonly calls: ActorCalls;
  /** Every node lets go of what it keeps of a conversation in memory. */
  erased(this: void, conversation: ConversationId): void;
  /** All sessions of the user end. @returns how many did, or why some may not have. */
  closeSessions(this: void, user: UserId): Promise<Result<number, string>>;
}

export interface ErasuresParts {
  readonly stored: StoredConversations;
  readonly reads: CurrentReads;
  readonly partitions: Pick<PartitionStore, 'loadActor'>;
  /** Null where everything stays hot. */
  readonly archive: ArchiveStore | null;
  readonly archiver: Pick<Archiver, 'rollWhole'> | null;
  readonly search: ErasableSearch | null;
  /** Where messages wait that are to be sent later; null where none can be. */
  readonly jobs: Pick<DueJobs, 'remove'> | null;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: PartitionLog;
}

/** Conversations between two times that the report is stored. */
const STORED_EVERY = 100;
/** What was committed before reaches the user's inbox by then, as a rule: it is forgotten with the rest. */
const SETTLE_MS = 1_000;
const ROUNDS_MAX = 5;

const NO_ARCHIVE =
  'its latest messages are erased in every answer, but their bytes stay in Redis: there is no archive to bring them into ' +
  '(MILLRACE_ARCHIVE); with one, ask for the erasure again';

/**
 * Erases what is a user's everywhere, or a whole conversation.
 *
 * (Z1) First a fenced commit of each conversation says what is erased, so that no read shows it from then on; then its bytes
 *      go: all that is hot goes over into the archive, which writes over it.
 * (Z2) It may end anywhere, and is asked for again: what was done comes to the same.
 */
export class Erasures {
  readonly #parts: ErasuresParts;
  readonly #node: ErasingNode;
  readonly #index: IndexErasure | null;
  readonly #running = new Map<UserId, ErasureReport>();
  #isStopped = false;

  constructor(parts: ErasuresParts, node: ErasingNode) {
    this.#parts = parts;
    this.#node = node;
    const { search } = parts;
    this.#index = search && new IndexErasure({ search, pause: (ms) => this.#pause(ms) });
  }

  /** Erasures that are under way are interrupted. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Begins, or goes on with one that was interrupted. Answers how far one is that is under way here. */
  async eraseUser(user: UserId): Promise<Result<ErasureReport, FrameError>> {
    const running = this.#running.get(user);
    if (running !== undefined) return ok(running);
    const report = newReport(user, this.#parts.clock.nowMs());
    this.#running.set(user, report);
    const begun = await this.#store(report);
    if (!begun.ok) {
      this.#running.delete(user);
      return begun;
    }
    void this.#eraseAllOf(report).finally(() => {
      this.#running.delete(user);
    });
    return ok(report);
  }

  async report(user: UserId): Promise<Result<ErasureReport, FrameError>> {
    const running = this.#running.get(user);
    if (running !== undefined) return ok(running);
    const stored = await this.#node.calls.user(user, { t: 'erasure', set: null });
    if (!stored.ok) return stored;
    const { report } = stored.value;
    if (report === null) return err(frameError('not_found', `nothing of ${user} was ever erased`));
    // It runs on another node, or did until that ended: only that one knows.
    return ok(JSON.parse(report) as ErasureReport);
  }

  /** The whole conversation, for all its members. */
  async eraseConversation(
    conversation: ConversationId,
  ): Promise<Result<{ readonly left: readonly LeftOver[] }, FrameError>> {
    const { calls, erased } = this.#node;
    const { archive } = this.#parts;
    try {
      const audience = await calls.conversation(conversation, { t: 'audience', range: null });
      if (!audience.ok) return audience;
      const { head, facts } = audience.value;
      // What is not imported wholly is nothing to them yet.
      const members = facts === null ? [] : audience.value.members;
      if (head.seq === 0 && audience.value.members.length === 0)
        return err(frameError('not_found', `there is no conversation ${conversation}`));
      const gone = { d: 'standing', conversation, head, stand: null, askedReadSeq: null } as const;
      const tell = async (): Promise<void> => {
        for (const { user } of members) await calls.user(user, { t: 'deliver', items: [gone] });
      };
      // Before, so that nobody is forgotten should this end in between; and once more, for what came in between.
      await tell();
      const fields = [...(await this.#beside(conversation)).keys()];
      const done = await calls.conversation(conversation, { t: 'eraseAll', fields });
      if (!done.ok) return done;
      erased(conversation);
      await tell();
      const left: LeftOver[] = [];
      const dropped = await archive?.drop(conversation);
      if (dropped?.ok === false) left.push({ conversation, why: describeArchiveError(dropped.error) });
      // What came between was not in the head that was told first.
      const now = await calls.conversation(conversation, { t: 'audience', range: null });
      const why = await this.#index?.conversation(conversation, now.ok ? now.value.head.seq : head.seq);
      if (typeof why === 'string') left.push({ conversation, why });
      return ok({ left });
    } catch (error) {
      if (error instanceof StoreUnavailable) return err(frameError('unavailable', error.message));
      throw error;
    }
  }

  async #eraseAllOf(begun: ErasureReport): Promise<void> {
    const { user } = begun;
    const { log, clock } = this.#parts;
    let report = begun;
    const told = new Map<ConversationId, SequenceId>();
    const note = (next: ErasureReport): void => {
      report = next;
      this.#running.set(user, next);
    };
    try {
      // Before what feeds the index is told, which takes them out.
      note({ ...report, found: (await this.#index?.has(user)) ?? null });
      const closed = await this.#node.closeSessions(user);
      if (closed.ok) note({ ...report, sessions: closed.value });
      else note(withLeft(report, { conversation: null, why: closed.error }));
      note(await this.#eraseScheduled(report));
      for await (const actors of this.#parts.stored.conversations()) {
        for (const actor of actors) {
          if (this.#isStopped) {
            await this.#store({ ...report, state: 'interrupted' });
            return;
          }
          note(await this.#eraseIn(report, actor.slice(2) as ConversationId, told));
          if (report.looked % STORED_EVERY === 0) await this.#store(report);
        }
      }
      note(await this.#eraseFound(report, told));
      await this.#pause(SETTLE_MS);
      const forgotten = await this.#node.calls.user(user, { t: 'forget' });
      if (!forgotten.ok) {
        note(
          withLeft(report, { conversation: null, why: `the inbox is not forgotten yet: ${forgotten.error.message}` }),
        );
      }
      note({ ...report, state: 'done', endedAt: clock.nowMs() });
      await this.#store(report);
      log.info('a user was erased', { user, conversations: report.conversations, left: report.left.length });
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      log.warn('an erasure was interrupted; ask for it again', { user, error: error.message });
      await this.#store(withLeft({ ...report, state: 'interrupted' }, { conversation: null, why: error.message }));
    }
  }

  /** First of all, so that none of them is sent behind the end of what is erased. */
  async #eraseScheduled(report: ErasureReport): Promise<ErasureReport> {
    const forgotten = await forgetScheduled(this.#node.calls, this.#parts.jobs, report.user);
    if (forgotten.ok) return { ...report, scheduled: forgotten.value };
    return withLeft(report, { conversation: null, why: `messages may be scheduled yet: ${forgotten.error.message}` });
  }

  async #eraseFound(report: ErasureReport, told: ReadonlyMap<ConversationId, SequenceId>): Promise<ErasureReport> {
    const left = (await this.#index?.user(report.user, told)) ?? null;
    return left === null ? report : withLeft(report, { conversation: null, why: `the search index: ${left}` });
  }

  /** @param noted - where the conversation tells of it. */
  async #eraseIn(
    before: ErasureReport,
    conversation: ConversationId,
    noted: Map<ConversationId, SequenceId>,
  ): Promise<ErasureReport> {
    const { user } = before;
    const { calls, erased } = this.#node;
    const { reads, archive, archiver } = this.#parts;
    const partition = calls.partitionOf(conversationKey(conversation));
    let report: ErasureReport = { ...before, looked: before.looked + 1 };
    const [known, beside] = await Promise.all([
      reads.records.fields(partition, conversationKey(conversation), [`m:${user}`, 'u']),
      reads.records.fields(partition, revisionsKey(conversation), ['u']),
    ]);
    const wasErased = new TextDecoder().decode(beside.get('u') ?? new Uint8Array()).includes(JSON.stringify(user));
    if (!known.has(`m:${user}`) && !wasErased) return report;
    report = { ...report, conversations: report.conversations + 1 };
    const left = (why: string): ErasureReport => withLeft(report, { conversation, why });
    const told = await this.#eraseShown(conversation, user);
    if (!told.ok) return left(told.error.message);
    noted.set(conversation, told.value.rev);
    report = { ...report, reactions: report.reactions + (await this.#eraseReactions(conversation, user)) };
    erased(conversation);
    if (told.value.isMember) report = left('a direct conversation is named by both of its users: the membership stays');
    if (archive === null || archiver === null) return left(NO_ARCHIVE);
    const whole = await archiver.rollWhole(conversation);
    const { entries, problem } = await eraseArchived(archive, conversation, user, told.value.upTo);
    erased(conversation);
    report = { ...report, entries: report.entries + entries };
    if (problem !== null) report = left(problem);
    return whole === null ? report : left(`its latest messages are in Redis yet: ${whole}; ask for the erasure again`);
  }

  /** From then on nobody is shown what the user has sent. */
  async #eraseShown(conversation: ConversationId, user: UserId): Promise<Result<ErasedHere, FrameError>> {
    const { calls } = this.#node;
    for (let round = 0; round < ROUNDS_MAX; round += 1) {
      const pinned = await pinnedAuthors(calls, this.#parts.reads.timelines, conversation);
      const told = await calls.conversation(conversation, { t: 'eraseUser', user, pinned });
      if (!told.ok) return told;
      if (told.value !== 'stale') return ok(told.value);
    }
    return err(frameError('unavailable', 'messages are pinned all the time; ask for the erasure again'));
  }

  /** @returns how many messages the user had reacted to. */
  async #eraseReactions(conversation: ConversationId, user: UserId): Promise<number> {
    const { calls } = this.#node;
    const end = `!${user}`;
    const seqs = [...(await this.#beside(conversation))]
      .filter(([field, value]) => field.endsWith(end) && value.length > 2)
      .map(([field]) => Number(field.slice(0, -end.length)))
      .filter((seq) => Number.isSafeInteger(seq));
    let taken = 0;
    for (const seq of seqs) {
      for (let round = 0; round < ROUNDS_MAX; round += 1) {
        const looking = targetFacts(calls, this.#parts.reads, conversation, null, sequenceId(seq), undefined, user);
        const facts = await looking.catch(overtaken);
        if (facts === null) continue;
        // It is gone, with what stood under it.
        if (!facts.ok) break;
        const done = await calls.conversation(conversation, { t: 'unreact', user, facts: facts.value });
        if (!done.ok) throw new StoreUnavailable(done.error.message);
        if (done.value === 'stale') continue;
        taken += 1;
        break;
      }
    }
    return taken;
  }

  async #beside(conversation: ConversationId): Promise<ReadonlyMap<string, Uint8Array>> {
    const partition = this.#node.calls.partitionOf(conversationKey(conversation));
    const record = await this.#parts.partitions.loadActor(partition, revisionsKey(conversation));
    if (!record.ok) throw new StoreUnavailable(record.error.message);
    return record.value.fields;
  }

  async #store(report: ErasureReport): Promise<Result<unknown, FrameError>> {
    return this.#node.calls.user(report.user, { t: 'erasure', set: JSON.stringify(report) });
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#parts.timers.after(ms, resolve);
    });
  }
}
