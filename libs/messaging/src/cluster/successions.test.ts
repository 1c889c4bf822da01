import { partitionId } from '@millrace/kernel';
import { expect, it } from 'vitest';
import { Successions } from './successions.ts';

const one = partitionId(1);
const other = partitionId(2);

it('this node succeeds an owner once, and another owner once more', () => {
  let precededBy = 4;
  const successions = new Successions(() => ({ givenIn: 5, precededBy }));
  expect(successions.placementOf(one)).toEqual({ givenIn: 5, precededBy: 4 });
  successions.claimed(one);
  expect(successions.placementOf(one)).toEqual({ givenIn: 5, precededBy: 0 });
  expect(successions.placementOf(other)).toEqual({ givenIn: 5, precededBy: 4 });
  precededBy = 7;
  expect(successions.placementOf(one)).toEqual({ givenIn: 5, precededBy: 7 });
  successions.claimed(one);
  expect(successions.placementOf(one)).toEqual({ givenIn: 5, precededBy: 0 });
});
