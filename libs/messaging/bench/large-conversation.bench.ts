import { generation, sequenceId, type UserId } from '@millrace/kernel';
import { bench, describe } from 'vitest';
import { decodeConversation } from '../src/conversation/conversation-record.ts';
import { AConversation } from '../src/testing/a-conversation.ts';

/*
 * A conversation of 10,000 members, of whom every third has read to a place of their own: what its activation costs once
 * its record is loaded, and what is asked of it afterwards. The heap that one activation takes is printed first; it is
 * right only with the garbage collector at hand.
 *
 * Not measured: reading the record from Redis, and the commit of what changes.
 *
 * Run: NODE_OPTIONS=--expose-gc npx vitest bench --run libs/messaging/bench
 */

const COUNT = 10_000;
const nameOf = (index: number): UserId => `user-${String(index).padStart(6, '0')}` as UserId;

const conversation = new AConversation('g').created(['owner']);
for (let from = 1; from < COUNT; from += 200) {
  const users = Array.from({ length: Math.min(200, COUNT - from) }, (_, index) => nameOf(from + index));
  conversation.do({ t: 'invite', by: null, users });
}
for (let n = 1; n <= COUNT; n += 1) conversation.do(conversation.sendOf('owner'));
const head = conversation.state.head.value.seq;
for (let index = 1; index < COUNT; index += 3) {
  const seq = sequenceId(head - index);
  conversation.do({ t: 'markRead', user: nameOf(index), seq, msgNo: COUNT - index, sentAtRead: 0 });
}

const { id } = conversation.state;
const { record } = conversation.stored;
const activated = (): ReturnType<typeof decodeConversation> => decodeConversation(id, record, generation(1));

const heapBytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
};
const kept: unknown[] = [];
const before = heapBytes();
for (let each = 0; each < 10; each += 1) kept.push(activated());
const plain = heapBytes();
for (const state of kept as ReturnType<typeof decodeConversation>[]) {
  state.readership.at(head);
  state.index.behind(null).next();
}
const counted = heapBytes();
const megabytes = (bytes: number): string => (bytes / 10 / 1e6).toFixed(2);
console.log(
  `heap of one activation: ${megabytes(plain - before)} MB, and ${megabytes(counted - plain)} MB for counts and order ` +
    `(${String(kept.length)} measured${globalThis.gc === undefined ? ', without --expose-gc: not to be trusted' : ''})`,
);
kept.length = 0;

describe('a conversation of 10,000 members', () => {
  bench('is activated from its loaded record', () => {
    activated();
  });

  bench('is activated and counts its readers for the first time', () => {
    activated().readership.at(head);
  });

  let seq = 1;
  bench('moves a read position', () => {
    seq = (seq % (head - 1)) + 1;
    const user = nameOf((seq * 7_919) % COUNT || 1);
    const member = conversation.state.members.get(user);
    // Anywhere, also back: what is measured is the same.
    if (member !== undefined) conversation.state.setMember(user, { ...member, readSeq: sequenceId(seq) });
  });

  bench('counts the readers of a message', () => {
    seq = (seq % (head - 1)) + 1;
    conversation.state.readership.at(sequenceId(seq));
  });

  bench('tells a page of 200 members', () => {
    seq = (seq % (head - 1)) + 1;
    conversation.actor.handle(
      { t: 'members', by: null, after: nameOf(seq % COUNT), limit: 200 },
      1,
      conversation.commits,
    );
  });
});
