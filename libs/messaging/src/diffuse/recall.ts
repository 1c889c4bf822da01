import { isDiffused, isReceived, lastReceived, modeBehind } from '@millrace/diffusion';
import { ok, sequenceId, type Result, type SequenceId, type UserId } from '@millrace/kernel';
import type { FrameError, WireEntry } from '@millrace/protocol';
import { conversationKey } from '@millrace/timeline';
import type { ActorCalls, AnyReply } from '../actor-calls.ts';
import { spansBetween } from '../conversation/appended.ts';
import type { Audience, AudienceMember } from '../conversation/commands.ts';
import type { ConversationFacts, MembershipChange, Skipped, Undiffused } from '../effects.ts';
import { ownBehind } from '../sync/mark-read.ts';
import { currentForAll, type CurrentReads } from '../revise/current.ts';
import { readDense } from '../sync/read-messages.ts';
import type { FeedChange } from './changefeed-entry.ts';
import { controlOf } from './control-of.ts';
import { planHints } from './hints.ts';
import { planEntries, type Planned } from './plan.ts';

/** What a control entry does to the membership of the users it names. */
function changeOf(entry: WireEntry): { readonly change: MembershipChange; readonly users: readonly UserId[] } | null {
  const control = controlOf(entry);
  if (control === null) return null;
  if (control.control === 'created') return { change: 'joined', users: control.members };
  if (control.control === 'joined') return { change: 'joined', users: control.users };
  if (control.control === 'left' || control.control === 'kicked') return { change: 'left', users: control.users };
  return null;
}

/** How many countable messages a member has sent up to a seq. */
type SentUpTo = (member: AudienceMember, seq: SequenceId) => Promise<number>;

/** Each entry with those whose inbox got it when it was written (I7): intervals and segments tell, whatever has happened since. */
export async function recallPlan(
  audience: Audience,
  facts: ConversationFacts,
  entries: readonly WireEntry[],
  sentUpTo: SentUpTo,
): Promise<readonly Planned[]> {
  const { segments, members } = audience;
  const planned: Planned[] = [];
  for (const entry of entries) {
    const { gen, seq } = entry;
    const change = changeOf(entry);
    const receivers = members.filter(({ intervals }) => isReceived(intervals, segments, seq));
    planned.push(
      ...planEntries({
        facts,
        gen,
        entries: [entry],
        recipients: receivers.map(({ user }) => user),
        changes: change === null ? null : { change: change.change, users: new Set(change.users) },
        behind: modeBehind(segments, seq),
        undiffused: await undiffusedBefore(audience, receivers, seq, sentUpTo),
      }),
    );
    if (!isDiffused(segments, seq)) planned.push(...planHints(facts, [entry]));
  }
  return planned;
}

/** As `undiffusedBefore` of the conversation said it then: for the entry that ends a segment, and for who leaves within. */
async function undiffusedBefore(
  { head, segments }: Audience,
  receivers: readonly AudienceMember[],
  seq: SequenceId,
  sentUpTo: SentUpTo,
): Promise<Undiffused | null> {
  const segment = segments.find(({ from, to }) => seq > from && (to === null || seq <= to));
  if (segment === undefined || (isDiffused(segments, seq) && segment.to !== seq)) return null;
  const of = new Map<UserId, Omit<Skipped, 'spans'>>();
  for (const member of receivers) {
    const isJoin = member.intervals.some(({ joined }) => joined === seq);
    if (isJoin) continue;
    const after = lastReceived(member.intervals, segments, sequenceId(seq - 1));
    // What was read since is gone from them, and a position that says so is on its way.
    const mentions = member.mentions.filter((each) => each <= seq);
    // What is gone since, later entries will say once more.
    const gone = { ...member.gone, seqs: member.gone.seqs.filter((each) => each <= seq) };
    of.set(member.user, { after, sent: await sentUpTo(member, seq), mentions, gone });
  }
  return { spans: spansBetween(head, segment.from, sequenceId(seq - 1)), of };
}

/** Finds out from what is stored who gets what a commit changed: for diffusion that resumes after a crash (I6). */
export async function recall(
  calls: ActorCalls,
  reads: CurrentReads,
  change: FeedChange,
): Promise<Result<readonly Planned[], FrameError>> {
  if (change.kind === 'read') {
    const { kind: _kind, user, ...moved } = change;
    return ok([{ delivery: { d: 'read', ...moved }, users: [user] }]);
  }
  if (change.kind === 'deleted') {
    const { kind: _kind, user, ...deleted } = change;
    return ok([{ delivery: { d: 'deleted', ...deleted }, users: [user] }]);
  }
  const { timelines } = reads;
  // They go into nobody's inbox.
  if (change.kind === 'imported') return ok([]);
  const actor = conversationKey(change.conversation);
  const range = { from: change.from, to: change.to };
  const audience = await new Promise<AnyReply>((resolve) => {
    calls.post(actor, { t: 'audience', range }, resolve, 'follow-up');
  });
  if (!audience.ok) return audience;
  const found = audience.value as Audience;
  if (found.facts === null) return ok([]);
  const at = { partition: calls.partitionOf(actor), actor };
  const positions = { from: { gen: change.gen, seq: change.from }, to: { gen: change.gen, seq: change.to } };
  const entries = readDense(timelines, at, positions, 'forward');
  const sentUpTo: SentUpTo = async ({ user, sent, lastSentSeq }, seq) =>
    sent - (await ownBehind(timelines, at, user, { after: seq, lastSentSeq, head: found.head }));
  // What was recalled meanwhile is told to nobody any more.
  const now = await currentForAll(calls, reads, change.conversation, entries, found.head);
  return ok(await recallPlan(found, found.facts, now, sentUpTo));
}
