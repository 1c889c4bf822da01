import { generation, sequenceId } from '@millrace/kernel';
import { WireEntry, type ControlBody, type HistoryPolicy } from '@millrace/protocol';
import { controlOf } from '../diffuse/control-of.ts';

/** How a member gets an entry: into their inbox, or by pulling it. */
export type Way = 'inbox' | 'pull';

/** What one entry comes to, found out by going through all of them from the first, and by nothing that the product keeps. */
export interface Told {
  readonly seq: number;
  readonly control: ControlBody | null;
  /** Behind it. */
  readonly mode: 'read' | 'write';
  /** Behind it. */
  readonly members: ReadonlySet<string>;
  /** Whoever gets it, and how: each in one way. */
  readonly ways: ReadonlyMap<string, Way>;
}

/** A time in which a user was in, and what the policy of its beginning opened to them. */
export interface Stay {
  readonly from: number;
  readonly joined: number;
  /** The entry that tells of the leave; null while they are in. */
  to: number | null;
}

export interface ToldByEntries {
  readonly entries: readonly Told[];
  readonly stays: ReadonlyMap<string, readonly Stay[]>;
}

const comers = (control: ControlBody | null): readonly string[] =>
  control?.control === 'created' ? control.members : control?.control === 'joined' ? control.users : [];

const goers = (control: ControlBody | null): readonly string[] =>
  control?.control === 'left' || control?.control === 'kicked' ? control.users : [];

/**
 * Reads a whole conversation, which was created with that policy, as a person would: who comes and who goes by which entry,
 * and how each was to reach whom.
 */
export function toldByEntries(data: readonly Uint8Array[], policy: HistoryPolicy): ToldByEntries {
  let [mode, opens]: ['read' | 'write', HistoryPolicy] = ['write', policy];
  const isIn = new Set<string>();
  const stays = new Map<string, Stay[]>();
  const entries = data.map((each, index): Told => {
    const seq = index + 1;
    const control = controlOf(new WireEntry(generation(1), sequenceId(seq), each));
    const receivers = new Set(isIn);
    const isDiffused = mode === 'write' || control?.control === 'diffusion';
    for (const user of comers(control)) {
      isIn.add(user);
      receivers.add(user);
      stays.set(user, [...(stays.get(user) ?? []), { from: opens === 'all' ? 1 : seq, joined: seq, to: null }]);
    }
    for (const user of goers(control)) {
      isIn.delete(user);
      const last = stays.get(user)?.at(-1);
      if (last !== undefined) last.to = seq;
    }
    if (control?.control === 'diffusion') ({ mode } = control);
    if (control?.control === 'settings') opens = control.historyPolicy ?? opens;
    const own = new Set([...comers(control), ...goers(control)]);
    const wayOf = (user: string): Way => (isDiffused || own.has(user) ? 'inbox' : 'pull');
    const ways = new Map([...receivers].map((user) => [user, wayOf(user)] as const));
    return { seq, control, mode, members: new Set(isIn), ways };
  });
  return { entries, stays };
}
