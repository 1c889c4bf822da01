import {
  generation,
  ok,
  partitionId,
  sequenceId,
  type ConversationId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import { encodeEntry, WireEntry } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { Appended, Effect } from '../effects.ts';
import { liveEvents, NOTE_BYTES_MAX } from './live-notes.ts';
import { LiveSource, type WatchNote } from './live-source.ts';
import type { WatchAnswer } from './watches.ts';

const tea = 'tea' as ConversationId;
const [one, two] = ['one', 'two'] as [NodeId, NodeId];
const [ann, bob] = ['ann', 'bob'] as [UserId, UserId];

function appended(seq: number, more: Partial<Appended> = {}, bytes = 5): Appended {
  const fields = { msgNo: seq, countable: true, from: ann, deviceTag: 0, n: 0, sentAt: 0, at: 0 };
  const data = encodeEntry({ ...fields, type: 'text', body: 'x'.repeat(bytes) });
  const entries = [new WireEntry(generation(1), sequenceId(seq), data)];
  const facts = { conversation: tea, kind: 'group', title: '' } as const;
  const at = { gen: generation(1), from: sequenceId(seq), to: sequenceId(seq), entries };
  return {
    e: 'appended',
    facts,
    ...at,
    mode: 'read',
    recipients: [],
    changes: null,
    behind: 'read',
    undiffused: null,
    ...more,
  };
}

/** `tea 1..3 +ann@2`, or what else the note says. */
function tell(note: WatchNote): string {
  if (note.n === 'again') return `again ${note.conversations.join(' ')}`;
  if (note.n === 'over') return `over ${note.conversation}`;
  const { entries, changes, conversation, msgNo } = note;
  const signs = changes.map(
    ({ seq, change, users }) => ` ${change === 'joined' ? '+' : '-'}${users.join()}@${String(seq)}`,
  );
  expect(msgNo).toBe(entries.at(-1)?.seq);
  return `${conversation} ${String(entries[0]?.seq)}..${String(entries.at(-1)?.seq)}${signs.join('')}`;
}

class AnOwner {
  readonly told: string[] = [];
  readonly later: (() => void)[] = [];
  readonly asked: string[] = [];
  backlog = 0;
  nowMs = 0;
  isOwner = true;
  answer: NodeAnswer = ok({ mode: 'read', gen: 1, seq: 7, msgNo: 5, members: [ann] });
  readonly source = new LiveSource({
    clock: { nowMs: () => 0, monotonicMs: () => this.nowMs },
    timers: {
      after: (_ms, callback) => {
        this.later.push(callback);
        return () => undefined;
      },
      soon: (callback) => this.later.push(callback),
    },
    partitionOf: (conversation) => partitionId(conversation === tea ? 0 : 1),
    has: () => this.isOwner,
    ask: (_from, { conversation, users }, _partition, answer) => {
      this.asked.push(`${conversation} ${users.join()}`);
      answer(this.answer);
    },
    tellAll: (nodes, note) => {
      for (const node of nodes) this.told.push(`${node} ${tell(note)}`);
    },
    backlog: () => this.backlog,
  });

  watch(node: NodeId): readonly WatchAnswer[] {
    let answers: readonly WatchAnswer[] = [];
    this.source.asked(node, [{ conversation: tea, users: [ann] }], (told) => (answers = told));
    return answers;
  }

  runLater(): void {
    for (const run of this.later.splice(0)) run();
  }
}

describe('what the nodes that watch are told of a commit', () => {
  it('is each conversation once, with who comes and goes, and nothing of others (I7)', () => {
    const coffee = { conversation: 'coffee' as ConversationId, kind: 'group', title: '' } as const;
    const effects: Effect[] = [
      appended(4),
      appended(9, { facts: coffee }),
      appended(5, { changes: { change: 'joined', users: new Set([bob]) } }),
      { e: 'doubtful', user: ann },
      appended(6, { changes: { change: 'left', users: new Set([ann, bob]) } }),
    ];
    const isTea = (conversation: ConversationId): boolean => conversation === tea;
    expect(liveEvents(effects, isTea).map(tell)).toEqual(['tea 4..6 +bob@5 -ann,bob@6']);
  });

  it('ends with what goes into inboxes again', () => {
    const effects = [appended(4), appended(5, { mode: 'write' }), appended(6, { mode: 'write' })];
    expect(liveEvents(effects, () => true).map(tell)).toEqual(['tea 4..4', 'over tea', 'over tea']);
  });

  it('is cut into notes of a bounded size that follow on each other (I9)', () => {
    const effects = [4, 5, 6, 7].map((seq) => appended(seq, {}, NOTE_BYTES_MAX / 2.5));
    expect(liveEvents(effects, () => true).map(tell)).toEqual(['tea 4..5', 'tea 6..7']);
    const large = [appended(1, {}, NOTE_BYTES_MAX * 2), appended(2)];
    expect(liveEvents(large, () => true).map(tell)).toEqual(['tea 1..1', 'tea 2..2']);
  });
});

describe('the owner of a conversation in read mode', () => {
  it('tells whoever watches, until that ends, and tells no more when it is written again', () => {
    const owner = new AnOwner();
    owner.source.told([appended(7)]);
    expect(owner.watch(one)).toMatchObject([{ seq: 7, members: [ann] }]);
    owner.watch(two);
    owner.source.told([appended(8), appended(9)]);
    expect(owner.told.splice(0)).toEqual(['one tea 8..9', 'two tea 8..9']);
    owner.source.unasked(one, [tea]);
    owner.source.told([appended(10)]);
    owner.source.told([appended(11, { mode: 'write' })]);
    owner.source.told([appended(12, { mode: 'write' })]);
    expect(owner.told).toEqual(['two tea 10..10', 'two over tea']);
    expect(owner.source.watchers.size).toBe(0);
  });

  it('lets nobody watch what it does not own, what is not in read mode, and what it could not ask', () => {
    const owner = new AnOwner();
    owner.isOwner = false;
    expect(owner.watch(one)).toEqual(['not_owner']);
    owner.isOwner = true;
    owner.answer = 'not_owner';
    expect(owner.watch(one)).toEqual(['not_owner']);
    owner.source.unasked(one, [tea]);
    owner.answer = ok({ mode: 'write', gen: 1, seq: 7, msgNo: 5, members: [ann] });
    expect(owner.watch(one)).toMatchObject([{ mode: 'write' }]);
    expect(owner.source.watchers.size).toBe(0);
  });

  it('forgets who does not say in time that it still watches, and who is gone', () => {
    const owner = new AnOwner();
    owner.watch(one);
    owner.nowMs = 80_000;
    owner.watch(two);
    owner.nowMs = 100_000;
    owner.runLater();
    owner.source.told([appended(8)]);
    expect(owner.told).toEqual(['two tea 8..8']);
    owner.source.forgetNode(two);
    expect(owner.source.watchers.size).toBe(0);
  });

  it('leaves entries out for a node that does not keep up, and says so when there is room (Q2, I9)', () => {
    const owner = new AnOwner();
    owner.watch(one);
    owner.backlog = 0.3;
    owner.source.told([appended(8)]);
    owner.backlog = 0.2;
    owner.runLater();
    owner.source.told([appended(9)]);
    expect(owner.told).toEqual([]);
    owner.backlog = 0.1;
    owner.runLater();
    owner.source.told([appended(10)]);
    expect(owner.told).toEqual(['one again tea', 'one tea 10..10']);
  });

  it('has everybody ask again when the partition was claimed once more: a commit may have gone untold', () => {
    const owner = new AnOwner();
    owner.watch(one);
    owner.source.claimed(partitionId(1));
    expect(owner.told).toEqual([]);
    owner.source.claimed(partitionId(0));
    expect(owner.told).toEqual(['one again tea']);
  });
});
