import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Terminal } from '../terminal.ts';
import type { Line } from './file-lines.ts';
import { Importer } from './importer.ts';

interface Asked {
  readonly lines: readonly Line[];
  readonly after: number;
}
type Answer = (slice: Asked, request: number) => object;

const taken = ({ lines, after }: Asked): object => {
  const seq = Number(lines.findLast((line) => 'seq' in line)?.['seq'] ?? after);
  return { ok: true, conversation: 'team', seq, done: lines.some((line) => 'end' in line), announced: null };
};

/** An importer, and what a server is asked by it that answers like that. */
async function importerTo(answer: Answer) {
  const asked: Asked[][] = [];
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { slices } = JSON.parse(Buffer.concat(parts).toString()) as { slices: Asked[] };
      asked.push(slices);
      const results = slices.map((slice) => answer(slice, asked.length));
      response.setHeader('content-type', 'application/json').end(JSON.stringify({ results }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const notes: string[] = [];
  const faults: string[] = [];
  let lines = 0;
  const terminal: Terminal = {
    ...{ out: () => undefined, note: (text) => notes.push(text), status: () => undefined, clear: () => undefined },
    ...{ isInteractive: false, columns: 80, interrupted: new AbortController().signal },
  };
  const url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  const importer = new Importer({
    api: { url, key: 'key', terminal },
    onFault: ({ number, message }) => faults.push(`${String(number)}: ${message}`),
    onLines: (count) => (lines += count),
  });
  return { importer, asked, faults, notes, lines: () => lines };
}

const conversation = { conversation: 'team', first: 1, last: 600 };

async function send(importer: Importer, line: (seq: number) => Line = (seq) => ({ seq, at: seq })): Promise<void> {
  importer.begin('team', conversation, 2);
  for (let seq = 1; seq <= 600; seq += 1) await importer.add('team', line(seq), seq + 2, false);
  await importer.add('team', { end: 'team', last: 600 }, 603, true);
  expect(await importer.flush()).toEqual({ ok: true, value: null });
}

describe('an importer', () => {
  it('says of each slice behind which entry of the file it goes on', async () => {
    const { importer, asked, lines } = await importerTo(taken);
    await send(importer);
    expect(asked.flat().map(({ after }) => after)).toEqual([0, 250, 500]);
    expect([importer.done, importer.entries, lines()]).toEqual([1, 600, 601]);
  });

  it('sends again what is refused for the moment, in order, and blames no line for it', async () => {
    const away = { code: 'unavailable', message: 'the owner moves', retry: 'later' };
    const behind = { code: 'conflict', message: 'a slice before it was refused', retry: 'never' };
    const { importer, asked, faults } = await importerTo((slice, request) => {
      if (request > 2 || slice.after === 0) return taken(slice);
      return { ok: false, line: null, error: slice.after === 250 ? away : behind };
    });
    await send(importer);
    expect(asked.map((slices) => slices.map(({ after }) => after))).toEqual([
      [0, 250, 500],
      [250, 500],
      [250, 500],
    ]);
    expect([importer.done, faults]).toEqual([1, []]);
  });

  it('tells a line that no request would hold, and sends nothing more of its conversation', async () => {
    const { importer, asked, faults } = await importerTo(taken);
    await send(importer, (seq) => ({ seq, at: seq, ...(seq === 300 ? { body: 'x'.repeat(300_000) } : {}) }));
    expect(asked).toEqual([]);
    expect([importer.done, faults]).toEqual([0, [expect.stringMatching(/^302: it has 300\d{3} bytes; at most /)]]);
  });
});
