import type { DeviceId, UserId } from '@millrace/kernel';
import { deviceTagOf } from '@millrace/protocol';

/** A device's counter belongs to `user/device`; what a backend sends as a user counts as one more device. */
export type CounterKey = string & { readonly counterKey: true };
export type CountedName = DeviceId | '*api';

export const userOf = (key: CounterKey): UserId => key.slice(0, key.indexOf('/')) as UserId;
export const counterKey = (user: UserId, device: CountedName): CounterKey => `${user}/${device}` as CounterKey;

/** A device that has a counter in a conversation. */
export interface CountedDevice {
  readonly key: CounterKey;
  readonly device: CountedName;
  /** As its entries have it. */
  readonly tag: number;
}

const NOBODY: readonly CountedDevice[] = [];

function countedDevice(key: CounterKey, user: UserId): CountedDevice {
  return { key, device: key.slice(user.length + 1) as CountedName, tag: deviceTagOf(key) };
}

/** The devices that have written in a conversation, by user. Their names are made once, and not for each message. */
export class CountedDevices {
  readonly #byUser = new Map<UserId, CountedDevice[]>();

  note(key: CounterKey): void {
    const user = userOf(key);
    const devices = this.#byUser.get(user);
    if (devices === undefined) this.#byUser.set(user, [countedDevice(key, user)]);
    else if (!devices.some((known) => known.key === key)) devices.push(countedDevice(key, user));
  }

  /** Also one that was not noted yet. */
  find(user: UserId, device: CountedName): CountedDevice {
    for (const known of this.of(user)) if (known.device === device) return known;
    return countedDevice(counterKey(user, device), user);
  }

  of(user: UserId): readonly CountedDevice[] {
    return this.#byUser.get(user) ?? NOBODY;
  }

  users(): Iterable<UserId> {
    return this.#byUser.keys();
  }

  forget(user: UserId): void {
    this.#byUser.delete(user);
  }
}
