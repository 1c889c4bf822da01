import type { UserId } from '@millrace/kernel';
import type { Appended, Effect, MembershipChange } from '../effects.ts';
import type { Delivery } from '../user/commands.ts';
import { planHints } from './hints.ts';

/** One delivery and everyone who gets it. */
export interface Planned {
  readonly delivery: Delivery;
  readonly users: readonly UserId[];
}

/** Each effect that followers are to learn of, with those that get it into their inbox. */
export function planDiffusion(effects: readonly Effect[]): readonly Planned[] {
  const planned: Planned[] = [];
  for (const effect of effects) {
    if (effect.e === 'appended') {
      planned.push(...planEntries(effect));
      if (effect.mode === 'read') planned.push(...planHints(effect.facts, effect.entries));
    } else if (effect.e === 'read') {
      const { e: _e, user, ...moved } = effect;
      planned.push({ delivery: { d: 'read', ...moved }, users: [user] });
    } else if (effect.e === 'deleted') {
      const { e: _e, user, ...deleted } = effect;
      planned.push({ delivery: { d: 'deleted', ...deleted }, users: [user] });
    }
  }
  return planned;
}

type Entries = Pick<Appended, 'facts' | 'gen' | 'entries' | 'recipients' | 'changes' | 'behind' | 'undiffused'>;

/** What the recipients get of entries: all the same, but those whose coming or going they tell, and across what was not diffused. */
export function planEntries({ facts, gen, entries, recipients, changes, behind, undiffused }: Entries): Planned[] {
  const delivery = { d: 'messages', facts, gen, entries, behind, skipped: null } as const;
  const isChanged = (user: UserId): boolean => changes?.users.has(user) === true;
  const change = (user: UserId): MembershipChange | null => (isChanged(user) ? (changes?.change ?? null) : null);
  if (undiffused !== null) {
    const { spans, of } = undiffused;
    return recipients.map((user) => {
      const own = of.get(user);
      const skipped = own === undefined ? null : { spans, ...own };
      return { delivery: { ...delivery, change: change(user), skipped }, users: [user] };
    });
  }
  if (changes === null)
    return recipients.length === 0 ? [] : [{ delivery: { ...delivery, change: null }, users: recipients }];
  const changed = recipients.filter(isChanged);
  const others = recipients.filter((user) => !isChanged(user));
  const groups: Planned[] = [
    { delivery: { ...delivery, change: changes.change }, users: changed },
    { delivery: { ...delivery, change: null }, users: others },
  ];
  return groups.filter(({ users }) => users.length > 0);
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
      next.skipped === null &&
      last.entries.at(-1)?.seq === (next.entries[0]?.seq ?? 0) - 1
    ) {
      merged[merged.length - 1] = { ...next, entries: [...last.entries, ...next.entries], skipped: last.skipped };
    } else {
      merged.push(next);
    }
  }
  return merged;
}
