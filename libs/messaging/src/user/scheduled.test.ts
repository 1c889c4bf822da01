import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { protocolLimits } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AUser } from '../testing/a-user.ts';
import type { UserCommand } from './commands.ts';
import type { ScheduledContent } from './scheduled.ts';
import { decodeWaiting, SCHEDULED_FIELD } from './user-record.ts';

const tea = 'tea' as ConversationId;
const HOUR_MS = 3_600_000;

/** A user of whom each command is stored. */
class Scheduler extends AUser {
  #jobs = 0;

  do(command: UserCommand) {
    const { reply } = this.actor.handle(command, this.nowMs);
    this.store();
    return reply;
  }

  schedule(key: string, more: Partial<ScheduledContent> = {}) {
    this.#jobs += 1;
    const message = { key, conversation: tea, dueAt: this.nowMs + HOUR_MS, type: 'text' as const, body: key, ...more };
    return this.do({ t: 'schedule', message, job: `job-${String(this.#jobs)}` });
  }

  list(after: string | null = null, limit = 100) {
    return this.do({ t: 'scheduled', after, limit });
  }

  /** What is stored of those that wait, for who looks after their jobs. */
  get waiting() {
    const value = this.stored.fields.get(SCHEDULED_FIELD);
    return value === undefined ? [] : decodeWaiting(value);
  }
}

const bodies = fc.oneof(fc.string({ unit: 'binary', maxLength: 50 }), fc.uint8Array({ maxLength: 50 }));

describe('the scheduled messages of a user', () => {
  it('are the same when they are loaded again, texts and bytes, under any key (I2)', () => {
    const key = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(fc.tuple(key, bodies), { maxLength: 10 }), (messages) => {
        const user = new Scheduler();
        for (const [name, body] of messages) user.schedule(name, { body, type: 'custom' });
        expect(new Map(user.reloaded().scheduled.entries())).toEqual(new Map(user.state.scheduled.entries()));
        expect(user.waiting.map(([name]) => name).sort()).toEqual([...new Set(messages.map(([name]) => name))].sort());
      }),
    );
  });

  it('of one key are one: the later one takes the place of the one that waits, with a job of its own', () => {
    const user = new Scheduler();
    expect(user.schedule('k')).toMatchObject({ ok: true, value: { replaced: null, isTaken: true } });
    const again = user.schedule('k', { body: 'another', dueAt: user.nowMs + 2 * HOUR_MS });
    expect(again).toMatchObject({ value: { replaced: 'job-1', isTaken: true, message: { body: 'another' } } });
    expect(user.waiting).toEqual([['k', 'job-2', user.nowMs + 2 * HOUR_MS]]);
    expect(user.do({ t: 'due', key: 'k', job: 'job-1' })).toEqual({ ok: true, value: { due: null } });
    expect(user.do({ t: 'due', key: 'k', job: 'job-2' })).toMatchObject({
      value: { due: { window: null, message: { body: 'another' } } },
    });
  });

  it('are due ahead of now, and not more than 366 days', () => {
    const user = new Scheduler();
    const { scheduledAheadMs } = protocolLimits;
    for (const dueAt of [0, user.nowMs, user.nowMs + scheduledAheadMs + 1]) {
      expect(user.schedule('k', { dueAt })).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    }
    for (const dueAt of [user.nowMs + 1, user.nowMs + scheduledAheadMs]) {
      expect(user.schedule('k', { dueAt })).toMatchObject({ ok: true });
    }
  });

  it('are bounded in number and in bytes; what is over makes room (I9)', () => {
    const user = new Scheduler();
    const { scheduledPerUser, scheduledBytesPerUser, bodyBytes } = protocolLimits;
    for (let count = 0; count < scheduledPerUser; count += 1) user.schedule(`k${String(count)}`);
    const refused = { ok: false, error: { code: 'limit_reached' } };
    expect(user.schedule('more')).toMatchObject(refused);
    expect(user.schedule('k0', { body: 'in its own place' })).toMatchObject({ ok: true });
    user.do({ t: 'unschedule', key: 'k1' });
    expect(user.schedule('more')).toMatchObject({ ok: true });

    const large = new Scheduler();
    const body = 'x'.repeat(bodyBytes);
    const fit = scheduledBytesPerUser / bodyBytes;
    for (let count = 0; count < fit; count += 1) {
      expect(large.schedule(`k${String(count)}`, { body })).toMatchObject({ ok: true });
    }
    expect(large.schedule('more')).toMatchObject(refused);
    // Given up, its body is kept for the user only for as long as no other one needs the room.
    const error = { code: 'not_member', message: 'no member' } as const;
    large.do({ t: 'settleScheduled', key: 'k0', job: 'job-1', outcome: { error } });
    expect(large.list(null, 1)).toMatchObject({ value: { messages: [{ key: 'k0', state: 'failed', body }] } });
    expect(large.schedule('more', { body })).toMatchObject({ ok: true });
    const keys = [...large.reloaded().scheduled.keys()];
    expect([keys.length, keys.includes('k0')]).toEqual([fit, false]);
  });

  it('are told what is due first, page by page, and each once', () => {
    const user = new Scheduler();
    const dueAts = [5, 3, 3, 9, 1, 7, 3].map((hours) => user.nowMs + hours * HOUR_MS);
    for (const [index, dueAt] of dueAts.entries()) user.schedule(`k ${String(index)}`, { dueAt });
    const seen: string[] = [];
    for (let after: string | null = null, pages = 0; pages < 10; pages += 1) {
      const page = user.list(after, 2);
      if (!page.ok || page.value === null || !('messages' in page.value)) throw new Error(JSON.stringify(page));
      seen.push(...page.value.messages.map(({ key }) => key));
      after = page.value.next;
      if (after === null) break;
    }
    expect(seen).toEqual(['k 4', 'k 1', 'k 2', 'k 6', 'k 0', 'k 5', 'k 3']);
    expect(user.list('nonsense')).toMatchObject({ ok: false, error: { code: 'bad_request' } });
  });

  it('come in pages that are bounded in bytes, and one at least is in each', () => {
    const user = new Scheduler();
    for (let count = 0; count < 6; count += 1) user.schedule(`k${String(count)}`, { body: 'x'.repeat(32_768) });
    const page = user.list();
    expect(page).toMatchObject({ value: { messages: [{}, {}, {}, {}], next: expect.any(String) as string } });
  });

  it('are not changed or taken back once their time has come, and never sent a second time under their key (I4)', () => {
    const user = new Scheduler();
    user.schedule('k');
    expect(user.do({ t: 'sending', key: 'k', job: 'job-1', window: 7 })).toEqual({ ok: true, value: { isDue: true } });
    // An attempt that comes again keeps the window of the first.
    user.do({ t: 'sending', key: 'k', job: 'job-1', window: 9 });
    expect(user.do({ t: 'due', key: 'k', job: 'job-1' })).toMatchObject({ value: { due: { window: 7 } } });
    expect(user.do({ t: 'unschedule', key: 'k' })).toMatchObject({ ok: false, error: { code: 'conflict' } });
    expect(user.schedule('k', { body: 'too late' })).toMatchObject({
      value: { isTaken: false, message: { state: 'sending', body: 'k' } },
    });
    user.do({ t: 'settleScheduled', key: 'k', job: 'job-1', outcome: { gen: generation(2), seq: sequenceId(40) } });
    expect(user.schedule('k', { body: 'much too late' })).toMatchObject({
      value: { isTaken: false, message: { state: 'sent', gen: 2, seq: 40 } },
    });
    expect([...user.reloaded().scheduled.values()].map(({ body }) => body)).toEqual([undefined]);
    expect(user.waiting).toEqual([]);
    expect(user.do({ t: 'due', key: 'k', job: 'job-1' })).toEqual({ ok: true, value: { due: null } });
    expect(user.do({ t: 'sending', key: 'k', job: 'job-1', window: 7 })).toMatchObject({ value: { isDue: false } });
    // Taken off the list, the key is free.
    expect(user.do({ t: 'unschedule', key: 'k' })).toEqual({ ok: true, value: { job: 'job-1' } });
    expect(user.schedule('k')).toMatchObject({ value: { isTaken: true } });
  });

  it('that are over are the latest 100', () => {
    const user = new Scheduler();
    for (let count = 1; count <= 130; count += 1) {
      user.schedule(`k${String(count)}`);
      user.nowMs += 1;
      const outcome = { gen: generation(1), seq: sequenceId(count) };
      user.do({ t: 'settleScheduled', key: `k${String(count)}`, job: `job-${String(count)}`, outcome });
    }
    const seqs = [...user.reloaded().scheduled.values()].map(({ seq }) => Number(seq));
    expect([seqs.length, Math.min(...seqs)]).toEqual([100, 31]);
  });

  it('go with all that is theirs', () => {
    const user = new Scheduler();
    user.schedule('k');
    user.schedule('l');
    expect(user.do({ t: 'unscheduleAll' })).toEqual({ ok: true, value: { jobs: ['job-1', 'job-2'] } });
    user.schedule('m');
    user.do({ t: 'forget' });
    expect([...user.stored.fields.keys()].filter((field) => field.startsWith('q'))).toEqual([]);
  });
});
