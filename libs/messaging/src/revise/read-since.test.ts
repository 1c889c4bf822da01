import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { AnsweredAt } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { history } from '../sync/history.ts';
import { thread } from '../sync/thread.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { exportPage } from '../transfer/export-page.ts';
import type { CurrentReads } from './current.ts';
import { editHistory } from './edit-history.ts';
import { revisionFacts, targetFacts } from './target-facts.ts';

const conversation = 'room' as ConversationId;
const a = 'a' as UserId;
const seq = sequenceId(2);

/** A room whose second entry was edited, and what every read of its records was to be no older than. */
function edited() {
  const rooms = new SomeRooms();
  rooms.write('room', 3);
  const room = rooms.room('room');
  const facts = room.factsOf(2, 'a');
  if (facts === null) throw new Error('it was sent');
  rooms.do('room', room.changeOf('a', { op: 'edit', body: 'now' }, facts));
  const asked: (AnsweredAt | undefined)[] = [];
  const reads: CurrentReads = {
    timelines: rooms.timelines,
    records: {
      fields: (_partition, _actor, wanted, since) => {
        asked.push(since);
        return Promise.resolve(new Map([...room.beside.fields].filter(([name]) => wanted.includes(name))));
      },
    },
  };
  return { rooms, room, reads, asked };
}

type Rooms = ReturnType<typeof edited>;

describe('what is read of a conversation to its answer is no older than that (I5)', () => {
  const everything = { conversation, direction: 'forward', limit: 10 } as const;
  it.each<readonly [string, (of: Rooms) => Promise<{ readonly ok: boolean }>]>([
    ['a page', ({ rooms, reads }) => history(rooms.calls, reads, a, everything)],
    ['a thread', ({ rooms, reads }) => thread(rooms.calls, reads, a, { ...everything, seq })],
    ['facts of a message', ({ rooms, reads }) => targetFacts(rooms.calls, reads, conversation, a, seq)],
    ['facts of a thread', ({ rooms, reads }) => revisionFacts(rooms.calls, reads, conversation, seq)],
    ['what it has said', ({ rooms, reads }) => editHistory(rooms.calls, reads, { conversation, seq, limit: 9 })],
    ['an export', ({ rooms, reads }) => exportPage(rooms.calls, reads, { conversation, cursor: null })],
  ])('%s', async (_, read) => {
    const of = edited();
    expect((await read(of)).ok).toBe(true);
    expect(of.asked.length).toBeGreaterThan(0);
    for (const since of of.asked) expect(since).toEqual({ token: '1:owner', commitNo: of.room.commitNo });
  });
});
