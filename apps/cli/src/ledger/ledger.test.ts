import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generation, sequenceId, type ConversationId, type DeviceId, type UserId } from '@millrace/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { countsOf } from './ledger-book.ts';
import { LedgerWriter, ledgerPath, newestLedger, readLedger, type ReadLedger } from './ledger-file.ts';
import type { LedgerRecord, MessageRecord, RunRecord } from './ledger-record.ts';

const run: RunRecord = {
  ledger: 1,
  run: 'a-run',
  device: 'replay-a-run' as DeviceId,
  url: 'http://127.0.0.1:7400',
  file: 'corpus.jsonl',
  fileSha256: '00',
  startedAt: '2026-01-01T00:00:00.000Z',
};
const conversation = 'a-run.lobby' as ConversationId;
const ada = 'ada' as UserId;
const bob = 'bob' as UserId;
const message = (line: number, from: UserId, n: number, seq: number): MessageRecord => ({
  line,
  conversation,
  from,
  n,
  gen: generation(1),
  seq: sequenceId(seq),
  sha256: 'ff',
});
const records: readonly LedgerRecord[] = [
  { sync: ada, token: 't' },
  { conversation, channel: 'lobby', creator: ada },
  message(1, ada, 1, 2),
  { joined: bob, conversation, gen: generation(1), seq: sequenceId(3) },
  message(2, bob, 1, 4),
  message(3, ada, 2, 5),
];

let dir = '';
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'millrace-ledger-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true });
});

function written(path: string): LedgerWriter {
  const writer = LedgerWriter.create(path, run);
  if (!writer.ok) throw new Error(writer.error);
  for (const record of records) writer.value.append(record);
  return writer.value;
}

async function read(path: string): Promise<ReadLedger> {
  const ledger = await readLedger(path);
  if (!ledger.ok) throw new Error(ledger.error);
  return ledger.value;
}

describe('a ledger', () => {
  it('tells what was written, also before it is closed, as a killed replay leaves it', async () => {
    const path = ledgerPath(dir, 'a-run');
    const writer = written(path);
    const ledger = await read(path);
    writer.close();
    expect(ledger.run).toEqual(run);
    expect(countsOf(ledger.book)).toEqual({ messages: 3, conversations: 1, members: 2 });
    const booked = ledger.book.conversations.get(conversation);
    expect(booked?.messages.map(({ line }) => line)).toEqual([1, 2, 3]);
    expect([...(booked?.counters ?? [])]).toEqual([
      [ada, 2],
      [bob, 1],
    ]);
    expect(ledger.book.syncTokens.get(ada)).toBe('t');
  });

  it('that was torn at any byte of its last record loses that record alone, and is resumed in its place', async () => {
    const path = ledgerPath(dir, 'a-run');
    written(path).close();
    const whole = readFileSync(path);
    const lastStart = whole.lastIndexOf(0x0a, whole.length - 2) + 1;
    for (let size = lastStart + 1; size < whole.length; size += 7) {
      writeFileSync(path, whole);
      truncateSync(path, size);
      const torn = await read(path);
      expect(countsOf(torn.book).messages).toBe(2);
      const writer = LedgerWriter.resume(torn);
      writer.append(message(3, ada, 2, 5));
      writer.close();
      expect(readFileSync(path)).toEqual(whole);
    }
  });

  it('is never written over by another run of the same name', () => {
    const path = ledgerPath(dir, 'a-run');
    written(path).close();
    const second = LedgerWriter.create(path, run);
    expect(second.ok ? '' : second.error).toMatch(/is there already/);
  });

  it.each([
    ['a record in the middle that is none', '{"conversation":3}\n', /Line 8 .* is not a record/],
    ['a message of no conversation', `${JSON.stringify({ ...message(9, ada, 1, 1), conversation: 'x' })}\n`, /Line 8/],
  ])('with %s is refused, for then it cannot be trusted', async (_what, line, reason) => {
    const path = ledgerPath(dir, 'a-run');
    written(path).close();
    appendFileSync(path, line);
    const ledger = await readLedger(path);
    expect(ledger.ok ? '' : ledger.error).toMatch(reason);
  });

  it('of another version, or another file altogether, is refused', async () => {
    const path = join(dir, 'other.jsonl');
    writeFileSync(path, '{"ledger":2}\n');
    expect(await readLedger(path)).toMatchObject({ ok: false, error: expect.stringMatching(/version 2/) as string });
    writeFileSync(path, '{"channel":"x"}\n');
    expect(await readLedger(path)).toMatchObject({ ok: false, error: expect.stringMatching(/not a ledger/) as string });
  });

  it('is found by being the newest', () => {
    expect(newestLedger(dir)).toBe(null);
    written(ledgerPath(dir, 'one')).close();
    written(ledgerPath(dir, 'two')).close();
    utimesSync(ledgerPath(dir, 'two'), 1, 1);
    expect(newestLedger(dir)).toBe(ledgerPath(dir, 'one'));
  });
});
