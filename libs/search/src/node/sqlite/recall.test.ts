import { seededRandom, sequenceId } from '@millrace/kernel';
import { expect, it } from 'vitest';
import { conversationId, messageOf } from '../../conformance/messages.ts';
import type { SearchDocument } from '../../search-index.ts';
import { measureRecall } from '../../testing/recall.ts';
import { sqliteUnderTest } from './testing/a-folder.ts';

/* `node dist/search-recall.mjs --corpus FILE` asks more, of a real corpus. */

const PARTS = [
  ...['the kettle is on', 'Der Kessel läuft', 'café au lait', 'ΚΑΦΕΣ', 'кофе готов', 'stop-press: done', 'ok'],
  ...['我去北京大学', '今天喝咖啡吗', 'コーヒーを飲みます', '커피 마셔요', 'ไปดื่มกาแฟกัน', 'ຂ້ອຍດື່ມກາເຟ'],
  ...['👋🏽 hello', 'x'.repeat(30), 'a.b@example.com', '100 %'],
];

function corpus(count: number): readonly SearchDocument[] {
  const random = seededRandom(4);
  const part = (): string => PARTS[Math.floor(random.fraction() * PARTS.length)] ?? '';
  const heads = new Map<string, number>();
  return Array.from({ length: count }, () => {
    const room = `room-${String(random.uint32() % 12)}`;
    const seq = (heads.get(room) ?? 0) + 1;
    heads.set(room, seq);
    const text = Array.from({ length: 1 + (random.uint32() % 3) }, part).join(random.fraction() < 0.3 ? '' : ' ');
    const fields = { part: random.uint32() % 5, whole: random.fraction() < 0.5 };
    return { ...messageOf(seq, text), conversation: conversationId(room), seq: sequenceId(seq), fields };
  });
}

it('every message that a look at all of them finds is found, and no other, whatever the script', async () => {
  const under = await sqliteUnderTest();
  const { kinds, misses } = await measureRecall(under.index, corpus(600), 105, seededRandom(9));
  await under.close();
  expect(misses).toEqual([]);
  expect(kinds.reduce((sum, { questions }) => sum + questions, 0)).toBe(105);
  for (const { kind, questions, narrowed, wanted, found } of kinds) {
    expect([kind, questions >= 10, narrowed > 0, wanted > 0, found]).toEqual([kind, true, true, true, wanted]);
  }
}, 120_000);
