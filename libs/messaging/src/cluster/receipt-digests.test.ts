import { err, generation, ok, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { LatestReceipts } from '../conversation/commands.ts';
import { ReceiptDigests } from './receipt-digests.ts';

const [tea, bar] = ['tea', 'bar'] as ConversationId[] as [ConversationId, ConversationId];
const ann = 'ann' as UserId;

/** Digests over timers that go off when a test says so, and conversations whose counts rise with each question. */
function digests() {
  const due: { readonly ms: number; readonly run: () => void }[] = [];
  const asked: ConversationId[] = [];
  const told: string[] = [];
  const answer = { refuses: false, users: [ann] };
  const parts = {
    timers: {
      after: (ms: number, run: () => void) => {
        const timer = { ms, run };
        due.push(timer);
        return () => {
          if (due.includes(timer)) due.splice(due.indexOf(timer), 1);
        };
      },
    } as never,
    ask: (conversation: ConversationId) => {
      asked.push(conversation);
      const counts = { recipients: 100, delivered: 0, read: asked.length };
      const readers = [{ gen: generation(1), seq: sequenceId(1), ...counts }];
      const latest: LatestReceipts = { users: answer.users, receipts: { conversation, readers } };
      return Promise.resolve(answer.refuses ? err(frameError('unavailable', 'away')) : ok(latest));
    },
    tell: (
      users: readonly UserId[],
      notice: { readonly kind: string; readonly receipts?: LatestReceipts['receipts'] },
    ) => {
      const { conversation, readers } = notice.receipts ?? { conversation: '', readers: [] };
      told.push(`${users.join()} ${conversation} ${String(readers[0]?.read)}`);
    },
  };
  const goOff = async (): Promise<void> => {
    for (const { run } of due.splice(0)) run();
    await Promise.resolve();
    await Promise.resolve();
  };
  return { digests: new ReceiptDigests(parts), due, asked, told, answer, goOff };
}

describe('notices of positions that move in large conversations', () => {
  it('are one a second and conversation, however many positions move', async () => {
    const { digests: node, due, asked, told, goOff } = digests();
    for (let each = 0; each < 10_000; each += 1) node.moved(tea);
    node.moved(bar);
    expect(due.map(({ ms }) => ms)).toEqual([1_000, 1_000]);
    await goOff();
    expect(asked).toEqual([tea, bar]);
    expect([told, node.size]).toEqual([['ann tea 1', 'ann bar 2'], 0]);
    node.moved(tea);
    await goOff();
    expect(told).toHaveLength(3);
  });

  it('are left out when the conversation cannot be asked, or there is nobody to tell', async () => {
    const { digests: node, told, answer, goOff } = digests();
    answer.refuses = true;
    node.moved(tea);
    await goOff();
    answer.refuses = false;
    answer.users = [];
    node.moved(tea);
    await goOff();
    expect(told).toEqual([]);
  });

  it('are bounded, and end with the node (I9)', () => {
    const { digests: node, due } = digests();
    for (let each = 0; each < 10_100; each += 1) node.moved(`c-${String(each)}` as ConversationId);
    expect([node.size, due.length]).toEqual([10_000, 10_000]);
    node.stop();
    expect([node.size, due.length]).toEqual([0, 0]);
  });
});
