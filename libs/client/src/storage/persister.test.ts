import { systemTimers, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { expect, it } from 'vitest';
import { Outbox } from '../publish/outbox.ts';
import { newDevice } from '../subscription/device-state.ts';
import { settled } from '../testing/fake-network.ts';
import { HeldStorage } from '../testing/held-storage.ts';
import { Persister } from './persister.ts';

it('has stored everything once it is flushed, also what came while something was being written', async () => {
  const storage = new HeldStorage();
  storage.held = true;
  const nothing = (): void => undefined;
  const persister: Persister = new Persister(storage.open(), systemTimers, {
    device: () => ({ device: 'phone' as DeviceId, user: 'ann' as UserId, sentAt: 0 }),
    state: newDevice(),
    outbox: () => outbox,
    stored: nothing,
    failed: nothing,
  });
  const outbox = new Outbox(persister, () => 0);
  persister.device();
  await settled();
  persister.counter('town' as ConversationId, 7);
  let isFlushed = false;
  const flushed = persister.flush().then(() => {
    isFlushed = true;
  });
  storage.release();
  await settled();
  expect([isFlushed, storage.size]).toEqual([false, 1]);
  storage.release();
  await flushed;
  expect(storage.size).toBe(2);
});
