import type { UserId } from '@millrace/kernel';
import type { HintReason, WireEntry } from '@millrace/protocol';
import type { Delivery } from '../user/commands.ts';
import type { ConversationFacts } from '../effects.ts';
import { controlOf } from './control-of.ts';

/** One hint and everyone who gets it. */
export interface PlannedHint {
  readonly delivery: Extract<Delivery, { d: 'hint' }>;
  readonly users: readonly UserId[];
}

/** Whom an entry that goes into no inbox concerns, and why; null for nobody in particular. They are few, at any size. */
function concerned(entry: WireEntry): { readonly why: HintReason; readonly users: readonly UserId[] } | null {
  if (entry.isControl) {
    const control = controlOf(entry);
    if (control?.control === 'muted' || control?.control === 'unmuted') return { why: 'control', users: control.users };
    if (control?.control === 'role') return { why: 'control', users: [control.user] };
    return null;
  }
  if (!entry.hasExtensions) return null;
  const { mentions = [], from } = entry.message;
  return { why: 'mention', users: mentions.filter((user) => user !== from) };
}

/**
 * What is told beside the entries of a conversation that is pulled: to whom they mention by name, and to members whom a
 * control entry is about. A hint says where the entry is, and not what is in it. What mentions all is told to nobody in
 * particular, for it would be a delivery to each member.
 */
export function planHints({ conversation }: ConversationFacts, entries: readonly WireEntry[]): readonly PlannedHint[] {
  return entries.flatMap((entry) => {
    const found = concerned(entry);
    if (found === null || found.users.length === 0) return [];
    const { gen, seq } = entry;
    return [{ delivery: { d: 'hint', conversation, gen, seq, why: found.why } as const, users: found.users }];
  });
}
