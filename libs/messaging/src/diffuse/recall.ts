import { receivedRanges } from '@millrace/diffusion';
import { ok, type Result, type UserId } from '@millrace/kernel';
import type { ControlBody, FrameError, WireEntry } from '@millrace/protocol';
import { conversationKey, type TimelineReader } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import type { Audience } from '../conversation/commands.ts';
import type { ConversationFacts, MembershipChange } from '../effects.ts';
import { readDense, wireEntry } from '../sync/read-messages.ts';
import type { FeedChange } from './changefeed-entry.ts';
import type { Planned } from './plan.ts';

/** What a control entry does to the membership of the users it names. */
function changeOf(entry: WireEntry): { readonly change: MembershipChange; readonly users: readonly UserId[] } | null {
  const { type, body } = entry.message;
  if (type !== 'control' || typeof body !== 'string') return null;
  const control = JSON.parse(body) as ControlBody;
  if (control.control === 'created') return { change: 'joined', users: control.members };
  if (control.control === 'joined') return { change: 'joined', users: control.users };
  if (control.control === 'left' || control.control === 'kicked') return { change: 'left', users: control.users };
  return null;
}

/** Each entry with those who received it when it was written (I7): the intervals tell, whatever has happened since. */
export function recallPlan(
  audience: Audience,
  facts: ConversationFacts,
  entries: readonly WireEntry[],
): readonly Planned[] {
  const planned: Planned[] = [];
  for (const entry of entries) {
    const { gen, seq } = entry;
    const change = changeOf(entry);
    const changed: UserId[] = [];
    const others: UserId[] = [];
    for (const [user, intervals] of audience.members) {
      if (receivedRanges(intervals, { from: seq, to: seq }).length === 0) continue;
      (change?.users.includes(user) === true ? changed : others).push(user);
    }
    if (change !== null && changed.length > 0) {
      planned.push({
        delivery: { d: 'messages', facts, gen, entries: [entry], change: change.change },
        users: changed,
      });
    }
    if (others.length > 0) {
      planned.push({ delivery: { d: 'messages', facts, gen, entries: [entry], change: null }, users: others });
    }
  }
  return planned;
}

/** Finds out from what is stored who gets what a commit changed: for diffusion that resumes after a crash (I6). */
export async function recall(
  calls: ActorCalls,
  timelines: TimelineReader,
  change: FeedChange,
): Promise<Result<readonly Planned[], FrameError>> {
  if (change.kind === 'read') {
    const { kind: _kind, user, ...read } = change;
    return ok([{ delivery: { d: 'read', ...read }, users: [user] }]);
  }
  const actor = conversationKey(change.conversation);
  const audience = await new Promise<AnyReply>((resolve) => {
    calls.post(actor, { t: 'audience' }, resolve, 'follow-up');
  });
  if (!audience.ok) return audience;
  const found = audience.value as Audience;
  if (found.facts === null) return ok([]);
  const at = { partition: calls.partitionOf(actor), actor };
  const range = { from: { gen: change.gen, seq: change.from }, to: { gen: change.gen, seq: change.to } };
  const entries = await readDense(timelines, at, range, 'forward');
  return ok(recallPlan(found, found.facts, entries.map(wireEntry)));
}
