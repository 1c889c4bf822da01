import { err, generation, ok, partitionId, sequenceId, type DeviceId, type UserId } from '@millrace/kernel';
import type { MessageStory, StoryQuery } from '@millrace/messaging';
import { frameError, type FrameError } from '@millrace/protocol';
import type { StoryTeller } from '../ports.ts';

const traced = { known: 'traced', node: 'one', why: [] } as const;
const untraced = {
  known: 'not',
  node: null,
  at: null,
  tookMs: null,
  why: [{ code: 'silent', nodes: ['two'] }],
} as const;

/** A story with something of everything that one may hold. */
export const aStory: MessageStory = {
  conversation: 'team' as MessageStory['conversation'],
  kind: 'group',
  gen: generation(1),
  seq: sequenceId(3),
  head: { gen: generation(1), seq: sequenceId(9) },
  message: {
    from: 'alice' as UserId,
    device: 'phone' as DeviceId,
    n: 2,
    type: 'text',
    countable: true,
    msgNo: 2,
    at: 1_700_000_000_000,
    sentAt: 7,
    bytes: 40,
  },
  steps: [
    { step: 'accepted', ...untraced, via: null, session: null, retries: 0 },
    { step: 'routed', ...untraced, to: null, way: null, waitedMs: null, tries: null },
    {
      step: 'sequenced',
      ...traced,
      at: 1_700_000_000_000,
      tookMs: null,
      partition: partitionId(5),
      epoch: 3,
      waitedMs: 0.25,
    },
    {
      step: 'committed',
      ...traced,
      at: 1_700_000_000_002,
      tookMs: 1.5,
      commitNo: 41,
      commands: 2,
      level: 'disk',
      again: false,
    },
    { step: 'acked', ...untraced },
    {
      step: 'diffused',
      ...traced,
      at: 1_700_000_000_004,
      tookMs: 2,
      mode: 'write',
      recipients: 3,
      looked: 1,
      reached: 1,
      delivered: { count: 2, firstAt: 1_700_000_000_003, lastAt: 1_700_000_000_004 },
      pushed: null,
      gateways: [{ node: 'one', count: 1, firstAt: 1_700_000_000_003, lastAt: 1_700_000_000_004 }],
    },
  ],
  recipients: { count: 3, delivered: 1, read: 0 },
  members: [
    {
      user: 'bob' as UserId,
      role: 'member',
      isAuthor: false,
      inbox: { known: 'traced', state: 'there', gen: 1, seq: 12, at: 1_700_000_000_003, tookMs: 0.5 },
      deliveredSeq: sequenceId(3),
      readSeq: sequenceId(1),
      delivered: true,
      read: false,
      deliveredAt: 1_700_000_000_005,
      readAt: null,
      devices: [
        {
          device: 'tablet' as DeviceId,
          node: 'one',
          session: 's1',
          state: 'behind',
          at: null,
          pushedAt: null,
          told: { gen: 1, seq: 11, at: 1_699_999_999_000 },
          resynced: { reason: 'slow', at: 1_700_000_000_003 },
        },
      ],
    },
  ],
  nodes: [
    { name: 'one', state: 'told', since: 1_600_000_000_000, messagesFrom: null, copiesFrom: 1_650_000_000_000 },
    { name: 'two', state: 'silent', since: null, messagesFrom: null, copiesFrom: null },
  ],
  asked: 'one',
};

/** Tells one story, and remembers what it was asked. */
export class MemoryStories implements StoryTeller {
  readonly asked: StoryQuery[] = [];
  refusal: FrameError | null = null;

  tell: StoryTeller['tell'] = async (query) => {
    this.asked.push(query);
    if (this.refusal !== null) return err(this.refusal);
    return query.seq === aStory.seq ? ok(aStory) : err(frameError('not_found', 'there is no such message'));
  };
}
