import { sequenceId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { ann, APhone, at, control, message, push, town } from '../testing/a-phone.ts';
import type { Effect } from './effects.ts';

const left = control(4, { control: 'left', users: [ann] });
const joined = (seq: number): Message => control(seq, { control: 'joined', users: [ann] });
const tailOf = ({ device }: APhone): readonly number[] =>
  (device.state.conversations.get(town)?.tail ?? []).map(({ seq }) => Number(seq));

/** Ann leaves, and comes back by the entry at `seq`. */
function returned(seq: number): { readonly phone: APhone; readonly effects: readonly Effect[] } {
  const phone = new APhone();
  phone.step({ on: 'push', push: push(3, 4, left) });
  expect(tailOf(phone)).toEqual([1, 2, 3, 4]);
  return { phone, effects: phone.device.step({ on: 'push', push: push(4, 5, joined(seq)) }) };
}

describe('a user who comes back', () => {
  it('is told of a gap, and keeps nothing from before, which may be other messages now', () => {
    const { phone, effects } = returned(9);
    expect(effects.filter(({ do: what }) => what === 'gap' || what === 'deliver')).toEqual([
      { do: 'gap', conversation: town, gen: at(8).gen, after: sequenceId(4), to: sequenceId(8) },
      { do: 'deliver', conversation: town, message: joined(9) },
    ]);
    expect(tailOf(phone)).toEqual([9]);
    expect(phone.device.state.conversations.get(town)?.tailFrom).toBe(9);
    // A reaction of the time between would be missing under what this makes of message 2: it is to be read again.
    const edited = control(10, { control: 'edited', seq: 2, body: 'as of 10' });
    const revised = phone.device
      .step({ on: 'push', push: push(5, 6, edited, message(11)) })
      .filter((effect) => effect.do === 'revised');
    expect(revised).toEqual([{ do: 'revised', conversation: town, seq: sequenceId(2), message: null }]);
    expect(tailOf(phone)).toEqual([9, 10, 11]);
  });

  it('has missed nothing when nothing came meanwhile', () => {
    const { phone, effects } = returned(5);
    expect(effects.filter(({ do: what }) => what === 'gap')).toEqual([]);
    expect(tailOf(phone)).toEqual([1, 2, 3, 4, 5]);
  });
});
