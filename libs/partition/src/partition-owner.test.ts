import { generation } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { aServingOwner, anOwner, keyOf } from './testing/an-owner.ts';

const ok = (value: number) => ({ ok: true, value });
const refused = (code: string) => ({ ok: false, error: { code } });

describe('a partition that is claimed', () => {
  it('settles before it serves, and takes commands that came meanwhile', async () => {
    const { owner, store, time, post, claims } = anOwner();
    const early = post('a');
    await time.settle();
    expect(early.outcome).toMatchObject(refused('not_owner'));
    store.isAway = true;
    const claimed = owner.claim();
    const waiting = post('a');
    await time.advance(100);
    expect([owner.isServing, waiting.outcome]).toEqual([false, null]);
    store.isAway = false;
    await time.advance(2_000);
    await claimed;
    await time.settle();
    expect(owner.isServing).toBe(true);
    expect(waiting.outcome).toEqual(ok(1));
    expect(claims).toEqual([{ diffusedTo: 0, commitNo: 1, memoryKept: false, replayed: false }]);
    expect(store.executed.map(({ settle }) => settle?.gen)).toEqual([1, undefined]);
  });

  it('and let go of meanwhile is left as it was found: what was lost of it, who is to own it now decides', async () => {
    const { owner, store, time, post } = await aServingOwner();
    post('a');
    await time.settle();
    owner.abandon('the node ends');
    // Nobody has marked it as stopped cleanly.
    store.run = 'run-2';
    const { executed, moment } = store;
    const commits = executed.length;
    const next = anOwner({}, store, time, 'node-2');
    const claimed = next.owner.claim();
    const stopped = next.owner.stop();
    await time.advance(2_000);
    await Promise.all([claimed, stopped]);
    expect([next.errors, next.claims, executed.length]).toEqual([[], [], commits]);
    expect(store.moment.found).toEqual({ ...moment.found, epoch: moment.found.epoch + 1 });
    const last = await aServingOwner({}, store, time, 'node-3');
    expect(last.owner.gen).toBe(2);
  });

  it('has one commit in flight, and what comes meanwhile becomes one batch behind it (P1)', async () => {
    const { store, time, post } = await aServingOwner();
    store.isHolding = true;
    const first = post('a');
    await time.settle();
    const rest = ['a', 'b', 'a', 'c'].map((name) => post(name));
    await time.settle();
    expect(store.inFlight).toBe(1);
    expect(store.executed).toHaveLength(2);
    store.letGo();
    await time.settle();
    expect(first.outcome).toEqual(ok(1));
    expect(store.inFlight).toBe(1);
    store.letGo();
    await time.settle();
    expect(rest.map(({ outcome }) => outcome)).toEqual([ok(2), ok(1), ok(3), ok(1)]);
    expect(store.executed).toHaveLength(3);
    expect(
      store.executed
        .at(-1)
        ?.writes.map(({ actor }) => actor)
        .sort(),
    ).toEqual(['c:a', 'c:b', 'c:c']);
  });

  it('lets no reply and no effect out before the answer to the commit, a mere read included (P2, I1)', async () => {
    const { store, time, post, left } = await aServingOwner();
    store.isHolding = true;
    post('a');
    await time.settle();
    expect(store.inFlight).toBe(1);
    post('a', 'count');
    await time.settle();
    expect(left).toEqual([]);
    store.letGo();
    await time.settle();
    expect(left).toEqual(['reply 1 to add a', 'effect c:a 1 of 2', 'reply 1 to count a']);
  });

  it('answers each command once, never before post returns', async () => {
    const { time, post } = await aServingOwner();
    const asked = post('a');
    expect(asked.answers).toBe(0);
    await time.advance(10_000);
    expect(asked.answers).toBe(1);
  });

  it('answers what changes nothing without a commit', async () => {
    const { store, time, post } = await aServingOwner();
    const asked = post('a', 'count');
    await time.settle();
    expect(asked.outcome).toEqual(ok(0));
    expect(store.executed).toHaveLength(1);
  });
});

describe('a batch that the store refuses', () => {
  it('leaves no trace: the next one gets the same seq (P3, I2, I3)', async () => {
    const { store, time, post, left } = await aServingOwner();
    store.fates.push({ execute: false, answer: { code: 'unavailable', message: 'OOM' } });
    const first = post('a');
    await time.settle();
    expect(first.outcome).toMatchObject(refused('unavailable'));
    expect(left).toEqual(['reply unavailable to add a']);
    const count = post('a', 'count');
    const second = post('a');
    await time.settle();
    expect(count.outcome).toEqual(ok(0));
    expect(second.outcome).toEqual(ok(1));
    expect(store.executed.map(({ commitNo }) => commitNo)).toEqual([1, 2]);
  });

  it('lets its actors rest again (I9)', async () => {
    const { store, time, post, resting } = await aServingOwner();
    store.fates.push({ execute: false, answer: { code: 'unavailable', message: 'OOM' } });
    post('a');
    await time.settle();
    await time.advance(2_000);
    expect(resting.size).toBe(1);
  });

  it('for a conflict: what is in memory was wrong, so it is read again', async () => {
    const { store, time, post } = await aServingOwner();
    post('a');
    await time.settle();
    store.fates.push({ execute: false, answer: { code: 'conflict', message: 'another head' } });
    const asked = post('a');
    const loads = store.loads;
    await time.settle();
    expect(asked.outcome).toMatchObject(refused('unavailable'));
    const again = post('a');
    await time.settle();
    expect(store.loads).toBe(loads + 1);
    expect(again.outcome).toEqual(ok(2));
  });
});

describe('a commit whose answer was lost', () => {
  it.each([true, false])(
    'is sent again as it was and answered once, when it was executed: %s (P4, I5)',
    async (execute) => {
      const { store, time, post, left } = await aServingOwner();
      store.fates.push({ execute, answer: { code: 'unknown', message: 'reset by peer' } });
      const asked = post('a');
      const behind = post('b');
      await time.settle();
      await time.advance(5_000);
      expect([asked.outcome, asked.answers, behind.outcome]).toEqual([ok(1), 1, ok(1)]);
      const sent = store.sent.filter(({ writes }) => writes.length > 0);
      const [first, second] = sent;
      expect(second).toEqual({ ...first, token: second?.token });
      expect(second?.token.epoch).toBeGreaterThan(first?.token.epoch ?? 0);
      expect(store.executed.filter(({ commitId }) => commitId === first?.commitId)).toHaveLength(1);
      expect(left.filter((line) => line.startsWith('effect c:a'))).toEqual(['effect c:a 1 of 2']);
    },
  );

  it('is not answered while the store is away, however long (I5)', async () => {
    const { store, time, post } = await aServingOwner();
    store.isHolding = true;
    const asked = post('a');
    await time.settle();
    store.isHolding = false;
    store.isAway = true;
    store.fates.push({ execute: false });
    store.letGo();
    const lost = post('a');
    await time.advance(30_000);
    expect(asked.outcome).toEqual(ok(1));
    expect(lost.outcome).toBeNull();
    store.isAway = false;
    await time.advance(5_000);
    expect(lost.outcome).toEqual(ok(2));
  });

  it('is claimed for as soon as the store is said to be back, not when its next try would be due', async () => {
    const { owner, store, time, post } = await aServingOwner();
    store.isHolding = true;
    post('a');
    await time.settle();
    store.isHolding = false;
    store.isAway = true;
    store.fates.push({ execute: false });
    store.letGo();
    const lost = post('a');
    await time.advance(30_000);
    store.isAway = false;
    const { claims } = store;
    // Between two tries: nothing happens by itself.
    await time.settle();
    expect([owner.isServing, lost.outcome, store.claims]).toEqual([false, null, claims]);
    owner.reclaim();
    await time.settle();
    expect([owner.isServing, lost.outcome, store.claims]).toEqual([true, ok(2), claims + 1]);
  });

  it('is refused, and its state dropped, when another owner has committed since', async () => {
    const { store, time, post } = await aServingOwner();
    store.fates.push({ execute: false, answer: { code: 'unknown', message: 'reset by peer' } });
    store.isHolding = true;
    const asked = post('a');
    await time.settle();
    store.isHolding = false;
    const other = await aServingOwner({}, store, time, 'node-two');
    other.post('a');
    other.post('a');
    await time.settle();
    store.letGo();
    await time.advance(1_000);
    expect([asked.outcome, asked.answers]).toMatchObject([refused('unavailable'), 1]);
    const count = post('a', 'count');
    await time.settle();
    expect(count.outcome).toEqual(ok(2));
  });

  it('survives an unsure settling, too: nothing is executed twice (I5)', async () => {
    const { store, time, post } = await aServingOwner();
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'the commit' } });
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'the commit again' } });
    store.fates.push({ execute: true });
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'the settling commit' } });
    const asked = post('a');
    await time.advance(5_000);
    expect([asked.outcome, asked.answers]).toEqual([ok(1), 1]);
    const more = post('a');
    await time.advance(1_000);
    expect(more.outcome).toEqual(ok(2));
    const numbers = store.executed.map(({ commitNo }) => commitNo);
    expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  });
});

describe('an owner that is fenced', () => {
  it('by a higher epoch refuses everything and serves nothing any more (P5)', async () => {
    const { owner, store, time, post, left } = await aServingOwner();
    post('a');
    await time.settle();
    const other = await aServingOwner({}, store, time, 'node-two');
    const asked = post('a');
    const read = post('b', 'count');
    await time.settle();
    const late = post('a', 'count');
    await time.advance(10_000);
    expect([asked.outcome, read.outcome, late.outcome]).toMatchObject(Array(3).fill(refused('not_owner')));
    expect(owner.isServing).toBe(false);
    expect(left.at(-1)).toBe('reply not_owner to count a');
    expect(left.filter((line) => line.startsWith('lost'))).toEqual(['lost: another node owns partition 0']);
    expect(left.filter((line) => line.startsWith('effect'))).toEqual(['effect c:a 1 of 2']);
    const mine = other.post('a');
    await time.settle();
    expect(mine.outcome).toEqual(ok(2));
  });

  it('by a lower one was rolled back with the store: it claims above and replays (P4)', async () => {
    const { owner, store, time, post } = await aServingOwner();
    for (let count = 0; count < 3; count += 1) {
      post('a');
      await time.settle();
    }
    const before = store.moment;
    store.goBackTo({ ...before, found: { ...before.found, epoch: 0 } });
    const epoch = owner.epoch;
    const asked = post('a');
    await time.advance(2_000);
    expect(asked.outcome).toEqual(ok(4));
    expect(owner.epoch).toBeGreaterThan(epoch);
  });
});

describe('a store that lost acknowledged commits', () => {
  it('gets them again from memory, in the same generation, at the same seqs (I3)', async () => {
    const { owner, store, time, post, claims } = await aServingOwner();
    post('a');
    await time.settle();
    const early = store.moment;
    for (const name of ['a', 'b', 'a']) {
      post(name);
      await time.settle();
    }
    store.goBackTo(early, 'run-2');
    const asked = post('a');
    await time.advance(2_000);
    expect(asked.outcome).toEqual(ok(4));
    expect(owner.gen).toBe(1);
    expect(store.moment.actors.get(keyOf('a'))?.head).toMatchObject({ gen: 1, seq: 4 });
    expect(store.moment.actors.get(keyOf('b'))?.head).toMatchObject({ gen: 1, seq: 1 });
    expect(claims.at(-1)).toMatchObject({ memoryKept: true, replayed: true });
    expect(store.moment.found.recovering).toBe(0);
  });

  it('has what was lost and replayed followed up again, though it had reached its destinations (I6)', async () => {
    const { owner, store, time, post, claims } = await aServingOwner({ cursorIdleMs: 100 });
    post('a');
    await time.settle();
    const early = store.moment;
    for (let commitNo = 3; commitNo <= 5; commitNo += 1) {
      post('a');
      await time.settle();
      owner.diffused(commitNo);
    }
    await time.advance(1_000);
    store.goBackTo(early, 'run-2');
    // The answer to the replay is lost: what the next claim finds does not tell of it any more.
    store.fates.push({ execute: true }, ...Array.from({ length: 4 }, () => ({ execute: true })));
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'lost' } });
    post('a');
    await time.advance(5_000);
    expect(claims.at(-1)).toMatchObject({ diffusedTo: 2, memoryKept: true, replayed: true });
    owner.reclaim();
    await time.advance(1_000);
    expect(claims.at(-1)).toMatchObject({ diffusedTo: 5, memoryKept: true, replayed: false });
  });

  it('owes its sources a question for as long as they were not asked, over restarts', async () => {
    const first = await aServingOwner({ held: { ageMsMax: 0, bytesMax: 0 } });
    const { store, time } = first;
    const early = store.moment;
    first.post('a');
    await time.advance(100);
    store.goBackTo(early, 'run-2');
    first.post('a');
    await time.advance(1_000);
    expect([first.owner.gen, first.owner.recovering, store.moment.found.recovering]).toEqual([2, 2, 2]);
    first.owner.abandon('killed');
    const second = await aServingOwner({}, store, time, 'node-two');
    expect([second.owner.gen, second.owner.recovering]).toEqual([2, 2]);
    second.owner.recovered(generation(1));
    await time.advance(5_000);
    expect(store.moment.found.recovering).toBe(2);
    second.owner.recovered(generation(2));
    await time.settle();
    expect([second.owner.recovering, store.moment.found.recovering]).toEqual([0, 0]);
    const commits = store.executed.length;
    await time.advance(5_000);
    expect(store.executed).toHaveLength(commits);
  });

  it('and with them that a generation had begun, begins another one than that', async () => {
    const { owner, store, time, known } = await aServingOwner();
    known.gen = 4;
    owner.reclaim();
    await time.advance(1_000);
    expect([owner.gen, store.moment.found.recovering]).toEqual([5, 5]);
  });

  it('does not know what was loaded from it before that was noticed, once they are back (P5, I3)', async () => {
    const { store, time, post, resting, errors } = await aServingOwner();
    const early = store.moment;
    post('a');
    await time.settle();
    await time.advance(2_000);
    resting.forget(0);
    store.goBackTo(early, 'run-2');
    post('a', 'count');
    await time.settle();
    post('b');
    await time.advance(2_000);
    const asked = post('a');
    await time.advance(2_000);
    expect(asked.outcome).toEqual(ok(2));
    expect(errors).toEqual([]);
  });

  it('refuses what was decided on such a load, and does not send it for ever (I5)', async () => {
    const { owner, store, time, post, resting, claims } = await aServingOwner();
    const early = store.moment;
    post('a');
    await time.settle();
    await time.advance(2_000);
    resting.forget(0);
    store.goBackTo(early, 'run-2');
    const stale = post('a');
    await time.advance(2_000);
    expect(stale.outcome).toMatchObject(refused('unavailable'));
    expect([owner.isServing, owner.gen, claims.at(-1)?.memoryKept]).toEqual([true, 1, false]);
    const again = post('a');
    await time.advance(2_000);
    expect(again.outcome).toEqual(ok(2));
  });

  it('begins a generation when they are no longer held, and goes on above what survived (I3)', async () => {
    const { owner, store, time, post, claims } = await aServingOwner({ held: { ageMsMax: 1_000, bytesMax: 1e6 } });
    post('a');
    await time.settle();
    const early = store.moment;
    for (let count = 0; count < 3; count += 1) {
      post('a');
      await time.advance(2_000);
    }
    store.goBackTo(early, 'run-2');
    const lost = post('a');
    await time.advance(2_000);
    expect(lost.outcome).toMatchObject(refused('unavailable'));
    const asked = post('a');
    await time.settle();
    expect(asked.outcome).toEqual(ok(2));
    expect(owner.gen).toBe(2);
    expect(store.moment.actors.get(keyOf('a'))?.head).toEqual({
      gen: 2,
      seq: 2,
      first: 2,
      past: [{ gen: 1, first: 1, last: 1 }],
    });
    expect(claims.at(-1)?.memoryKept).toBe(false);
  });

  it('keeps owing that generation when the commit that begins it does not get in at first', async () => {
    const { owner, store, time, post } = await aServingOwner({ held: { ageMsMax: 1_000, bytesMax: 1e6 } });
    const early = store.moment;
    for (let count = 0; count < 3; count += 1) {
      post('a');
      await time.advance(2_000);
    }
    // The same run: the store alone would not tell that anything was lost.
    store.goBackTo(early);
    store.fates.push({ execute: true }, { execute: false, answer: { code: 'unavailable', message: 'OOM' } });
    post('a');
    await time.advance(5_000);
    expect([owner.isServing, owner.gen]).toEqual([true, 2]);
  });

  it('and those of another owner with them: what is left of them in memory is not all of it', async () => {
    const { owner, store, time, post } = await aServingOwner();
    post('a');
    await time.settle();
    const other = await aServingOwner({}, store, time, 'node-two');
    const claimedByOther = store.moment.found.epoch;
    other.post('a');
    await time.settle();
    const before = { ...store.moment.found, commitNo: 2, commitId: store.executed[1]?.commitId ?? '' };
    other.owner.abandon('killed');
    // The claim of the other one is still there, and nothing that it committed.
    const actors = new Map([[keyOf('a'), { head: store.executed[1]?.writes[0]?.head as never, fields: new Map() }]]);
    store.goBackTo({ found: { ...before, epoch: claimedByOther }, actors }, 'run-2');
    owner.reclaim();
    await time.advance(2_000);
    expect([owner.isServing, owner.gen]).toEqual([true, 2]);
  });

  it('is known to have lost them by the next owner, too', async () => {
    const first = await aServingOwner();
    first.post('a');
    await first.time.settle();
    const early = first.store.moment;
    first.post('a');
    await first.time.settle();
    first.owner.abandon('killed');
    first.store.goBackTo(early, 'run-2');
    const second = await aServingOwner({}, first.store, first.time, 'node-two');
    expect(second.owner.gen).toBe(2);
  });
});

describe('a handler that throws', () => {
  it('costs its own command alone: the others of the batch are decided without it', async () => {
    const { store, time, post, errors } = await aServingOwner();
    const asked = [post('a'), post('a', 'bug'), post('b'), post('a'), post('b', 'bug')];
    await time.settle();
    expect(asked.map(({ outcome }) => outcome)).toMatchObject([
      ok(1),
      refused('poison'),
      ok(1),
      ok(2),
      refused('poison'),
    ]);
    expect(store.executed.at(-1)?.writes.map(({ head }) => head.seq)).toEqual([2, 1]);
    expect(store.executed.at(-1)?.deadLetters).toHaveLength(2);
    expect(new TextDecoder().decode(store.executed.at(-1)?.deadLetters[0])).toContain('a bug in a handler');
    expect(errors).toHaveLength(2);
  });

  it('is kept as a dead letter even when nothing else happened', async () => {
    const { store, time, post } = await aServingOwner();
    post('a', 'bug');
    await time.settle();
    expect(store.executed.at(-1)?.deadLetters).toHaveLength(1);
    expect(store.executed.at(-1)?.writes).toEqual([]);
  });
});

describe('an owner with too much to do', () => {
  it('refuses what does not fit its queues, and nothing that it took (I9)', async () => {
    const { store, time, post } = await aServingOwner({ mailboxMax: 3, partitionMailMax: 5 });
    store.isHolding = true;
    const inFlight = post('a');
    await time.settle();
    const mine = [1, 2, 3, 4].map(() => post('a'));
    const others = [post('b'), post('c'), post('d')];
    store.isHolding = false;
    store.letGo();
    await time.settle();
    expect([inFlight, ...mine].map(({ outcome }) => outcome?.ok)).toEqual([true, true, true, true, false]);
    expect(mine[3]?.outcome).toMatchObject(refused('overloaded'));
    expect(others.map(({ outcome }) => outcome?.ok)).toEqual([true, true, false]);
  });

  it('refuses clients, but not what helps it to catch up, while followers of the changefeed lag', async () => {
    const { owner, time, post } = await aServingOwner({ undiffusedCommitsMax: 2 });
    for (let count = 0; count < 2; count += 1) {
      post('a');
      await time.settle();
    }
    const client = post('a');
    const followUp = post('a', 'add', 'follow-up');
    await time.settle();
    expect(client.outcome).toMatchObject(refused('overloaded'));
    expect(followUp.outcome).toEqual(ok(3));
    owner.diffused(4);
    const again = post('a');
    await time.settle();
    expect(again.outcome).toEqual(ok(4));
  });

  it('does not take a partition that is being claimed for one whose followers lag', async () => {
    const first = await aServingOwner();
    for (let count = 0; count < 5; count += 1) {
      first.post('a');
      await first.time.settle();
    }
    first.owner.diffused(6);
    await first.time.advance(1_000);
    await first.owner.stop();
    const { store, time } = first;
    const next = anOwner({ undiffusedCommitsMax: 3 }, store, time, 'node-2');
    store.isHolding = true;
    const claimed = next.owner.claim();
    await time.settle();
    expect([store.inFlight, next.owner.isServing]).toEqual([1, false]);
    const early = next.post('a');
    store.isHolding = false;
    store.letGo();
    await claimed;
    await time.settle();
    expect(early.outcome).toEqual(ok(6));
  });

  it('takes turns: a busy actor does not hold up the others', async () => {
    const { store, time, post } = await aServingOwner({ batchCommandsPerActorMax: 2, batchCommandsMax: 5 });
    store.isHolding = true;
    post('z');
    await time.settle();
    for (let count = 0; count < 6; count += 1) post('busy');
    const other = post('quiet');
    await time.settle();
    store.letGo();
    await time.settle();
    store.letGo();
    await time.settle();
    expect(other.outcome).toEqual(ok(1));
  });
});

describe('the diffusion cursor', () => {
  it('rides on the next commit', async () => {
    const { owner, store, time, post } = await aServingOwner();
    post('a');
    await time.settle();
    owner.diffused(2);
    post('a');
    await time.settle();
    expect(store.executed.at(-1)?.diffusedTo).toBe(2);
  });

  it('tells actors what is not followed up again: what is stored as passed, and too old to be replayed', async () => {
    const ageMsMax = 5_000;
    const held = { ageMsMax, bytesMax: 1_000_000 };
    const { owner, store, time, post, heard } = await aServingOwner({ cursorIdleMs: 600_000, held });
    const hear = async (): Promise<unknown> => {
      post('a');
      await time.settle();
      return heard.at(-1);
    };
    expect(await hear()).toEqual({ token: '1:node-1-1', last: 1, doneTo: 0 });
    owner.diffused(2);
    await time.advance(ageMsMax);
    expect(await hear()).toMatchObject({ last: 2, doneTo: 0 });
    await time.advance(1);
    // Stored with commit 3, and commits 1 and 2 were held until commit 4.
    expect(await hear()).toMatchObject({ last: 3, doneTo: 0 });
    expect(await hear()).toMatchObject({ last: 4, doneTo: 2 });
    owner.diffused(5);
    await hear();
    await time.advance(ageMsMax + 1);
    await hear();
    const early = store.moment;
    owner.diffused(7);
    await hear();
    owner.diffused(8);
    expect(await hear()).toMatchObject({ last: 8, doneTo: 6 });
    // What is replayed is followed up once more.
    store.goBackTo(early, 'run-2');
    owner.reclaim();
    await time.advance(ageMsMax + 1);
    await hear();
    const replayed = owner.commitNo;
    expect(await hear()).toEqual({ token: '2:node-1-2', last: replayed, doneTo: 7 });
    owner.diffused(8);
    expect(await hear()).toMatchObject({ doneTo: 8 });
  });

  it('leaves what it has passed lately in the changefeed, for who loses it (I6)', async () => {
    const { owner, store, time, post } = await aServingOwner({ feedKeptMs: 10_000, feedKeptCommitsMax: 5 });
    const kept: unknown[] = [];
    for (let commitNo = 2; commitNo <= 12; commitNo += 1) {
      post('a');
      await time.settle();
      owner.diffused(commitNo - 1);
      kept.push(store.executed.at(-1)?.feedFrom);
    }
    expect(kept.slice(0, 6)).toEqual([null, 1, 1, 1, 1, 1]);
    expect(kept.at(-1)).toBe(6);
    await time.advance(20_000);
    post('a');
    await time.settle();
    owner.diffused(13);
    post('a');
    await time.settle();
    expect(store.executed.at(-1)).toMatchObject({ diffusedTo: 13, feedFrom: 12 });
  });

  it('is stored before long without one, and never goes back', async () => {
    const { owner, store, time, post } = await aServingOwner({ cursorIdleMs: 500 });
    post('a');
    await time.settle();
    owner.diffused(2);
    owner.diffused(1);
    await time.advance(600);
    expect(store.moment.found.diffusedTo).toBe(2);
    expect(store.executed.at(-1)).toMatchObject({ writes: [], diffusedTo: 2 });
    const commits = store.executed.length;
    await time.advance(5_000);
    expect(store.executed).toHaveLength(commits);
  });

  it('lets a partition rest: what it stores is no reason to store more, and the changefeed is trimmed in the end', async () => {
    const { owner, store, time, post } = await aServingOwner({ cursorIdleMs: 500, feedKeptMs: 10_000 });
    /** As the diffuser does: a commit that has nothing for anybody is passed at once. */
    const rest = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 100) {
        owner.diffused(owner.commitNo);
        await time.advance(100);
      }
    };
    post('a');
    await time.settle();
    const last = owner.commitNo;
    await rest(9_000);
    expect(store.moment.found.diffusedTo).toBe(last);
    expect(owner.commitNo).toBe(last + 1);
    await rest(200_000);
    // Up to the last commit that had anything for a follower, and no further: who has followed it there missed nothing.
    expect(store.executed.at(-1)?.feedFrom).toBe(last + 1);
    expect(owner.feedTrimmedTo).toBe(last);
    expect(store.moment.found.feedTrimmedTo).toBe(last);
    expect(owner.commitNo).toBeLessThan(last + 5);
  });

  it('that is due when a commit has just stored it is due no more', async () => {
    const { owner, store, time, post } = await aServingOwner({ cursorIdleMs: 500 });
    post('a');
    await time.settle();
    owner.diffused(2);
    store.isHolding = true;
    post('a');
    await time.settle();
    await time.advance(600);
    store.isHolding = false;
    store.letGo();
    await time.settle();
    expect(store.moment.found.diffusedTo).toBe(2);
    const stopped = owner.stop();
    await time.settle();
    await stopped;
    expect(store.executed.at(-1)?.writes).toHaveLength(1);
  });
});

describe('an owner past its lease', () => {
  it('serves nothing, not even from memory, until the lease is renewed (P5, I10)', async () => {
    const { store, time, lease, post } = await aServingOwner();
    post('a');
    await time.settle();
    lease.isHeld = false;
    const read = post('a', 'count');
    const write = post('a');
    await time.settle();
    expect([read.outcome, write.outcome]).toMatchObject([refused('unavailable'), refused('unavailable')]);
    expect(store.sent).toHaveLength(2);
    lease.isHeld = true;
    const again = post('a', 'count');
    await time.settle();
    expect(again.outcome).toEqual(ok(1));
  });

  it('neither claims nor sends a commit again, which would fence out who has the lease now (P5)', async () => {
    const { owner, store, time, lease, post } = await aServingOwner();
    store.fates.push({ execute: true, answer: { code: 'unknown', message: 'paused here' } });
    const asked = post('a');
    store.isHolding = true;
    await time.settle();
    lease.isHeld = false;
    store.isHolding = false;
    store.letGo();
    const { claims } = store;
    await time.advance(10_000);
    expect([store.claims, asked.outcome, owner.isServing]).toEqual([claims, null, false]);
    lease.isHeld = true;
    await time.advance(2_000);
    expect(asked.outcome).toEqual(ok(1));
  });

  it('does not keep a stop waiting', async () => {
    const { owner, store, time, lease, post } = await aServingOwner();
    post('a');
    await time.settle();
    owner.diffused(2);
    lease.isHeld = false;
    let stopped = false;
    void owner.stop().then(() => {
      stopped = true;
    });
    await time.advance(5_000);
    expect([stopped, store.released.length]).toEqual([true, 1]);
  });
});

describe('an owner that is abandoned', () => {
  it('while it stops and cannot claim again does not keep that stop waiting', async () => {
    const { owner, time, lease, post } = await aServingOwner();
    post('a');
    let stopped = false;
    void owner.stop().then(() => {
      stopped = true;
    });
    lease.isHeld = false;
    owner.reclaim();
    await time.advance(5_000);
    expect(stopped).toBe(false);
    owner.abandon('another run has this node\u2019s name');
    await time.settle();
    expect(stopped).toBe(true);
  });
});

describe('reclaim', () => {
  it('finds out whether another owner was there, before anything is answered from memory (P5)', async () => {
    const { owner, store, time, post } = await aServingOwner();
    post('a');
    await time.settle();
    const other = await aServingOwner({}, store, time, 'node-two');
    other.post('a');
    await time.settle();
    owner.reclaim();
    const read = post('a', 'count');
    await time.advance(1_000);
    expect(read.outcome).toEqual(ok(2));
  });

  it('waits for the answer to a commit in flight, and happens then', async () => {
    const { owner, store, time, post } = await aServingOwner();
    store.isHolding = true;
    const asked = post('a');
    await time.settle();
    owner.reclaim();
    const { claims } = store;
    await time.settle();
    expect(store.claims).toBe(claims);
    store.isHolding = false;
    store.letGo();
    await time.advance(1_000);
    expect(asked.outcome).toEqual(ok(1));
    expect([store.claims, owner.isServing]).toEqual([claims + 1, true]);
  });
});

describe('stop', () => {
  it('finishes what was taken, stores the cursor, and releases', async () => {
    const { owner, store, time, post } = await aServingOwner();
    store.isHolding = true;
    const taken = [post('a'), post('b')];
    await time.settle();
    taken.push(post('a'));
    let stopped = false;
    const done = owner.stop().then(() => {
      stopped = true;
    });
    const late = post('a');
    await time.settle();
    expect(stopped).toBe(false);
    owner.diffused(1);
    store.isHolding = false;
    store.letGo();
    await time.settle();
    await done;
    expect(taken.map(({ outcome }) => outcome)).toEqual([ok(1), ok(1), ok(2)]);
    expect(late.outcome).toMatchObject(refused('not_owner'));
    expect(store.released.map(({ epoch }) => epoch)).toEqual([owner.epoch]);
    expect(owner.isServing).toBe(false);
  });

  it('after being abandoned releases nothing: it is not the owner any more', async () => {
    const { owner, store, time } = await aServingOwner();
    owner.abandon('another node owns the partition now');
    await owner.stop();
    await time.settle();
    expect(store.released).toEqual([]);
  });
});

describe('an actor that cannot be loaded', () => {
  it('because the store is away is asked for again by the next command', async () => {
    const { store, time, post } = await aServingOwner();
    store.isAway = true;
    const asked = [post('a'), post('a')];
    await time.settle();
    expect(asked.map(({ outcome }) => outcome)).toMatchObject([refused('unavailable'), refused('unavailable')]);
    store.isAway = false;
    const again = post('a');
    await time.settle();
    expect(again.outcome).toEqual(ok(1));
  });

  it('because its record cannot be read costs its own commands alone', async () => {
    const { time, post, errors } = await aServingOwner();
    const broken = post('broken');
    const other = post('a');
    await time.settle();
    expect(broken.outcome).toMatchObject(refused('poison'));
    expect(other.outcome).toEqual(ok(1));
    expect(errors).toHaveLength(1);
  });
});
