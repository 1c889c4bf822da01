import type { DeviceId, UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { CursorMark, DeviceCursors } from './device-cursors.ts';

const ann = 'ann' as UserId;
const device = (name: string): DeviceId => name as DeviceId;

describe('where devices stand', () => {
  it('goes on from session to session, and only forward', () => {
    const cursors = new DeviceCursors(10);
    const first = cursors.connected(ann, device('phone'), 's1');
    first.pushed.move(1, 5, 100);
    cursors.ended(ann, first, 's1');
    expect(cursors.of(ann)).toMatchObject([{ device: 'phone', session: null, pushed: { seq: 5 } }]);
    const again = cursors.connected(ann, device('phone'), 's2');
    expect(again).toBe(first);
    again.pushed.move(1, 4, 200);
    again.pushed.move(1, 5, 200);
    expect(again.pushed).toMatchObject({ gen: 1, seq: 5, atMs: 100 });
    again.pushed.move(2, 1, 300);
    expect(again.pushed).toMatchObject({ gen: 2, seq: 1, atMs: 300 });
    expect([new CursorMark().isBlank, again.pushed.isBlank]).toEqual([true, false]);
  });

  it('is of the session that came last, whichever ends', () => {
    const cursors = new DeviceCursors(10);
    const before = cursors.connected(ann, device('phone'), 's1');
    cursors.connected(ann, device('phone'), 's2');
    cursors.ended(ann, before, 's1');
    expect(cursors.find(ann, device('phone'))?.session).toBe('s2');
  });

  it('is kept of users without a session as long as there is room, of connected ones always (I9)', () => {
    const cursors = new DeviceCursors(3);
    const users = Array.from({ length: 10 }, (_, index) => `user-${String(index)}` as UserId);
    for (const user of users) cursors.connected(user, device('phone'), 's');
    expect(cursors.size).toBe(10);
    for (const user of users.slice(0, 9)) {
      const cursor = cursors.find(user, device('phone'));
      if (cursor !== undefined) cursors.ended(user, cursor, 's');
    }
    expect(users.filter((user) => cursors.of(user).length > 0)).toEqual(users.slice(6));
  });

  it('is kept of at most 32 devices of a user that are not connected, the ones that were here last (I9)', () => {
    const cursors = new DeviceCursors(3);
    const stays = cursors.connected(ann, device('stays'), 's');
    for (let index = 0; index < 50; index += 1) {
      const name = device(`d${String(index)}`);
      cursors.ended(ann, cursors.connected(ann, name, 's'), 's');
    }
    expect(cursors.of(ann)).toHaveLength(33);
    expect(cursors.of(ann)).toContain(stays);
    expect(cursors.find(ann, device('d17'))).toBeUndefined();
    expect(cursors.find(ann, device('d18'))).toBeDefined();
  });
});
