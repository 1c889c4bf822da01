import type { ClientEvents } from './api.ts';

type Listener = (...event: unknown[]) => void;

/** Who listens to what. A listener that throws is the application's bug: it is thrown outside of the client's work. */
export class ListenerTable {
  readonly #listeners = new Map<keyof ClientEvents, Set<Listener>>();

  /** @returns what ends the subscription. */
  on<Name extends keyof ClientEvents>(name: Name, listener: ClientEvents[Name]): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    // `emit` calls it with what its name stands for.
    const added = listener as Listener;
    listeners.add(added);
    return () => {
      listeners.delete(added);
    };
  }

  readonly emit = <Name extends keyof ClientEvents>(name: Name, ...event: Parameters<ClientEvents[Name]>): void => {
    for (const listener of this.#listeners.get(name) ?? []) {
      try {
        listener(...event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  };
}

export type Emit = ListenerTable['emit'];
