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

/** So many of one user are looked at one by one; what comes behind them, a new device for each run of a bot say, is looked up. */
const LOOKED_AT_MAX = 8;

/** The devices that have written in a conversation, by user. Their names are made once, and not for each message. */
export class CountedDevices {
  readonly #byUser = new Map<UserId, CountedDevice[]>();
  /** Those of a user behind the first few. */
  readonly #others = new Map<CounterKey, CountedDevice>();

  note(key: CounterKey): void {
    const user = userOf(key);
    const device = key.slice(user.length + 1) as CountedName;
    const devices = this.#byUser.get(user);
    if (devices === undefined) this.#byUser.set(user, [countedDevice(key, user)]);
    else if (this.#known(user, device) === undefined) {
      const noted = countedDevice(key, user);
      if (devices.length >= LOOKED_AT_MAX) this.#others.set(key, noted);
      devices.push(noted);
    }
  }

  /** Also one that was not noted yet. */
  find(user: UserId, device: CountedName): CountedDevice {
    return this.#known(user, device) ?? countedDevice(counterKey(user, device), user);
  }

  #known(user: UserId, device: CountedName): CountedDevice | undefined {
    const devices = this.of(user);
    for (let at = 0; at < devices.length && at < LOOKED_AT_MAX; at += 1) {
      const known = devices[at];
      if (known?.device === device) return known;
    }
    return devices.length <= LOOKED_AT_MAX ? undefined : this.#others.get(counterKey(user, device));
  }

  of(user: UserId): readonly CountedDevice[] {
    return this.#byUser.get(user) ?? NOBODY;
  }

  users(): Iterable<UserId> {
    return this.#byUser.keys();
  }

  forget(user: UserId): void {
    for (const { key } of this.of(user).slice(LOOKED_AT_MAX)) this.#others.delete(key);
    this.#byUser.delete(user);
  }
}
