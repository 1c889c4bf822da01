import type { DeviceId, UserId } from '@millrace/kernel';
import { deviceTag } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CountedDevices, counterKey } from './counted-devices.ts';

describe('CountedDevices', () => {
  it('know each device once, in the order in which it came, however many a user has', () => {
    const user = fc.constantFrom('ann' as UserId, 'bob' as UserId);
    const step = fc.record({ user, device: fc.nat(30), forgets: fc.nat(40).map((one) => one === 0) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
        const devices = new CountedDevices();
        const expected = new Map<UserId, DeviceId[]>();
        for (const { user: whose, device: number, forgets } of steps) {
          const device = `d${String(number)}` as DeviceId;
          const known = expected.get(whose) ?? [];
          if (forgets) {
            devices.forget(whose);
            expected.delete(whose);
          } else {
            if (!known.includes(device)) known.push(device);
            expected.set(whose, known);
            devices.note(counterKey(whose, device));
          }
          const found = devices.find(whose, device);
          expect(found).toEqual({ key: counterKey(whose, device), device, tag: deviceTag(whose, device) });
          expect(devices.of(whose).includes(found)).toBe(!forgets);
        }
        for (const each of ['ann', 'bob'] as UserId[])
          expect(devices.of(each).map(({ device }) => device)).toEqual(expected.get(each) ?? []);
        expect([...devices.users()].sort()).toEqual([...expected.keys()].sort());
      }),
    );
  });
});
