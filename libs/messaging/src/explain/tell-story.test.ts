import {
  generation,
  partitionId,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { RecipientAt } from '../conversation/commands.ts';
import { silentTrace } from '../trace/message-trace.ts';
import type { DeviceMarks, TraceHere } from '../trace/trace-here.ts';
import type { NodeFacts, StoryFacts } from './story-facts.ts';
import type { MessageStory, StoryStep } from './story.ts';
import { tellStory } from './tell-story.ts';

const AT = 10_000;
const [ann, ben, cleo] = ['ann', 'ben', 'cleo'] as UserId[] as [UserId, UserId, UserId];
const phone = 'phone' as DeviceId;
const tablet = 'tablet' as DeviceId;

const blank: TraceHere = {
  ...silentTrace.tell({ conversation: 'g' as ConversationId, gen: 1, seq: sequenceId(1), of: [] }),
  kept: { since: 1_000, messagesFrom: null, copiesFrom: null },
};

const node = (name: string, trace: Partial<TraceHere> | null = {}): NodeFacts => ({
  name,
  node: `${name}.1` as NodeId,
  trace: trace === null ? null : { ...blank, ...trace },
});

const recipient = (user: UserId, more: Partial<RecipientAt> = {}): RecipientAt => ({
  user,
  role: 'member',
  deliveredSeq: sequenceId(0),
  readSeq: sequenceId(0),
  devices: [],
  ...more,
});

const there = (seq: number) => ({ state: 'there', position: { gen: generation(1), seq: sequenceId(seq) } }) as const;

/** A message that ann's phone sent, of which nothing is traced, and which all three have in their inbox. */
const facts = (more: Partial<StoryFacts> = {}): StoryFacts => ({
  conversation: 'g' as ConversationId,
  position: { gen: generation(1), seq: sequenceId(5) },
  head: { gen: generation(1), seq: sequenceId(9) },
  partition: partitionId(3),
  level: 'disk',
  entry: { from: ann, deviceTag: 7, n: 2, sentAt: 1, at: AT, type: 'text', body: 'x', msgNo: 4, countable: true },
  bytes: 30,
  audience: {
    kind: 'group',
    mode: 'write',
    recipients: 3,
    delivered: 1,
    read: 0,
    authorDevice: phone,
    members: [recipient(ann), recipient(ben), recipient(cleo)],
  },
  inboxes: [there(11), there(22), there(33)],
  nodes: [node('n1'), node('n2')],
  asked: 'n1',
  ...more,
});

const stepOf = <Name extends StoryStep['step']>(
  { steps }: MessageStory,
  name: Name,
): Extract<StoryStep, { step: Name }> => {
  const step = steps.find((each) => each.step === name);
  if (step === undefined) throw new Error(`there is no ${name}`);
  return step as Extract<StoryStep, { step: Name }>;
};

const accepted = {
  user: ann,
  device: phone,
  session: 's1',
  receivedAt: AT - 1,
  ackedAt: AT + 4,
  tookMs: 5,
  duplicate: false,
};
const routed = { to: 'n2.1' as NodeId, keyed: false, postedAt: AT - 1, waitedMs: 0, tookMs: 4.5, tries: 1 };
const commit = {
  partition: partitionId(3),
  commitNo: 41,
  epoch: 2,
  commands: 6,
  decidedAt: AT,
  storedAt: AT + 2,
  tookMs: 2,
  again: false,
  diffused: { at: AT + 9, tookMs: 7 },
};
const sequenced = { waitedMs: 0.5, recipients: 3, commit };

const marks = (device: DeviceId, more: Partial<DeviceMarks>): DeviceMarks => ({
  user: ben,
  device,
  session: null,
  told: null,
  pushed: null,
  pulled: null,
  skipped: null,
  resynced: null,
  ...more,
});

describe('a story of which everything is traced', () => {
  const story = tellStory(
    facts({
      nodes: [
        node('n1', {
          ...{ accepted: [{ ...accepted, duplicate: true, ackedAt: AT + 90 }, accepted], routed: [routed] },
          copies: { delivered: null, pushed: { count: 7, firstAt: 8, lastAt: 9 } },
        }),
        node('n2', { sequenced, copies: { delivered: { count: 2, firstAt: 5, lastAt: 7 }, pushed: null } }),
        node('n3', { copies: { delivered: { count: 1, firstAt: 6, lastAt: 8 }, pushed: null } }),
      ],
    }),
  );

  it('goes from the gateway to the owner of the conversation, and back to the sender', () => {
    expect(story.steps.map(({ step, known, node: where, at, tookMs }) => [step, known, where, at, tookMs])).toEqual([
      ['accepted', 'traced', 'n1', AT - 1, null],
      ['routed', 'traced', 'n1', AT - 1, 4.5],
      ['sequenced', 'traced', 'n2', AT, null],
      ['committed', 'traced', 'n2', AT + 2, 2],
      ['acked', 'traced', 'n1', AT + 4, 5],
      ['diffused', 'traced', 'n2', AT + 9, 7],
    ]);
    expect(stepOf(story, 'accepted')).toMatchObject({ via: 'socket', session: 's1', retries: 1, why: [] });
    expect(stepOf(story, 'routed')).toMatchObject({ to: 'n2', way: 'node_stream', tries: 1 });
    expect(stepOf(story, 'sequenced')).toMatchObject({ partition: 3, epoch: 2, waitedMs: 0.5 });
    expect(stepOf(story, 'committed')).toMatchObject({ commitNo: 41, commands: 6, level: 'disk', again: false });
    expect(stepOf(story, 'diffused')).toMatchObject({ recipients: 3, delivered: { count: 3, firstAt: 5, lastAt: 8 } });
    expect(stepOf(story, 'diffused')).toMatchObject({ pushed: { count: 7 }, gateways: [{ node: 'n1', count: 7 }] });
  });

  it('says that it went nowhere when its own node owns the conversation', () => {
    const here = tellStory(facts({ nodes: [node('n2', { accepted: [accepted], routed: [routed], sequenced })] }));
    expect(stepOf(here, 'routed')).toMatchObject({ node: 'n2', to: 'n2', way: 'here' });
  });

  it('names the run of an owner that is not in the cluster any more', () => {
    const gone = tellStory(facts({ nodes: [node('n1', { accepted: [accepted], routed: [routed] })] }));
    expect(stepOf(gone, 'routed')).toMatchObject({ to: 'n2.1', way: 'node_stream' });
    expect(stepOf(gone, 'sequenced')).toMatchObject({ known: 'stored', why: [{ code: 'not_noted', nodes: [] }] });
  });

  it('begins at the HTTP API when a backend sent it', () => {
    const keyed = { ...routed, keyed: true, waitedMs: 1 };
    const http = tellStory(facts({ nodes: [node('n1', { routed: [{ ...keyed, postedAt: AT + 50 }, keyed] })] }));
    expect(stepOf(http, 'accepted')).toMatchObject({ node: 'n1', via: 'http', at: AT - 1, retries: 1 });
    expect(stepOf(http, 'acked')).toMatchObject({ known: 'traced', tookMs: 5.5 });
  });
});

describe('a step that is not traced', () => {
  it('is told by what is stored as far as that goes, with every reason that may be the one', () => {
    const story = tellStory(
      facts({
        nodes: [
          node('n1', null),
          node('n2', { kept: null }),
          node('n3', { kept: { since: AT + 1, messagesFrom: null, copiesFrom: null } }),
          node('n4', { kept: { since: 1, messagesFrom: AT + 1, copiesFrom: null } }),
          node('n5'),
        ],
      }),
    );
    const why = [
      { code: 'silent', nodes: ['n1'] },
      { code: 'off', nodes: ['n2'] },
      { code: 'restarted', nodes: ['n3'] },
      { code: 'pushed_out', nodes: ['n4'] },
    ];
    expect(stepOf(story, 'accepted')).toMatchObject({ known: 'not', node: null, at: null, why });
    expect(stepOf(story, 'sequenced')).toMatchObject({ known: 'stored', at: AT, partition: 3, epoch: null, why });
    expect(stepOf(story, 'committed')).toMatchObject({ known: 'stored', at: null, commitNo: null, why });
    expect(stepOf(story, 'diffused')).toMatchObject({ known: 'stored', at: null, looked: 3, reached: 3, why });
    expect(story.nodes.map(({ name, state, since }) => [name, state, since])).toEqual([
      ['n1', 'silent', null],
      ['n2', 'off', null],
      ['n3', 'told', AT + 1],
      ['n4', 'told', 1],
      ['n5', 'told', 1_000],
    ]);
  });

  it('of an entry that nobody sent as a message is no gap in the trace', () => {
    const { entry } = facts();
    const story = tellStory(facts({ entry: { ...entry, type: 'control', deviceTag: 0, n: 0 } }));
    for (const name of ['accepted', 'routed', 'acked'] as const)
      expect(stepOf(story, name)).toMatchObject({ known: 'not', why: [{ code: 'control', nodes: [] }] });
  });
});

describe('diffusion', () => {
  it('is under way while an inbox lacks the message', () => {
    const open = { ...sequenced, commit: { ...commit, diffused: null } };
    const story = tellStory(
      facts({ inboxes: [there(11), { state: 'behind' }, there(33)], nodes: [node('n2', { sequenced: open })] }),
    );
    expect(stepOf(story, 'diffused')).toMatchObject({ known: 'traced', at: null, reached: 2 });
    const untraced = tellStory(facts({ inboxes: [there(11), { state: 'behind' }, null] }));
    expect(stepOf(untraced, 'diffused')).toMatchObject({ known: 'not', reached: 1 });
    expect(untraced.members.map(({ inbox }) => [inbox.known, inbox.state])).toEqual([
      ['stored', 'there'],
      ['stored', 'behind'],
      ['not', 'unavailable'],
    ]);
  });

  it('of a large group is not said to be over by those few that were looked at', () => {
    const { audience } = facts();
    const story = tellStory(facts({ audience: { ...audience, recipients: 10_000 } }));
    expect(stepOf(story, 'diffused')).toMatchObject({ known: 'not', recipients: 10_000, looked: 3, reached: 3 });
    expect(story.recipients).toEqual({ count: 10_000, delivered: 1, read: 0 });
  });

  it('of a message that is pulled comes into no inbox, until what ends that points at it', () => {
    const { audience } = facts();
    const behind = { state: 'behind' } as const;
    const story = tellStory(
      facts({ audience: { ...audience, mode: 'read' }, inboxes: [behind, there(5), { state: 'unavailable' }] }),
    );
    expect(stepOf(story, 'diffused')).toMatchObject({ known: 'stored', mode: 'read', recipients: 3, reached: 1 });
    expect(story.members.map(({ inbox }) => inbox.state)).toEqual(['pulled', 'there', 'unavailable']);
  });

  it('into one inbox is told by the node that did it, else by the inbox itself', () => {
    const delivered = [{ user: ben, inbox: { gen: 1, seq: sequenceId(22) }, at: AT + 3, tookMs: 0.7 }];
    const story = tellStory(
      facts({ inboxes: [there(11), null, { state: 'gone' }], nodes: [node('n2', { delivered })] }),
    );
    expect(story.members.map(({ inbox }) => inbox)).toEqual([
      { known: 'stored', state: 'there', gen: 1, seq: 11, at: null, tookMs: null },
      { known: 'traced', state: 'there', gen: 1, seq: 22, at: AT + 3, tookMs: 0.7 },
      { known: 'stored', state: 'gone', gen: null, seq: null, at: null, tookMs: null },
    ]);
    const inexact = [{ user: ben, inbox: { gen: 1, seq: null }, at: AT + 3, tookMs: 0.7 }];
    const looked = tellStory(facts({ nodes: [node('n2', { delivered: inexact })] }));
    expect(looked.members[1]?.inbox).toMatchObject({ known: 'traced', seq: 22, at: AT + 3 });
  });
});

describe('a device of a recipient', () => {
  /** Ben's devices, whose inbox has the message at 22, by what nodes know. */
  const devices = (
    nodes: readonly NodeFacts[],
    stored: readonly DeviceId[] = [],
    inbox: StoryFacts['inboxes'][number] = there(22),
  ) => {
    const { audience } = facts();
    const members = [recipient(ann), recipient(ben, { devices: stored })];
    const story = tellStory(facts({ audience: { ...audience, members }, inboxes: [there(11), inbox], nodes }));
    return story.members[1]?.devices.map(({ device, state, at }) => [device, state, at]);
  };
  const ofPhone = (more: Partial<DeviceMarks>, trace: Partial<TraceHere> = {}) =>
    devices([node('n1', { devices: [marks(phone, more)], ...trace })]);
  const mark = (seq: number, at = AT + 50) => ({ gen: 1, seq, at });
  const pushed = [{ user: ben, device: phone, session: 's', at: AT + 6 }];
  const receipts = [{ user: ben, device: phone, what: 'read' as const, at: AT + 70 }];

  it('has it when it said so, by its position in the inbox or by a receipt', () => {
    expect(ofPhone({ told: mark(22) })).toEqual([[phone, 'applied', AT + 50]]);
    expect(ofPhone({ told: mark(21) }, { receipts })).toEqual([[phone, 'applied', AT + 70]]);
    expect(ofPhone({ told: mark(30) }, { pushed })).toEqual([[phone, 'applied', AT + 50]]);
  });

  it('was pushed or has pulled it when it said nothing since', () => {
    expect(ofPhone({ told: mark(21), pushed: mark(22) }, { pushed })).toEqual([[phone, 'pushed', AT + 6]]);
    expect(ofPhone({ told: mark(21), pushed: mark(25) })).toEqual([[phone, 'pushed', null]]);
    expect(ofPhone({ told: mark(3), pulled: mark(22) })).toEqual([[phone, 'pulled', AT + 50]]);
  });

  it('does not have it while it stands before it; who was told only where conversations stand, may not either', () => {
    expect(ofPhone({ told: mark(21), pulled: mark(21), pushed: mark(20) })).toEqual([[phone, 'behind', null]]);
    expect(ofPhone({ skipped: mark(25, AT + 30) })).toEqual([[phone, 'skipped', AT + 30]]);
    expect(ofPhone({ told: mark(26), skipped: mark(25, AT + 30) })).toEqual([[phone, 'skipped', AT + 30]]);
    expect(ofPhone({ told: mark(26), pulled: mark(26), skipped: mark(12) })).toEqual([[phone, 'applied', AT + 50]]);
    const older = { gen: 0, seq: 99, at: AT };
    expect(ofPhone({ told: older, pushed: older })).toEqual([[phone, 'behind', null]]);
  });

  it('of a message that is in no inbox has it by what it pulled or said, was pushed it live, or was not sent it', () => {
    const { audience } = facts();
    const ofRead = (more: Partial<TraceHere>, others: readonly NodeFacts[] = []) => {
      const nodes = [node('n1', { devices: [marks(phone, { session: 's' })], ...more }), ...others];
      const read = { ...audience, mode: 'read' as const, members: [recipient(ben)] };
      const story = tellStory(facts({ audience: read, inboxes: [{ state: 'not_found' }], nodes }));
      return story.members[0]?.devices.map(({ device, state, at }) => [device, state, at]);
    };
    const pull = (isHeld: boolean, at: number) => ({ user: ben, device: phone, isHeld, at });
    expect(ofRead({})).toEqual([[phone, 'behind', null]]);
    expect(ofRead({ pushed })).toEqual([[phone, 'pushed', AT + 6]]);
    expect(ofRead({ pulls: [pull(false, AT + 9), pull(false, AT + 8)] })).toEqual([[phone, 'pulled', AT + 8]]);
    expect(ofRead({ pushed, pulls: [pull(false, AT + 8), pull(true, AT + 20)] })).toEqual([
      [phone, 'applied', AT + 20],
    ]);
    // It may have been sent it by whoever does not remember any more.
    const kept = { since: 1_000, messagesFrom: null, copiesFrom: AT + 1 };
    for (const other of [node('n2', { kept }), node('n2', { kept: { ...kept, since: AT + 1 } }), node('n2', null)]) {
      expect(ofRead({}, [other])).toEqual([[phone, 'unknown', null]]);
    }
  });

  it('that nodes know nothing of is named when it has ever sent something here', () => {
    expect(devices([node('n1')], [tablet])).toEqual([[tablet, 'unknown', null]]);
    expect(devices([node('n1', { devices: [marks(phone, { told: mark(3) })] })], [], { state: 'gone' })).toEqual([
      [phone, 'unknown', null],
    ]);
  });

  it('is judged by the node that knows most, and is where its session is', () => {
    const nodes = [
      node('n1', { devices: [marks(phone, { told: mark(4), resynced: { reason: 'slow', at: 3 } })] }),
      node('n2', { devices: [marks(phone, { told: mark(22), session: 's9', resynced: { reason: 'moved', at: 4 } })] }),
    ];
    const story = tellStory(facts({ nodes }));
    expect(story.members[1]?.devices).toEqual([
      {
        device: phone,
        node: 'n2',
        session: 's9',
        state: 'applied',
        at: AT + 50,
        pushedAt: null,
        told: mark(22),
        resynced: { reason: 'moved', at: 4 },
      },
    ]);
  });

  it('that sent it has it by the ack', () => {
    const [author] = tellStory(facts({ nodes: [node('n1', { accepted: [accepted] })] })).members;
    expect(author).toMatchObject({
      user: ann,
      isAuthor: true,
      devices: [{ device: phone, state: 'author', at: AT + 4 }],
    });
  });

  it('says when it was read, as far as that was noted; that it was read is stored', () => {
    const { audience } = facts();
    const members = [recipient(ann), recipient(ben, { readSeq: sequenceId(5), deliveredSeq: sequenceId(8) })];
    const noted = [
      { ...receipts[0], at: AT + 99 },
      { ...receipts[0], what: 'delivered' as const },
      ...receipts,
    ] as TraceHere['receipts'];
    const read = (trace: Partial<TraceHere>) =>
      tellStory(facts({ audience: { ...audience, members }, nodes: [node('n1', trace)] })).members[1];
    expect(read({ receipts: noted })).toMatchObject({
      delivered: true,
      read: true,
      deliveredAt: AT + 70,
      readAt: AT + 70,
    });
    expect(read({})).toMatchObject({ delivered: true, read: true, deliveredAt: null, readAt: null });
  });
});
