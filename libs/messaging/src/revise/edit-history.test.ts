import { sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { SomeRooms } from '../testing/some-rooms.ts';
import { editHistory } from './edit-history.ts';

const room = 'room' as ConversationId;

/** A group of a, its owner, and b; b has edited a message. */
function setUp() {
  const rooms = new SomeRooms();
  rooms.do('room', rooms.room('room').sendOf('b'));
  const facts = rooms.room('room').factsOf(2, 'b');
  if (facts === null) throw new Error('no such message');
  rooms.do('room', rooms.room('room').changeOf('b', { op: 'edit', body: 'said otherwise' }, facts));
  const records = {
    fields: (_partition: unknown, _actor: unknown, names: readonly string[]) => {
      const { fields } = rooms.room('room').beside;
      return Promise.resolve(
        new Map(names.flatMap((name) => (fields.has(name) ? [[name, fields.get(name) ?? new Uint8Array()]] : []))),
      );
    },
  };
  const ask = (by?: string) =>
    editHistory(
      rooms.calls,
      { timelines: rooms.timelines, records },
      { conversation: room, seq: sequenceId(2), limit: 10, ...(by === undefined ? {} : { by: by as UserId }) },
    );
  return { rooms, ask };
}

const both = {
  ok: true,
  value: {
    versions: [
      { seq: 3, by: 'b' },
      { seq: 2, by: 'b' },
    ],
  },
};

describe('what a message has ever said', () => {
  it('is told the deployment and the owner, no member and nobody else (I11)', async () => {
    const { ask } = setUp();
    expect(await ask()).toMatchObject(both);
    expect(await ask('a')).toMatchObject(both);
    expect(await ask('b')).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    expect(await ask('nobody')).toMatchObject({ ok: false, error: { code: 'not_member' } });
  });

  it('is told an admin, but not of what was said before they may see anything (I7)', async () => {
    const { rooms, ask } = setUp();
    const role = { t: 'role', by: 'a' as UserId, user: 'b' as UserId, role: 'admin' } as const;
    rooms.do('room', role);
    expect(await ask('b')).toMatchObject(both);
    const { members } = rooms.room('room').state;
    const member = members.get('b' as UserId);
    if (member === undefined) throw new Error('b is a member');
    const [interval] = member.intervals;
    if (interval === undefined) throw new Error('b came once');
    members.set('b' as UserId, { ...member, intervals: [{ ...interval, from: sequenceId(3) }] });
    expect(await ask('b')).toMatchObject({ ok: false, error: { code: 'not_found' } });
  });
});
