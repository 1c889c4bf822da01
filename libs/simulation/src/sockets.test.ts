import { generation, sequenceId, type UserId } from '@millrace/kernel';
import type { LivePort } from '@millrace/messaging';
import type { Position } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { History } from './history.ts';
import { ModelState } from './model-state.ts';
import { Sockets, type Listener } from './sockets.ts';

const ann = 'ann' as UserId;
const at = (gen: number, seq: number): Position => ({ gen: generation(gen), seq: sequenceId(seq) });
const deaf: Listener = { push: () => undefined, resync: () => undefined, live: () => undefined };
const silent: LivePort = {
  ...{ entered: () => undefined, left: () => undefined, live: () => undefined, at: () => undefined },
  ...{ stands: () => undefined, over: () => undefined, gone: () => undefined },
};

/** What Ann's sockets lack, of an inbox that is stored at the one position, and was told at the other. */
function lacking(stored: Position | null, newest: number, told: Position): readonly string[] {
  const sockets = new Sockets({
    name: 'first',
    history: new History(
      () => 0,
      () => new ModelState(),
      () => false,
    ),
    live: silent,
    inboxOf: () => stored,
    generationOf: () => generation(newest),
    broke: () => undefined,
  });
  sockets.attached(ann, told, deaf);
  return sockets.lacking(new Map());
}

describe('sockets', () => {
  it('lack nothing that were told where the inbox stands, in whatever generation that was said', () => {
    expect(lacking(at(1, 5), 1, at(1, 5))).toEqual([]);
    // Nothing was written in the generations since.
    expect(lacking(at(1, 5), 3, at(3, 5))).toEqual([]);
    expect(lacking(at(1, 5), 3, at(1, 5))).toEqual([]);
    expect(lacking(null, 4, at(4, 0))).toEqual([]);
  });

  it('lack what came, or came in the place of what was lost, and know of nothing that is not there', () => {
    const told = (what: string, stored: string): string[] => [
      `on first the sockets of ann were told of ${what} of an inbox that stands at ${stored}`,
    ];
    expect(lacking(at(1, 5), 1, at(1, 4))).toEqual(told('1-4', '1-5'));
    expect(lacking(at(3, 5), 3, at(1, 5))).toEqual(told('1-5', '3-5'));
    expect(lacking(at(1, 5), 3, at(3, 6))).toEqual(told('3-6', '1-5'));
    expect(lacking(at(1, 5), 2, at(3, 5))).toEqual(told('3-5', '1-5'));
  });
});
