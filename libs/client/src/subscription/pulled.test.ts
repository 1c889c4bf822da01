import type { ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { APhone, ann, at, control, message, push, summary, synced, tag, town } from '../testing/a-phone.ts';

describe('a conversation that is pulled', () => {
  it('is known by the entry that switches it, and by its summary', () => {
    const phone = new APhone();
    const state = phone.device.state.conversations.get(town);
    expect([state?.diffusion, phone.device.pulls]).toEqual(['read', true]);
    phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'diffusion', mode: 'write' })) });
    expect([state?.diffusion, phone.device.pulls]).toEqual(['write', false]);
  });

  it('is looked into after a reconnect also when the inbox has not moved, and when the server says so, one sync at a time', () => {
    const phone = new APhone();
    phone.step({ on: 'lost' });
    phone.step({ on: 'connected', inbox: at(3) });
    expect(phone.syncs).toHaveLength(1);
    phone.step({ on: 'synced', synced: synced(3, [message(4), message(5)], 'read') });
    expect(phone.delivered).toEqual([1, 2, 3, 4, 5]);
    phone.step({ on: 'resync' });
    expect(phone.syncs).toHaveLength(2);
    phone.step({ on: 'resync' });
    expect(phone.syncs).toHaveLength(2);
  });

  it('ends with a push behind a hole, which is pulled before it is applied', () => {
    const phone = new APhone();
    const switched = control(8, { control: 'diffusion', mode: 'write' });
    phone.step({ on: 'push', push: push(3, 4, switched) });
    expect([phone.delivered, phone.syncs.length]).toEqual([[1, 2, 3], 1]);
    // Pushed while the sync runs, and behind what it brings.
    phone.step({ on: 'push', push: push(4, 5, message(9)) });
    phone.step({ on: 'synced', synced: synced(4, [4, 5, 6, 7].map((seq) => message(seq)).concat(switched), 'write') });
    expect(phone.delivered).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(phone.syncs).toHaveLength(1);
  });

  it('does not wait for what is not for this user to see, nor for ever', () => {
    const phone = new APhone();
    phone.step({ on: 'push', push: push(3, 5, message(7), message(8)) });
    // Asked behind the push, and it brings nothing of what lies before.
    phone.step({ on: 'synced', synced: synced(4, [], 'read') });
    expect(phone.delivered).toEqual([1, 2, 3, 7, 8]);
    expect(phone.syncs).toHaveLength(1);
  });

  it('has a new hole looked into once more, when it came while another was', () => {
    const phone = new APhone();
    phone.step({ on: 'push', push: push(3, 4, message(6)) });
    phone.step({ on: 'push', push: push(4, 5, message(9)) });
    phone.step({
      on: 'synced',
      synced: synced(
        4,
        [4, 5, 6].map((seq) => message(seq)),
        'read',
      ),
    });
    expect([phone.delivered, phone.syncs.length]).toEqual([[1, 2, 3, 4, 5, 6], 2]);
    phone.step({
      on: 'synced',
      synced: synced(
        5,
        [7, 8, 9].map((seq) => message(seq)),
        'read',
      ),
    });
    expect(phone.delivered).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('has the server told what came by acks, and only that', () => {
    const phone = new APhone();
    phone.step({ on: 'resync' });
    expect(phone.syncs.at(-1)?.reached).toEqual([]);
    phone.step({ on: 'synced', synced: synced(3, [message(4)], 'read') });
    const own = message(5, { from: ann, deviceTag: tag, n: 1 });
    phone.step({ on: 'own', conversation: town, message: own });
    phone.step({ on: 'resync' });
    expect(phone.syncs.at(-1)?.reached).toEqual([{ conversation: town, ...at(5) }]);
    phone.step({ on: 'synced', synced: synced(3, [], 'read') });
    phone.step({ on: 'resync' });
    expect(phone.syncs.at(-1)?.reached).toEqual([]);
  });

  it('is known again to be pulled by the list when its user was out and comes again', () => {
    const phone = new APhone();
    const state = phone.device.state.conversations.get(town);
    phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'kicked', users: ['ann'] })) });
    expect([state?.member, phone.device.pulls]).toEqual([false, false]);
    phone.step({ on: 'push', push: push(4, 5, control(20, { control: 'joined', users: ['ann'] })) });
    expect([phone.delivered.at(-1), phone.described]).toEqual([20, [town]]);
    // What came meanwhile, and an answer that is asked for amid a sync, are not forgotten.
    phone.step({ on: 'resync' });
    phone.step({ on: 'described', summaries: [summary(22, 'read')] });
    phone.step({ on: 'synced', synced: synced(5, [message(21)], 'read') });
    expect([phone.device.pulls, phone.syncs.length]).toEqual([true, 2]);
    phone.step({ on: 'synced', synced: synced(5, [message(22)], 'read') });
    expect(phone.delivered).toEqual([1, 2, 3, 4, 20, 21, 22]);
  });

  it('is known to be pulled when one sync tells of the leave and the return', () => {
    const phone = new APhone();
    phone.step({ on: 'resync' });
    const kicked = control(4, { control: 'kicked', users: ['ann'] });
    const joined = control(9, { control: 'joined', users: ['ann'] });
    phone.step({ on: 'synced', synced: synced(5, [kicked, joined], 'read') });
    expect([phone.delivered, phone.device.pulls]).toEqual([[1, 2, 3, 4, 9], true]);
  });

  it('that was joined meanwhile is found by the list, and pulled', () => {
    const phone = new APhone();
    const other = 'other' as ConversationId;
    const joined = control(40, { control: 'joined', users: ['ann'] });
    phone.step({ on: 'push', push: { ...push(3, 4), items: [{ conversation: other, messages: [joined] }] } });
    expect(phone.syncs).toHaveLength(0);
    phone.step({ on: 'described', summaries: [{ ...summary(50, 'read'), conversation: other }] });
    expect(phone.syncs).toHaveLength(1);
    expect(phone.syncs[0]?.seen).toEqual(at(4));
  });

  it('that was joined is asked about once more when the connection was lost before the list told what it is', () => {
    const phone = new APhone();
    const other = 'other' as ConversationId;
    phone.step({ on: 'push', push: push(3, 4, control(4, { control: 'kicked', users: ['ann'] })) });
    const joined = control(40, { control: 'joined', users: ['ann'] });
    phone.step({ on: 'push', push: { ...push(4, 5), items: [{ conversation: other, messages: [joined] }] } });
    expect(phone.described).toEqual([other]);
    phone.step({ on: 'lost' });
    phone.step({ on: 'connected', inbox: at(5) });
    expect(phone.syncs).toHaveLength(1);
    phone.step({ on: 'synced', synced: { ...synced(5, [], 'write'), conversations: [] } });
    expect(phone.described).toEqual([other, other]);
  });
});
