import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ok, type DeviceId, type UserId } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames } from './client-codec.ts';
import { deviceTag, encodeEntry } from './entry.ts';
import { closeCode, errorRetry } from './errors.ts';
import { clientFrameNames } from './json/client-frame-decoders.ts';
import { protocolLimits } from './limits.ts';
import { validateControlBody, validateFrame } from './node/schema.ts';
import { decodeClientFrames } from './server-codec.ts';
import { serverFrames } from './testing/arbitraries.ts';
import { exampleMessages } from './testing/example-messages.ts';

/* docs/protocol.md promises things to people who write clients from it alone: what it shows is true. */

const page = readFileSync(new URL('../../../docs/protocol.md', import.meta.url), 'utf8');

const blocks = (info: string): readonly string[] =>
  [...page.matchAll(/^```(.+)\n([^]*?)^```$/gm)].filter(([, kind]) => kind === info).map(([, , text = '']) => text);

const transcript = (side: 'C' | 'S'): readonly string[] =>
  blocks('transcript')
    .flatMap((text) => text.trim().split('\n'))
    .filter((line) => line.startsWith(`${side} `))
    .map((line) => line.slice(2));

/** The cells of the rows of the table whose header begins with these cells. */
function table(...header: readonly string[]): readonly (readonly string[])[] {
  const rows = page.split('\n').map((line) => (line.startsWith('|') ? line.split('|').slice(1, -1) : null));
  const cells = rows.map((row) => row?.map((cell) => cell.trim()) ?? null);
  const start = cells.findIndex((row) => row !== null && header.every((name, column) => row[column] === name));
  expect(start, `a table with the header ${header.join(' | ')}`).toBeGreaterThanOrEqual(0);
  const rest = cells.slice(start + 2);
  const end = rest.indexOf(null);
  return rest.slice(0, end).filter((row) => row !== null);
}

const bare = (cell = ''): string => cell.replaceAll('`', '').replaceAll(',', '');
const unspaced = (hex = ''): string => hex.replaceAll(/\s/g, '');
const toHex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

const clientExamples = [...blocks('json client'), ...transcript('C')];
const serverExamples = [...blocks('json server'), ...transcript('S')];
const nameOf = (text: string): string => (JSON.parse(text) as { readonly t: string }).t;

type PushLike = { readonly t: string; readonly items?: readonly object[] };

/** They stand there for clients that do not know of hints and deletions. */
function withoutMessagesOfHints(frame: PushLike): unknown {
  if (frame.t !== 'push' || frame.items === undefined) return frame;
  const items = frame.items.map((item) => {
    if (!(('hint' in item || 'deleted' in item) && 'messages' in item)) return item;
    expect(item.messages).toEqual([]);
    const { messages: _messages, ...rest } = item;
    return rest;
  });
  return { ...frame, items };
}

describe('the examples of docs/protocol.md', () => {
  it('show every frame of both directions', () => {
    expect([...new Set(clientExamples.map(nameOf))].sort()).toEqual([...clientFrameNames].sort());
    expect([...new Set(serverExamples.map(nameOf))].sort()).toEqual(Object.keys(serverFrames).sort());
  });

  it.each(clientExamples)('of a client hold to the schema and are taken: %s', (text) => {
    expect(validateFrame('client', JSON.parse(text))).toEqual([]);
    expect(decodeClientFrames(text, 'json')).toMatchObject({ ok: true, value: [{ ok: true }] });
  });

  it.each(serverExamples)('of the server hold to the schema and are read: %s', (text) => {
    expect(validateFrame('server', JSON.parse(text))).toEqual([]);
    expect(decodeServerFrames(text, 'json')).toEqual(ok([withoutMessagesOfHints(JSON.parse(text) as PushLike)]));
  });

  it('of control bodies hold to the schema', () => {
    expect(blocks('json control')).toHaveLength(14);
    for (const text of blocks('json control')) expect(validateControlBody(JSON.parse(text))).toEqual([]);
  });

  it('in hexadecimal are the `send` of the transcript and the first entry of the golden vectors', () => {
    const [record, entry] = blocks('hex').map(unspaced);
    const decoded = decodeClientFrames(transcript('C').find((text) => nameOf(text) === 'send') ?? '', 'json');
    const [send] = decoded.ok ? decoded.value : [];
    expect(send?.ok === true ? toHex(encodeClientFrames([send.value], 'binary')) : send).toBe(record);
    const [hello] = exampleMessages;
    expect(hello === undefined ? '' : toHex(encodeEntry(hello.message))).toBe(entry);
  });
});

describe('the tables of docs/protocol.md', () => {
  it('have the error codes and what to do about them', () => {
    const rows = table('code', 'retry', 'meaning').map(([code, retry]) => [bare(code), bare(retry)]);
    expect(Object.fromEntries(rows)).toEqual(errorRetry);
  });

  it('have the close codes', () => {
    const rows = table('code', 'name').map(([code, name]) => [bare(name), Number(code)]);
    expect(Object.fromEntries(rows)).toEqual(closeCode);
  });

  it('have the limits', () => {
    const rows = table('limit', 'value').map(([name, value]) => [bare(name), Number(bare(value))]);
    expect(Object.fromEntries(rows)).toEqual(protocolLimits);
  });

  it('have true device tags', () => {
    const rows = table('user', 'device', 'tag');
    expect(rows).toHaveLength(3);
    for (const [user, device, tag] of rows) {
      expect(deviceTag(bare(user) as UserId, bare(device) as DeviceId)).toBe(Number(tag));
    }
  });

  it('have links that lead somewhere', () => {
    const slugs = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^a-z0-9 -]/g, '')
        .replaceAll(' ', '-'),
    );
    const anchors = [...page.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id);
    const links = [...page.matchAll(/\]\(#([^)]+)\)/g)].map(([, target = '']) => target);
    expect(links.length).toBeGreaterThan(10);
    expect(links.filter((target) => ![...slugs, ...anchors].includes(target))).toEqual([]);
  });
});
