import { generation, sequenceId, type UserId } from '@millrace/kernel';
import type { Position } from '@millrace/timeline';
import type { RecipientAt } from '../conversation/commands.ts';
import type {
  AcceptedStep,
  CommittedStep,
  DeliveredStep,
  RoutedStep,
  SequencedStep,
  Spread,
  TraceHere,
} from '../trace/trace-here.ts';
import { devicesOf } from './devices-of.ts';
import type { InboxFound } from './inbox-search.ts';
import type { NodeFacts, StoryFacts } from './story-facts.ts';
import type {
  Accepted,
  Acked,
  Committed,
  Diffused,
  InInbox,
  MemberStory,
  MessageStory,
  NodeTold,
  Routed,
  Sequenced,
  Why,
} from './story.ts';

/** A step, and the name of the node that tells it. */
type At<Step> = Step & { readonly node: string };

/** Why nobody traces it: every reason that may be the one, by what the nodes say of their traces. */
export function whyNot(nodes: readonly NodeFacts[], at: number, ring: 'messagesFrom' | 'copiesFrom'): readonly Why[] {
  const named = (code: Why['code'], applies: (trace: TraceHere | null) => boolean): Why => ({
    code,
    nodes: nodes.filter(({ trace }) => applies(trace)).map(({ name }) => name),
  });
  const reasons = [
    named('silent', (trace) => trace === null),
    named('off', (trace) => trace !== null && trace.kept === null),
    named('restarted', (trace) => (trace?.kept?.since ?? 0) > at),
    named('pushed_out', (trace) => (trace?.kept?.[ring] ?? 0) > at),
  ].filter((why) => why.nodes.length > 0);
  return reasons.length > 0 ? reasons : [{ code: 'not_noted', nodes: [] }];
}

/** Whether every node still knows all that it has done for recipients since then. */
const isTracedWhole = (nodes: readonly NodeFacts[], at: number): boolean =>
  nodes.every(({ trace }) => {
    const kept = trace?.kept ?? null;
    return kept !== null && kept.since <= at && (kept.copiesFrom ?? 0) <= at;
  });

function stepsOf<Step>(
  nodes: readonly NodeFacts[],
  pick: (trace: TraceHere) => readonly Step[] | Step | null,
): readonly At<Step>[] {
  return nodes.flatMap(({ name, trace }) => {
    const found = trace === null ? null : pick(trace);
    const steps = found === null ? [] : Array.isArray(found) ? (found as readonly Step[]) : [found as Step];
    return steps.map((step) => ({ ...step, node: name }));
  });
}

/** What the nodes trace of the message's way into the store. */
interface Traced {
  readonly accepted: At<AcceptedStep> | null;
  readonly routed: At<RoutedStep> | null;
  readonly sequenced: At<SequencedStep> | null;
  readonly commit: CommittedStep | null;
  readonly retries: number;
}

function tracedOf(nodes: readonly NodeFacts[]): Traced {
  const accepted = stepsOf(nodes, (trace) => trace.accepted);
  const first = accepted.find(({ duplicate }) => !duplicate) ?? null;
  const routed = [...stepsOf(nodes, (trace) => trace.routed)].sort((one, other) => one.postedAt - other.postedAt);
  const sequenced = stepsOf<SequencedStep>(nodes, (trace) => trace.sequenced)[0] ?? null;
  const keyed = routed.filter((each) => each.keyed).length;
  return {
    accepted: first,
    routed: (first === null ? routed[0] : routed.find(({ node }) => node === first.node)) ?? null,
    sequenced,
    commit: sequenced?.commit ?? null,
    retries: accepted.filter(({ duplicate }) => duplicate).length + Math.max(0, keyed - 1),
  };
}

/** What every step is that nobody traces. */
const untraced = (why: readonly Why[]) => ({ known: 'not', node: null, at: null, tookMs: null, why }) as const;

const known = (node: string, at: number, tookMs: number | null) =>
  ({ known: 'traced', node, at, tookMs, why: [] }) as const;

function acceptedStep({ accepted, routed, retries }: Traced, why: readonly Why[]): Accepted {
  if (accepted !== null) {
    const { node, receivedAt, session } = accepted;
    return { step: 'accepted', ...known(node, receivedAt, null), via: 'socket', session, retries };
  }
  if (routed?.keyed === true) {
    return { step: 'accepted', ...known(routed.node, routed.postedAt, null), via: 'http', session: null, retries };
  }
  return { step: 'accepted', ...untraced(why), via: null, session: null, retries };
}

function routedStep({ routed }: Traced, nodes: readonly NodeFacts[], why: readonly Why[]): Routed {
  if (routed === null) {
    return { step: 'routed', ...untraced(why), to: null, way: null, waitedMs: null, tries: null };
  }
  const { node, postedAt, tookMs, waitedMs, tries } = routed;
  const owner = nodes.find((each) => each.node === routed.to);
  return {
    step: 'routed',
    ...known(node, postedAt, tookMs),
    // A run that is in the cluster no more is named by itself.
    to: owner?.name ?? routed.to,
    way: owner?.name === node ? 'here' : 'node_stream',
    waitedMs,
    tries,
  };
}

function sequencedStep({ sequenced, commit }: Traced, facts: StoryFacts, why: readonly Why[]): Sequenced {
  const { at } = facts.entry;
  if (sequenced === null || commit === null) {
    const stored = { known: 'stored', node: null, at, tookMs: null, why } as const;
    return { step: 'sequenced', ...stored, partition: facts.partition, epoch: null, waitedMs: null };
  }
  const { node, waitedMs } = sequenced;
  const { partition, epoch } = commit;
  return { step: 'sequenced', ...known(node, at, null), partition, epoch, waitedMs };
}

function committedStep({ sequenced, commit }: Traced, facts: StoryFacts, why: readonly Why[]): Committed {
  if (sequenced === null || commit === null) {
    // That it is stored is seen: it was read. When, and how, is not.
    const stored = { known: 'stored', node: null, at: null, tookMs: null, why } as const;
    return { step: 'committed', ...stored, commitNo: null, commands: null, level: null, again: null };
  }
  const { commitNo, commands, again, storedAt, tookMs } = commit;
  return {
    step: 'committed',
    ...known(sequenced.node, storedAt, tookMs),
    commitNo,
    commands,
    level: facts.level,
    again,
  };
}

function ackedStep({ accepted, routed }: Traced, why: readonly Why[]): Acked {
  if (accepted !== null) return { step: 'acked', ...known(accepted.node, accepted.ackedAt, accepted.tookMs) };
  if (routed?.keyed === true) {
    const tookMs = Math.round((routed.waitedMs + routed.tookMs) * 1_000) / 1_000;
    return { step: 'acked', ...known(routed.node, Math.round(routed.postedAt + tookMs), tookMs) };
  }
  return { step: 'acked', ...untraced(why) };
}

function merged(spreads: readonly (Spread | null)[]): Spread | null {
  const found = spreads.filter((spread) => spread !== null);
  if (found.length === 0) return null;
  return {
    count: found.reduce((sum, { count }) => sum + count, 0),
    firstAt: Math.min(...found.map(({ firstAt }) => firstAt)),
    lastAt: Math.max(...found.map(({ lastAt }) => lastAt)),
  };
}

function diffusedStep(
  { sequenced, commit }: Traced,
  facts: StoryFacts,
  members: readonly MemberStory[],
  why: readonly Why[],
): Diffused {
  const recipients = facts.audience.recipients;
  const reached = members.filter(({ inbox }) => !['behind', 'pulled', 'unavailable'].includes(inbox.state)).length;
  const traces = facts.nodes.map(({ trace }) => trace?.copies ?? null);
  const more = {
    step: 'diffused',
    mode: facts.audience.mode,
    recipients,
    looked: members.length,
    reached,
    delivered: merged(traces.map((copies) => copies?.delivered ?? null)),
    pushed: merged(traces.map((copies) => copies?.pushed ?? null)),
    gateways: stepsOf(facts.nodes, ({ copies }) => copies.pushed),
  } as const;
  // Nothing more is to become of it: who shows it was pushed it, and whoever asks gets it from the Timeline.
  if (facts.audience.mode === 'read') return { known: 'stored', node: null, at: null, tookMs: null, why: [], ...more };
  const diffused = commit?.diffused ?? null;
  if (sequenced !== null && diffused !== null) {
    return { ...known(sequenced.node, diffused.at, diffused.tookMs), ...more };
  }
  // What was looked at is all of them, and all have it.
  if (reached === recipients) return { known: 'stored', node: null, at: null, tookMs: null, why, ...more };
  if (sequenced !== null && commit !== null) {
    return { known: 'traced', node: sequenced.node, at: null, tookMs: null, why: [], ...more };
  }
  return { ...untraced(why), ...more };
}

/** Where a recipient's inbox has the message: by the node that put it there, else by what is stored. */
function inInbox(
  delivered: At<DeliveredStep> | undefined,
  found: InboxFound | null,
  mode: StoryFacts['audience']['mode'],
): InInbox {
  if (delivered !== undefined) {
    const { at, tookMs, inbox } = delivered;
    const stored = found?.state === 'there' ? found.position.seq : null;
    return { known: 'traced', state: 'there', gen: inbox.gen, seq: inbox.seq ?? stored, at, tookMs };
  }
  const nothing = { gen: null, seq: null, at: null, tookMs: null };
  if (found === null || found.state === 'unavailable') return { known: 'not', state: 'unavailable', ...nothing };
  if (found.state !== 'there') return { known: 'stored', state: mode === 'read' ? 'pulled' : found.state, ...nothing };
  return { ...nothing, known: 'stored', state: 'there', gen: found.position.gen, seq: found.position.seq };
}

const positionIn = ({ gen, seq }: InInbox): Position | null =>
  gen === null || seq === null ? null : { gen: generation(gen), seq: sequenceId(seq) };

function memberStory(facts: StoryFacts, acked: Acked, recipient: RecipientAt, found: InboxFound | null): MemberStory {
  const { nodes, position, entry, audience } = facts;
  const { user, role, deliveredSeq, readSeq } = recipient;
  const isOurs = (step: { readonly user: UserId }): boolean => step.user === user;
  const inbox = inInbox(stepsOf(nodes, (trace) => trace.delivered).find(isOurs), found, audience.mode);
  const receipts = stepsOf(nodes, (trace) => trace.receipts).filter(isOurs);
  const firstAt = (times: readonly number[]): number | null => (times.length === 0 ? null : Math.min(...times));
  const isAuthor = entry.from === user;
  return {
    user,
    role,
    isAuthor,
    inbox,
    deliveredSeq,
    readSeq,
    delivered: deliveredSeq >= position.seq,
    read: readSeq >= position.seq,
    deliveredAt: firstAt(receipts.map(({ at }) => at)),
    readAt: firstAt(receipts.filter(({ what }) => what === 'read').map(({ at }) => at)),
    devices: devicesOf(nodes, {
      user,
      stored: recipient.devices,
      inbox: positionIn(inbox),
      isTracedWhole: audience.mode === 'read' && isTracedWhole(nodes, entry.at),
      author: isAuthor && audience.authorDevice !== null ? { device: audience.authorDevice, ackedAt: acked.at } : null,
    }),
  };
}

function nodeTold({ name, trace }: NodeFacts): NodeTold {
  const kept = trace?.kept ?? null;
  return {
    name,
    state: trace === null ? 'silent' : kept === null ? 'off' : 'told',
    since: kept?.since ?? null,
    messagesFrom: kept?.messagesFrom ?? null,
    copiesFrom: kept?.copiesFrom ?? null,
  };
}

/**
 * Puts a message's story together from what is stored and what the nodes traced. Each step says how it is known; a
 * further follower of messages becomes a further step here, told from its own part of the facts.
 */
export function tellStory(facts: StoryFacts): MessageStory {
  const { conversation, position, head, entry, bytes, audience, inboxes, nodes, asked } = facts;
  const traced = tracedOf(nodes);
  const why = whyNot(nodes, entry.at, 'messagesFrom');
  // A change of the membership has no sender that waits for an ack.
  const senderWhy: readonly Why[] = entry.type === 'control' ? [{ code: 'control', nodes: [] }] : why;
  const acked = ackedStep(traced, senderWhy);
  const members = audience.members.map((recipient, index) =>
    memberStory(facts, acked, recipient, inboxes[index] ?? null),
  );
  return {
    conversation,
    kind: audience.kind,
    gen: position.gen,
    seq: position.seq,
    head: { gen: head.gen, seq: head.seq },
    message: {
      from: entry.from,
      device: audience.authorDevice,
      n: entry.n,
      type: entry.type,
      countable: entry.countable,
      msgNo: entry.msgNo,
      at: entry.at,
      sentAt: entry.sentAt,
      bytes,
    },
    steps: [
      acceptedStep(traced, senderWhy),
      routedStep(traced, nodes, senderWhy),
      sequencedStep(traced, facts, why),
      committedStep(traced, facts, why),
      acked,
      diffusedStep(traced, facts, members, why),
    ],
    recipients: { count: audience.recipients, delivered: audience.delivered, read: audience.read },
    members,
    nodes: nodes.map(nodeTold),
    asked,
  };
}
