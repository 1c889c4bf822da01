import { err, ok, seededRandom, type ConversationId, type Result, type UserId } from '@millrace/kernel';
import { decodeEntry, frameError, type FrameError } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { AUser, me } from '../testing/a-user.ts';
import type { DueJob } from './due-jobs.ts';
import { scheduleOver } from './schedule-chat.ts';

const room = 'g' as ConversationId;
const lost = err(frameError('unavailable', 'the answer was lost'));

/** A user, a conversation that they are in, and the way between them, whose answers may be lost. */
class World {
  readonly user = new AUser();
  readonly room = new AConversation(room).created(['a', me]);
  readonly jobs: DueJob[] = [];
  readonly removed: string[] = [];
  /** For each call that is made from here on: whether its answer is lost. */
  losses: boolean[] = [];
  #isQueueAway = false;
  readonly service;

  constructor() {
    const conversation = (_id: ConversationId, command: never): Promise<Result<unknown, FrameError>> =>
      this.#answered(() => this.room.do(command).reply);
    const user = (_id: UserId, command: never): Promise<Result<unknown, FrameError>> =>
      this.#answered(() => {
        const { reply } = this.user.actor.handle(command, this.user.nowMs);
        this.user.store();
        return reply;
      });
    const calls = { conversation, user } as unknown as ActorCalls;
    this.service = scheduleOver({
      calls,
      jobs: {
        add: (jobs) => {
          if (this.#isQueueAway) return Promise.resolve(err('it is away'));
          this.jobs.push(...jobs);
          return Promise.resolve(ok(null));
        },
        remove: (jobs) => this.removed.push(...jobs),
      },
      random: seededRandom(1),
      publishKeyed: async ({ conversation: to, ...send }) =>
        (await calls.conversation(to, { t: 'publishKeyed', ...send } as never)) as never,
    });
  }

  set isQueueAway(isAway: boolean) {
    this.#isQueueAway = isAway;
  }

  schedule(key = 'k', body: string | Uint8Array = 'hello', more: object = {}) {
    const dueAt = this.user.nowMs + 1_000;
    return this.service.schedule(me, { key, conversation: room, dueAt, type: 'text', body, ...more });
  }

  /** Runs the newest job. */
  run(isLast = false) {
    const job = this.jobs.at(-1);
    if (job === undefined) throw new Error('there is no job');
    return this.service.sendDue(job, isLast);
  }

  get sent(): readonly string[] {
    const entries = this.room.stored.entries.map((data) => decodeEntry(data));
    return entries.filter(({ countable }) => countable).map(({ from, body }) => `${String(from)}: ${String(body)}`);
  }

  get states(): readonly string[] {
    return [...this.user.state.scheduled.values()].map(({ state }) => state);
  }

  async #answered(work: () => unknown): Promise<Result<unknown, FrameError>> {
    const answer = work();
    await Promise.resolve();
    return this.losses.shift() === true ? lost : (answer as Result<unknown, FrameError>);
  }
}

describe('a message that is to be sent later', () => {
  it('is stored with its job, and sent by it as its user, once (S1)', async () => {
    const world = new World();
    expect(await world.schedule()).toMatchObject({ ok: true, value: { messages: [{ key: 'k', state: 'open' }] } });
    expect(world.jobs).toEqual([
      { job: expect.any(String) as string, user: me, key: 'k', dueAt: world.user.nowMs + 1_000 },
    ]);
    expect(await world.run()).toEqual({ kind: 'sent' });
    expect(await world.run()).toEqual({ kind: 'nothing' });
    expect(world.sent).toEqual(['me: hello']);
    const list = await world.service.scheduled(me, {});
    expect(list).toMatchObject({
      value: { messages: [{ state: 'sent', gen: 1, seq: world.room.state.head.value.seq }] },
    });
  });

  it('is sent once at most, and is never said to have failed when it was, whichever answers are lost (S3, I4)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 25 }), fc.nat(6), async (losses, runs) => {
        const world = new World();
        await world.schedule();
        world.losses = [...losses];
        // What is lost of the answers ends at some time; jobs run again, also when they were done.
        for (let run = 0; run <= runs; run += 1) await world.run();
        world.losses = [];
        for (let run = 0; run < 2; run += 1) await world.run();
        expect(world.sent).toEqual(['me: hello']);
        expect(world.states).toEqual(['sent']);
      }),
    );
  });

  it('by a user who has left meanwhile fails for good, and tells why (S2, I11)', async () => {
    const world = new World();
    await world.schedule();
    world.room.do({ t: 'leave', user: me });
    expect(await world.run()).toEqual({ kind: 'failed' });
    expect(world.sent).toEqual([]);
    const list = await world.service.scheduled(me, {});
    expect(list).toMatchObject({
      value: { messages: [{ state: 'failed', body: 'hello', error: { code: 'not_member' } }] },
    });
    // Back in again, nothing comes late.
    world.room.do({ t: 'join', user: me });
    expect(await world.run()).toEqual({ kind: 'nothing' });
    expect(world.sent).toEqual([]);
  });

  it('is tried again for what may pass, and given up with the last attempt (S4, I9)', async () => {
    const world = new World();
    await world.schedule();
    world.losses = [true];
    expect(await world.run()).toEqual({ kind: 'again', why: 'the answer was lost' });
    world.room.do({ t: 'settings', by: null, change: { slowModeMs: 60_000 } });
    world.room.do({
      t: 'publishKeyed',
      from: me,
      key: 'x',
      window: world.room.state.keyWindow.value.window,
      type: 'text',
      body: 'now',
    });
    expect(await world.run()).toMatchObject({ kind: 'again' });
    expect(world.states).toEqual(['sending']);
    expect(await world.run(true)).toEqual({ kind: 'failed' });
    const list = await world.service.scheduled(me, {});
    expect(list).toMatchObject({ value: { messages: [{ error: { code: 'slow_mode' } }] } });
    expect(world.sent).toEqual(['me: now']);
  });

  it('that was taken back, or edited, is not sent by its former job', async () => {
    const world = new World();
    await world.schedule();
    await world.service.unschedule(me, { key: 'k' });
    expect(world.removed).toEqual([world.jobs[0]?.job]);
    expect(await world.run()).toEqual({ kind: 'nothing' });
    await world.schedule('l', 'first');
    const [, former] = world.jobs;
    await world.schedule('l', 'second');
    expect(world.removed).toEqual([world.jobs[0]?.job, former?.job]);
    expect(former === undefined ? null : await world.service.sendDue(former, false)).toEqual({ kind: 'nothing' });
    expect(await world.run()).toEqual({ kind: 'sent' });
    expect(world.sent).toEqual(['me: second']);
  });

  it('is refused without a queue, in a lobby, and by who is no member, and leaves no job behind', async () => {
    const world = new World();
    world.isQueueAway = true;
    expect(await world.schedule()).toMatchObject({ ok: false, error: { code: 'unavailable' } });
    expect(world.states).toEqual([]);
    world.isQueueAway = false;
    const lobby = { conversation: '~l' as ConversationId };
    expect(await world.schedule('k', 'x', lobby)).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    expect(await world.schedule('k', 'x', { dueAt: 1 })).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    expect(world.removed).toEqual(world.jobs.map(({ job }) => job));
    world.room.do({ t: 'leave', user: me });
    expect(await world.schedule()).toMatchObject({ ok: false, error: { code: 'not_member' } });
    expect(world.jobs).toHaveLength(1);
  });
});
