import { describe, expect, it } from 'vitest';
import { allBugs, editedFiles, hunt, inBugFolder } from './lib/bugs.mjs';

const bugs = allBugs();

/** Of the others `npm run bugs` tells: what takes so many seeds is no matter for every test run. */
const SEEDS_MAX = 100;

describe('the simulation', () => {
  it('catches each bug that was put into it and does not need many seeds (I1, I2, I4, I6)', async () => {
    const frequent = bugs.filter(({ seed }) => seed <= SEEDS_MAX);
    await inBugFolder(async (folder) => {
      for (const bug of frequent) {
        // A change of the program moves the seeds: one that is near will do.
        const caught = await hunt(folder, bug, { from: 1, count: 4 * bug.seed + 20 });
        expect(caught, `${bug.name}; npm run bugs -- --record finds the seed again`).not.toBeNull();
      }
    });
    expect(frequent.length).toBeGreaterThanOrEqual(7);
  }, 120_000);

  it('has nothing to say of a program without a bug', async () => {
    const sound = { name: '', guards: '', seed: 1, says: '', edits: [] };
    expect(await inBugFolder((folder) => hunt(folder, sound, { from: 1, count: 5 }))).toBeNull();
  });

  it('has bugs of the functions in Redis that still find their text', () => {
    const inRedis = bugs.flatMap(({ inRedis: edits = [] }) => edits);
    expect(inRedis.length).toBeGreaterThan(0);
    for (const edit of inRedis) expect(editedFiles([edit]).size).toBe(1);
  });
});
