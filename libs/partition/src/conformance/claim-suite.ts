import { generation, utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { encodeOwnerToken } from '../owner-token.ts';
import { actorKey, APartition, appending, commitIdOf, nowhere } from './a-partition.ts';
import type { StoresUnderTest } from './stores-under-test.ts';

export function claimSuite(stores: () => StoresUnderTest): void {
  describe('a claim', () => {
    it('of a new partition finds nothing and begins with epoch 1', async () => {
      const answer = await new APartition(stores()).claim();
      expect(answer.token.epoch).toBe(1);
      expect(answer.token.uuid).toMatch(/^[0-9a-f]{32}$/);
      expect(answer.run).toMatch(/^\w+\/\w+$/);
      expect(answer.found).toEqual({
        epoch: 0,
        commitNo: 0,
        commitId: '',
        gen: 0,
        run: '',
        level: 'memory',
        releasedIn: 0,
        diffusedTo: 0,
        feedTrimmedTo: null,
        recovering: 0,
      });
    });

    it('is above the stored epoch and above the given one, with a new uuid each time (I2)', async () => {
      const partition = new APartition(stores());
      const first = await partition.claim();
      const second = await partition.claim();
      const third = await partition.claim(41);
      const fourth = await partition.claim(3);
      expect([second, third, fourth].map(({ token }) => token.epoch)).toEqual([2, 42, 43]);
      expect(new Set([first, second, third, fourth].map(({ token }) => token.uuid)).size).toBe(4);
      expect(fourth.found.epoch).toBe(42);
    });

    it('finds what the last commit left', async () => {
      const partition = new APartition(stores());
      const { run } = await partition.claim();
      await partition.stored([], { settle: { gen: generation(3), run, level: 'disk' } });
      await partition.stored([appending(actorKey('c:room'), nowhere, ['one'])], { feed: utf8('f') });
      await partition.stored([], { diffusedTo: 2, feedFrom: 2 });
      const { found } = await partition.claim();
      expect(found).toEqual({
        epoch: 1,
        commitNo: 3,
        commitId: commitIdOf(3),
        gen: 3,
        run,
        level: 'disk',
        releasedIn: 0,
        diffusedTo: 2,
        feedTrimmedTo: 1,
        recovering: 0,
      });
    });

    it('that is not settled leaves what it found for the next one (I2)', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await partition.stored([], { settle: { gen: generation(5), run: 'an-older/run', level: 'replicated' } });
      await stores().partitions.release(partition.id, partition.token, partition.commitNo, 7);
      const first = await partition.claim();
      const second = await partition.claim();
      expect({ ...second.found, epoch: 0 }).toEqual({ ...first.found, epoch: 0 });
      expect(second.found).toMatchObject({ gen: 5, run: 'an-older/run', level: 'replicated', releasedIn: 7 });
    });

    it('finds what a loss left to do until a commit says that it is done', async () => {
      const partition = new APartition(stores());
      const { run } = await partition.claim();
      const settle = { gen: generation(2), run, level: 'memory' } as const;
      await partition.stored([], { settle, recovering: generation(2) });
      await partition.stored([]);
      await stores().partitions.release(partition.id, partition.token, partition.commitNo, 7);
      expect((await partition.claim()).found.recovering).toBe(2);
      await partition.stored([], { settle });
      expect((await partition.claim()).found.recovering).toBe(2);
      await partition.stored([], { recovering: generation(0) });
      expect((await partition.claim()).found.recovering).toBe(0);
    });

    it('tells the same run as long as the store was not restarted', async () => {
      const one = await new APartition(stores(), 1).claim();
      const two = await new APartition(stores(), 2).claim();
      expect(one.run).toBe(two.run);
    });
  });

  describe('a release', () => {
    it('marks a clean stop until the next commit', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await partition.stored([]);
      await stores().partitions.release(partition.id, partition.token, partition.commitNo, 7);
      expect((await partition.claim()).found.releasedIn).toBe(7);
      await partition.stored([]);
      expect((await partition.claim()).found.releasedIn).toBe(0);
    });

    it('is taken back by a commit of the owner that released', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await stores().partitions.release(partition.id, partition.token, partition.commitNo, 7);
      await partition.stored([]);
      expect((await partition.claim()).found.releasedIn).toBe(0);
    });

    it('of a store that is behind its owner\u2019s last commit marks nothing (I3)', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await partition.stored([]);
      await stores().partitions.release(partition.id, partition.token, partition.commitNo + 1, 7);
      expect((await partition.claim()).found.releasedIn).toBe(0);
    });

    it('by an owner that was replaced marks nothing (I2)', async () => {
      const partition = new APartition(stores());
      const { token } = await partition.claim();
      await partition.claim();
      await stores().partitions.release(partition.id, token, partition.commitNo, 7);
      expect((await partition.claim()).found.releasedIn).toBe(0);
    });
  });

  describe('the changefeed', () => {
    it('holds one entry for each commit that has one, by commit number', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      for (let count = 1; count <= 12; count += 1) {
        await partition.stored([], { feed: count % 3 === 0 ? null : Uint8Array.of(count, 0, 255) });
      }
      expect((await partition.feed()).map(({ commitNo }) => commitNo)).toEqual([1, 2, 4, 5, 7, 8, 10, 11]);
      expect((await partition.feed(5, 3)).map(({ commitNo, data }) => [commitNo, ...data])).toEqual([
        [7, 7, 0, 255],
        [8, 8, 0, 255],
        [10, 10, 0, 255],
      ]);
      expect(await partition.feed(11)).toEqual([]);
    });

    it('may end before the last commit, which is told apart, with the last claim', async () => {
      const [partition, other] = [new APartition(stores(), 1), new APartition(stores(), 11)];
      expect(await partition.stands()).toEqual({ token: '', commitNo: 0 });
      await partition.claim();
      await other.claim();
      for (const feed of [utf8('one'), null, null]) await partition.stored([], { feed });
      expect(await partition.stands()).toEqual({ token: encodeOwnerToken(partition.token), commitNo: 3 });
      expect((await partition.feed()).map(({ commitNo }) => commitNo)).toEqual([1]);
      expect(await other.stands()).toEqual({ token: encodeOwnerToken(other.token), commitNo: 0 });
      await partition.claim();
      expect(await partition.stands()).toEqual({ token: encodeOwnerToken(partition.token), commitNo: 3 });
    });

    it('keeps what the diffusion cursor has passed until it is trimmed, and goes on behind that', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      for (let count = 1; count <= 5; count += 1) await partition.stored([], { feed: utf8(String(count)) });
      await partition.stored([], { diffusedTo: 4 });
      expect((await partition.feed()).map(({ commitNo }) => commitNo)).toEqual([1, 2, 3, 4, 5]);
      await partition.stored([], { diffusedTo: 5, feedFrom: 4 });
      expect((await partition.feed()).map(({ commitNo }) => commitNo)).toEqual([4, 5]);
      await partition.stored([], { diffusedTo: 7, feedFrom: 8 });
      expect(await partition.feed()).toEqual([]);
      await partition.stored([], { feed: utf8('9') });
      expect((await partition.feed()).map(({ commitNo }) => commitNo)).toEqual([9]);
    });

    it('of one partition is not another one\u2019s', async () => {
      const [one, two] = [new APartition(stores(), 1), new APartition(stores(), 11)];
      await one.claim();
      await two.claim();
      await one.stored([], { feed: utf8('one') });
      expect(await two.feed()).toEqual([]);
    });

    it('is not disturbed by dead letters', async () => {
      const partition = new APartition(stores());
      await partition.claim();
      await partition.stored([], { feed: utf8('f'), deadLetters: [utf8('poison'), Uint8Array.of(255)] });
      await partition.stored([], { deadLetters: [utf8('more')] });
      expect(await partition.feed()).toHaveLength(1);
    });
  });
}
