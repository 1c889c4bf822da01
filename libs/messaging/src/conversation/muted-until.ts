import { NEVER_MS, type Member } from './conversation-state.ts';

/** As clients are told of a mute: until when, null for ever; absent for none. */
export function mutedUntil({ mutedUntilMs }: Member): { readonly mutedUntil?: number | null } {
  if (mutedUntilMs === 0) return {};
  return { mutedUntil: mutedUntilMs === NEVER_MS ? null : mutedUntilMs };
}
