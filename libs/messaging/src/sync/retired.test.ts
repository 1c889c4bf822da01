import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { conversationKey, keptFrom } from '@millrace/timeline';
import { decodeEntry } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { answered } from '../answered.ts';
import { retiredOf } from '../archive/retention-plan.ts';
import { editHistory } from '../revise/edit-history.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { thread } from './thread.ts';

const room = 'room' as ConversationId;
const SENT = 4;

/** A conversation with some messages, of which the first ones can be retired. */
function setUp() {
  const rooms = new SomeRooms();
  rooms.room('room');
  for (let count = 0; count < SENT; count += 1) rooms.do('room', rooms.room('room').sendOf('a'));
  const fieldsOf = () => rooms.room('room').beside.fields;
  const reads = {
    timelines: rooms.timelines,
    records: {
      fields: (_partition: unknown, _actor: unknown, names: readonly string[]) =>
        Promise.resolve(new Map([...fieldsOf()].filter(([name]) => names.includes(name)))),
    },
  };
  const retire = (to: number): void => {
    const key = conversationKey(room);
    const hot = rooms.hot.get(key) ?? [];
    const first = keptFrom(rooms.room('room').state.head.value);
    const entries = hot.flatMap(({ gen, seq, data }) =>
      seq >= first && seq <= to ? [{ gen, seq, ...decodeEntry(data) }] : [],
    );
    const retired = retiredOf(entries, fieldsOf());
    if (retired === null) throw new Error('there is nothing to retire');
    rooms.do('room', { t: 'retire', retired });
    rooms.hot.set(
      key,
      hot.filter(({ seq }) => seq > to),
    );
  };
  const historyOf = (seq: number, timelines = rooms.timelines) =>
    answered(() =>
      editHistory(rooms.calls, { ...reads, timelines }, { conversation: room, seq: sequenceId(seq), limit: 10 }),
    );
  return { rooms, reads, retire, historyOf };
}

const gone = (from: number) => ({ ok: false, error: { code: 'gone', from } });

describe('what is read of a conversation', () => {
  it('is gone, not unavailable, where it is older than what is kept', async () => {
    const { rooms, reads, retire, historyOf } = setUp();
    expect(await historyOf(2)).toMatchObject({ ok: true });
    const threadOf = (user: string) =>
      thread(rooms.calls, reads, user as UserId, { conversation: room, seq: sequenceId(2), direction: 'forward' });
    expect(await threadOf('a')).toMatchObject({ ok: true });
    retire(3);
    expect(await historyOf(2)).toMatchObject(gone(4));
    expect(await threadOf('a')).toMatchObject(gone(4));
    expect(await historyOf(4)).toMatchObject({ ok: true });
  });

  it('is asked for again where it was retired while it was read, and not where the store lacks it', async () => {
    const { rooms, retire, historyOf } = setUp();
    const away = (before: () => void): typeof rooms.timelines => ({
      ...rooms.timelines,
      range: (...asked) => rooms.timelines.range(...asked),
      at: () => {
        before();
        return Promise.resolve(null);
      },
    });
    expect(
      await historyOf(
        3,
        away(() => {
          retire(3);
        }),
      ),
    ).toMatchObject(gone(4));
    expect(
      await historyOf(
        4,
        away(() => undefined),
      ),
    ).toMatchObject({ ok: false, error: { code: 'unavailable' } });
  });
});
