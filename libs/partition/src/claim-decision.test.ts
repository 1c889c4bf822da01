import { generation, type Generation } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { decideClaim as decideBy, type CommitMark, type OwnerMemory } from './claim-decision.ts';
import type { ClaimAnswer, ClaimFound } from './commit.ts';

/** The version of the view that gave the partition to its owner before. */
const PREDECESSOR = 5;
/** By a node that has heard of no generation. */
const decideClaim = (answer: ClaimAnswer, memory: OwnerMemory | null, precededBy = PREDECESSOR) =>
  decideBy(answer, memory, generation(0), precededBy);
const decideKnowing = (answer: ClaimAnswer, memory: OwnerMemory | null, known: Generation) =>
  decideBy(answer, memory, known, PREDECESSOR);
const idOf = (commitNo: number): string => commitNo.toString(16).padStart(16, 'a');
const mark = (commitNo: number): CommitMark => ({ commitNo, commitId: idOf(commitNo) });

function answer(found: Partial<Omit<ClaimFound, 'gen'>> & { gen?: number }, run = 'run-1'): ClaimAnswer {
  const commitNo = found.commitNo ?? 10;
  return {
    token: { epoch: 9, uuid: 'f'.repeat(32) },
    run,
    found: {
      epoch: 8,
      commitNo,
      commitId: idOf(commitNo),
      run: 'run-1',
      level: 'memory',
      releasedIn: 0,
      diffusedTo: 0,
      feedTrimmedTo: null,
      recovering: generation(0),
      ...found,
      gen: generation(found.gen ?? 3),
    },
  };
}

/** Remembers the commits `from`..10, of which 10 is acknowledged. */
function memory(from: number, pending: CommitMark | null = null): OwnerMemory {
  return {
    acknowledged: mark(10),
    pending,
    gen: generation(3),
    run: 'run-1',
    isSole: true,
    idOf: (commitNo) => (commitNo >= from - 1 && commitNo <= 10 ? idOf(commitNo) : null),
    holdsFrom: (commitNo) => commitNo >= from && commitNo <= 11,
  };
}

describe('a claim by who did not own the partition before', () => {
  it('begins the first generation of a partition that was never claimed', () => {
    const found = { gen: 0, commitNo: 0, commitId: '', run: '', epoch: 0 };
    expect(decideClaim(answer(found), null)).toEqual({ kind: 'reload', gen: 1 });
  });

  it('loads what is there when the store did not restart since', () => {
    expect(decideClaim(answer({}), null)).toEqual({ kind: 'reload', gen: 3 });
  });

  it('loads what is there after a restart with a clean stop, or at a level that survives one', () => {
    expect(decideClaim(answer({ releasedIn: PREDECESSOR }, 'run-2'), null)).toEqual({ kind: 'reload', gen: 3 });
    expect(decideClaim(answer({ level: 'disk' }, 'run-2'), null)).toEqual({ kind: 'reload', gen: 3 });
    expect(decideClaim(answer({ level: 'replicated' }, 'run-2'), null)).toEqual({ kind: 'reload', gen: 3 });
  });

  it('begins a generation where the owner that stopped cleanly is not the one before: who came between is forgotten', () => {
    const lost = { kind: 'new-generation', gen: 4 };
    expect(decideClaim(answer({ releasedIn: 4 }, 'run-2'), null, 5)).toMatchObject(lost);
    expect(decideClaim(answer({ releasedIn: 6 }, 'run-2'), null, 5)).toMatchObject(lost);
    expect(decideClaim(answer({ releasedIn: 0 }, 'run-2'), null, 0)).toMatchObject(lost);
    expect(decideClaim(answer({ releasedIn: 4 }), null, 5)).toEqual({ kind: 'reload', gen: 3 });
  });

  it('begins a generation after a restart that nobody witnessed, at a level that may have lost something', () => {
    expect(decideClaim(answer({}, 'run-2'), null)).toMatchObject({ kind: 'new-generation', gen: 4 });
  });
});

describe('a claim by who remembers the partition', () => {
  it('resumes where the store stands at the acknowledged commit, whatever run it is', () => {
    expect(decideClaim(answer({}), memory(5))).toEqual({ kind: 'resume', gen: 3 });
    expect(decideClaim(answer({}, 'run-2'), memory(5))).toEqual({ kind: 'resume', gen: 3 });
  });

  it('resumes where the commit whose answer was lost is in (I5)', () => {
    expect(decideClaim(answer({ commitNo: 11 }), memory(5, mark(11)))).toEqual({ kind: 'resume', gen: 3 });
  });

  it('resumes where that commit is not in: it is sent again (I5)', () => {
    expect(decideClaim(answer({ commitNo: 10 }), memory(5, mark(11)))).toEqual({ kind: 'resume', gen: 3 });
  });

  it('reloads when another owner has committed meanwhile, in that owner\u2019s generation', () => {
    const others = { commitNo: 11, commitId: 'b'.repeat(16), gen: 5 };
    expect(decideClaim(answer(others), memory(5, mark(11)))).toEqual({ kind: 'reload', gen: 5 });
    expect(decideClaim(answer({ commitNo: 14 }), memory(5))).toEqual({ kind: 'reload', gen: 3 });
  });

  it('begins a generation after a restart that left a commit of another owner, though no epoch told of one', () => {
    const others = answer({ commitNo: 14 }, 'run-2');
    expect(decideClaim(others, memory(5))).toMatchObject({ kind: 'new-generation', gen: 4 });
    expect(decideClaim(answer({ commitNo: 14, level: 'disk' }, 'run-2'), memory(5))).toMatchObject({ kind: 'reload' });
    expect(decideClaim(answer({ commitNo: 11 }, 'run-2'), memory(5, mark(11)))).toMatchObject({ kind: 'resume' });
  });

  it('replays what a store that went back has lost, while all of it is held', () => {
    expect(decideClaim(answer({ commitNo: 7 }, 'run-2'), memory(5))).toEqual({
      kind: 'replay',
      fromCommitNo: 8,
      gen: 3,
    });
    expect(decideClaim(answer({ commitNo: 4 }, 'run-2'), memory(5))).toEqual({
      kind: 'replay',
      fromCommitNo: 5,
      gen: 3,
    });
  });

  it('begins a generation when a commit that was lost is no longer held', () => {
    expect(decideClaim(answer({ commitNo: 3 }, 'run-2'), memory(5))).toMatchObject({ kind: 'new-generation', gen: 4 });
    expect(decideClaim(answer({ commitNo: 3, gen: 6 }, 'run-2'), memory(5))).toMatchObject({ gen: 7 });
  });

  it('begins a generation when the store stands at commits of that number which are not its own', () => {
    const foreign = 'b'.repeat(16);
    expect(decideClaim(answer({ commitNo: 7, commitId: foreign }), memory(5))).toMatchObject({
      kind: 'new-generation',
    });
    expect(decideClaim(answer({ commitNo: 10, commitId: foreign }), memory(5))).toMatchObject({
      kind: 'new-generation',
    });
  });
});

describe('a claim by who remembers the partition, but was not its only owner since', () => {
  const doubtful: OwnerMemory = { ...memory(5, mark(11)), isSole: false };

  it('goes by its memory while the store did not restart: nothing of another owner can be lost', () => {
    expect(decideClaim(answer({}), doubtful)).toEqual({ kind: 'resume', gen: 3 });
    expect(decideClaim(answer({ commitNo: 14, gen: 4 }), doubtful)).toEqual({ kind: 'reload', gen: 4 });
  });

  it('begins a generation after a restart, for what another owner had acknowledged may be lost', () => {
    expect(decideClaim(answer({}, 'run-2'), doubtful)).toMatchObject({ kind: 'new-generation', gen: 4 });
    expect(decideClaim(answer({ commitNo: 7, gen: 2 }, 'run-2'), doubtful)).toMatchObject({ gen: 4 });
  });

  it('loads what is there after a restart that loses nothing, unless it is behind its own memory', () => {
    expect(decideClaim(answer({ level: 'disk' }, 'run-2'), doubtful)).toEqual({ kind: 'reload', gen: 3 });
    expect(decideClaim(answer({ level: 'disk', commitNo: 9 }, 'run-2'), doubtful)).toMatchObject({
      kind: 'new-generation',
    });
    const wiped = { gen: 0, commitNo: 0, commitId: '', run: '' };
    expect(decideClaim(answer(wiped, 'run-2'), doubtful)).toMatchObject({ kind: 'new-generation', gen: 4 });
  });
});

describe('a generation that other nodes know of', () => {
  const known = generation(3);

  it('is the one that goes on when the store still has it', () => {
    expect(decideKnowing(answer({}), null, known)).toEqual({ kind: 'reload', gen: 3 });
    expect(decideKnowing(answer({}), memory(8), known)).toMatchObject({ kind: 'resume', gen: 3 });
    expect(decideKnowing(answer({ commitNo: 8 }), memory(8), known)).toMatchObject({ kind: 'replay', gen: 3 });
  });

  it('that the store has forgotten was lost with what came in it, and does not begin again', () => {
    const lost = { kind: 'new-generation', gen: 4 };
    expect(decideKnowing(answer({ gen: 2 }), null, known)).toMatchObject(lost);
    expect(decideKnowing(answer({ gen: 2, releasedIn: PREDECESSOR }, 'run-2'), null, known)).toMatchObject(lost);
    expect(decideKnowing(answer({ gen: 2 }, 'run-2'), null, known)).toMatchObject(lost);
    const never = { gen: 0, commitNo: 0, commitId: '', run: '', epoch: 0 };
    expect(decideKnowing(answer(never), null, known)).toMatchObject(lost);
  });

  it('that began after this owner had settled was another owner’s, whose commits the store has lost', () => {
    expect(decideKnowing(answer({ gen: 2 }), memory(8), generation(7))).toMatchObject({
      kind: 'new-generation',
      gen: 8,
    });
  });
});
