import type { UserId } from '@millrace/kernel';
import type { Effect } from '../effects.ts';
import type { Delivery } from '../user/commands.ts';

/** One delivery and everyone who gets it. */
export interface Planned {
  readonly delivery: Delivery;
  readonly users: readonly UserId[];
}

/** Write-diffusion: each effect that followers are to learn of, with the members that get it into their inbox. */
export function planDiffusion(effects: readonly Effect[]): readonly Planned[] {
  const planned: Planned[] = [];
  for (const effect of effects) {
    if (effect.e === 'appended') {
      const { facts, gen, entries, recipients, changes } = effect;
      if (changes === null) {
        planned.push({ delivery: { d: 'messages', facts, gen, entries, change: null }, users: recipients });
        continue;
      }
      const changed = recipients.filter((user) => changes.users.has(user));
      const others = recipients.filter((user) => !changes.users.has(user));
      planned.push({ delivery: { d: 'messages', facts, gen, entries, change: changes.change }, users: changed });
      planned.push({ delivery: { d: 'messages', facts, gen, entries, change: null }, users: others });
    } else if (effect.e === 'read') {
      const { e: _e, user, ...read } = effect;
      planned.push({ delivery: { d: 'read', ...read }, users: [user] });
    }
  }
  return planned;
}

/** Joins deliveries that follow on each other in one conversation, so that they become one inbox pointer. */
export function mergeDeliveries(deliveries: readonly Delivery[]): readonly Delivery[] {
  if (deliveries.length < 2) return deliveries;
  const merged: Delivery[] = [];
  for (const next of deliveries) {
    const last = merged.at(-1);
    if (
      last?.d === 'messages' &&
      next.d === 'messages' &&
      last.facts.conversation === next.facts.conversation &&
      last.gen === next.gen &&
      last.change === null &&
      next.change === null &&
      last.entries.at(-1)?.seq === (next.entries[0]?.seq ?? 0) - 1
    ) {
      merged[merged.length - 1] = { ...next, entries: [...last.entries, ...next.entries] };
    } else {
      merged.push(next);
    }
  }
  return merged;
}
