import { LastFew, invariant, type UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { Appended, Effect, MembershipChange } from '../effects.ts';
import type { Delivery } from '../user/commands.ts';
import { planHints } from './hints.ts';

/** One delivery and everyone who gets it. */
export interface Planned {
  readonly delivery: Delivery;
  readonly users: readonly UserId[];
}

/** Entries that go out as one delivery, in bytes: one more may be over it. */
const RUN_BYTES_MAX = 65_536;

/**
 * Each effect that followers are to learn of, with those that get it into their inbox. Entries that follow on each other
 * and go to the same users are one delivery.
 */
export function planDiffusion(effects: readonly Effect[]): readonly Planned[] {
  const planned: Planned[] = [];
  for (let at = 0; at < effects.length; at += 1) {
    const effect = effects[at];
    if (effect === undefined) break;
    if (effect.e === 'appended') {
      const run = runAt(effects, at, effect);
      at += run.length - 1;
      for (const plan of planEntries(joined(run))) planned.push(plan);
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

const isPlain = ({ mode, changes, undiffused }: Appended): boolean =>
  mode === 'write' && changes === null && undiffused === null;

function bytesOf({ entries }: Appended): number {
  let bytes = 0;
  for (const { data } of entries) bytes += data.length;
  return bytes;
}

/** The effects from there on that {@link joined} can take as one: at least this one. */
function runAt(effects: readonly Effect[], at: number, first: Appended): readonly Appended[] {
  const run = [first];
  if (!isPlain(first)) return run;
  let last = first;
  for (let bytes = bytesOf(first); bytes < RUN_BYTES_MAX; bytes += bytesOf(last)) {
    const next = effects[at + run.length];
    if (next?.e !== 'appended' || !isPlain(next) || !goesOn(last, next)) break;
    run.push(next);
    last = next;
  }
  return run;
}

/** The list of recipients stays the same object until the membership changes. */
const goesOn = (last: Appended, next: Appended): boolean =>
  next.facts.conversation === last.facts.conversation &&
  next.recipients === last.recipients &&
  next.gen === last.gen &&
  next.behind === last.behind &&
  next.from === last.to + 1;

function joined(run: readonly Appended[]): Entries {
  const [first, last] = [run[0], run.at(-1)];
  invariant(first !== undefined && last !== undefined, 'a run has entries');
  if (first === last) return first;
  const entries: WireEntry[] = [];
  for (const each of run) for (const entry of each.entries) entries.push(entry);
  const { facts, gen, recipients, changes, behind, undiffused } = last;
  return { facts, gen, entries, recipients, changes, behind, undiffused };
}

type Entries = Pick<Appended, 'facts' | 'gen' | 'entries' | 'recipients' | 'changes' | 'behind' | 'undiffused'>;

/** What the recipients get of entries: all the same, but those whose coming or going they tell, and across what was not diffused. */
export function planEntries({ facts, gen, entries, recipients, changes, behind, undiffused }: Entries): Planned[] {
  if (changes === null && undiffused === null) {
    if (recipients.length === 0) return [];
    return [
      { delivery: { d: 'messages', facts, gen, entries, behind, skipped: null, change: null }, users: recipients },
    ];
  }
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
  const changed = recipients.filter(isChanged);
  const others = recipients.filter((user) => !isChanged(user));
  const groups: Planned[] = [
    { delivery: { ...delivery, change: changes?.change ?? null }, users: changed },
    { delivery: { ...delivery, change: null }, users: others },
  ];
  return groups.filter(({ users }) => users.length > 0);
}

type Messages = Extract<Delivery, { d: 'messages' }>;

/** A group's members mostly have the same waiting: what it is merged to is made once, and its entries are packed once. */
const merges = new LastFew<readonly [Messages, Messages], Messages>(
  ([last, next], [otherLast, otherNext]) => last === otherLast && next === otherNext,
);

const mergeTwo = ([last, next]: readonly [Messages, Messages]): Messages => ({
  ...next,
  entries: [...last.entries, ...next.entries],
  skipped: last.skipped,
});

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
      merged[merged.length - 1] = merges.of([last, next], mergeTwo);
    } else {
      merged.push(next);
    }
  }
  return merged;
}
