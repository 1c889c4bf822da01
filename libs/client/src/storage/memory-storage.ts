import type { ClientStorage } from '../api.ts';

/** Outlives a client, not the process: for tests, and for clients that come and go within one process. */
export function memoryStorage(): ClientStorage {
  const kept = new Map<string, string>();
  return {
    load: async () => new Map(kept),
    set: async (entries) => {
      for (const [key, value] of entries) {
        if (value === null) kept.delete(key);
        else kept.set(key, value);
      }
    },
  };
}
