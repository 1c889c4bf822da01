import { describe, expect, it } from 'vitest';
import { allBugs, editedFiles, hunt, inBugFolder } from './lib/bugs.mjs';

const bugs = allBugs();

describe('the simulation', () => {
  it('catches each bug that was put into it, with the seed that is recorded for it (I1, I2, I4, I6)', async () => {
    await inBugFolder(async (folder) => {
      for (const bug of bugs) {
        const caught = await hunt(folder, bug, { from: bug.seed, count: 1 });
        expect(caught?.says, `${bug.name}; npm run bugs -- --record finds another seed`).toBe(bug.says);
      }
    });
    expect(bugs.length).toBeGreaterThanOrEqual(8);
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
