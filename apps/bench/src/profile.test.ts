import { describe, expect, it } from 'vitest';
import { ELSEWHERE, GARBAGE_COLLECTION, stepMicros, type CallFrame, type CpuProfile } from './measure/cpu-profile.ts';
import { profileLines } from './report/profile.ts';

const frame = (functionName: string, url = ''): CallFrame => ({ functionName, url, lineNumber: 0, columnNumber: 0 });

/** (root) -> (idle), (garbage collector), loop -> turn (a step) -> helper -> write (another step) -> native. */
const profile: CpuProfile = {
  nodes: [
    { id: 1, callFrame: frame('(root)'), children: [2, 3, 4] },
    { id: 2, callFrame: frame('(idle)') },
    { id: 3, callFrame: frame('(garbage collector)') },
    { id: 4, callFrame: frame('loop', 'node:internal'), children: [5] },
    { id: 5, callFrame: frame('turn', 'turn.ts'), children: [6] },
    { id: 6, callFrame: frame('helper', 'helper.ts'), children: [7] },
    { id: 7, callFrame: frame('write', 'write.ts'), children: [8] },
    { id: 8, callFrame: frame('send') },
  ],
  samples: [2, 4, 5, 6, 7, 8, 3, 2, 8],
  timeDeltas: [100, 1, 2, 4, 8, 16, 32, 1_000, 64],
  startTime: 5_000,
};
const stepOf = ({ url }: CallFrame): string | null =>
  url === 'turn.ts' ? 'turns' : url === 'write.ts' ? 'writes' : null;

describe('a CPU profile', () => {
  it('is told by steps: what has none is part of what called it, and idle time is none', () => {
    expect(stepMicros(profile, { from: 0, to: Infinity }, stepOf)).toEqual(
      new Map([
        [ELSEWHERE, 1],
        ['turns', 2 + 4],
        ['writes', 8 + 16 + 64],
        [GARBAGE_COLLECTION, 32],
      ]),
    );
  });

  it('is told of a time of it', () => {
    // The samples stand at 5,100, 5,101, 5,103, 5,107, 5,115, 5,131 and so on.
    expect(stepMicros(profile, { from: 5_107, to: 5_115 }, stepOf)).toEqual(
      new Map([
        ['turns', 4],
        ['writes', 8],
      ]),
    );
  });

  it('has a column for each shape, and the dearest steps of the first above', () => {
    const one = { ackedPerSecond: 100, nodeMicros: 30, redisMicros: 5, steps: { small: 10, large: 20 } };
    const lines = profileLines({ pairs: one, group: { ...one, steps: { other: 30 } } });
    expect(lines.map((line) => line.replaceAll(/ {2,}/g, ' | '))).toEqual([
      'us a message, saturated | pairs | group',
      'large | 20.0 | 0.0',
      'small | 10.0 | 0.0',
      'other | 0.0 | 30.0',
      'the server, all | 30.0 | 30.0',
      'Redis | 5.0 | 5.0',
      'acked/s | 100 | 100',
    ]);
  });
});
