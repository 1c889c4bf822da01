import { invariant, type UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import type { ConversationState } from '../conversation/conversation-state.ts';
import { audience } from '../conversation/queries.ts';
import type { Planned } from '../diffuse/plan.ts';
import { recallPlan } from '../diffuse/recall.ts';
import type { Appended } from '../effects.ts';

/** Who gets which entry, and as what, one line each. */
export const lines = (planned: readonly Planned[]): readonly string[] =>
  planned
    .flatMap(({ delivery, users }) => {
      if (delivery.d === 'read' || delivery.d === 'deleted') return [];
      if (delivery.d === 'hint') return users.map((user) => `${String(delivery.seq)} ${user} hint ${delivery.why}`);
      const { entries, change, behind, skipped } = delivery;
      // Of unread mentions what was read since is left out, and what is gone is told as of now.
      const { mentions: _mentions, gone: _gone, ...across } = skipped ?? {};
      const rest = [String(change), behind, JSON.stringify(across)].join(' ');
      return entries.flatMap(({ seq }) => users.map((user) => `${String(seq)} ${user} ${rest}`));
    })
    .sort();

/** How many countable messages the user has sent up to a seq. */
const sentUpTo = (entries: readonly WireEntry[], user: UserId, upTo: number): number =>
  entries.filter(({ seq, message }) => seq <= upTo && message.countable && message.from === user).length;

/**
 * What diffusion that resumes after a crash finds out of some entries, range by range, as the changefeed tells them.
 *
 * @param all - of the conversation, from its first entry on.
 */
export async function recalledFrom(
  state: ConversationState,
  all: readonly Appended[],
  wanted: readonly Appended[] = all,
): Promise<readonly Planned[]> {
  const facts = all[0]?.facts;
  invariant(facts !== undefined, 'the creation is an effect');
  const entries = all.flatMap((effect) => effect.entries);
  const recalled: Planned[] = [];
  for (const { from, to, entries: its } of wanted) {
    const found = audience(state, { range: { from, to } });
    const sent = ({ user }: { readonly user: UserId }, seq: number): Promise<number> =>
      Promise.resolve(sentUpTo(entries, user, seq));
    recalled.push(...(await recallPlan(found, facts, its, sent)));
  }
  return recalled;
}
