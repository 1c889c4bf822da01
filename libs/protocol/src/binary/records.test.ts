import { describe, expect, it } from 'vitest';
import { generation, sequenceId, utf8, type ConversationId } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames } from '../client-codec.ts';
import { WireEntry } from '../entry.ts';
import type { Send } from '../frames.ts';
import { protocolLimits } from '../limits.ts';
import { decodeClientFrames, encodeServerFrames } from '../server-codec.ts';

const tea = 'tea' as ConversationId;
const send: Send = { t: 'send', id: 7, conversation: tea, n: 1, sentAt: 5, type: 'text', body: 'hello' };

function record(
  kind: number,
  flags: number,
  id: number,
  payload: readonly number[],
  length = payload.length,
): Uint8Array {
  const u32 = (value: number): number[] => [value >>> 24, value >>> 16, value >>> 8, value];
  return Uint8Array.from([...u32(length), kind, flags, 0, 0, ...u32(id), ...payload]);
}

const bytesOf = (text: string): readonly number[] => [...utf8(text)];
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));

describe('records of a client', () => {
  const good = encodeClientFrames([send], 'binary');

  it('have a header of 12 bytes, then the payload', () => {
    const payload = [3, ...bytesOf('tea'), 1, 5, 1, ...bytesOf('hello')];
    expect(good).toEqual(record(1, 1, 7, payload));
  });

  it.each([
    ['of an unknown kind', record(9, 0, 8, []), 'bad_frame'],
    ['of a kind that only a server sends', record(2, 0, 8, []), 'bad_frame'],
    ['whose payload is not JSON', record(0, 0, 8, bytesOf('{')), 'bad_frame'],
    ['whose payload is not UTF-8', record(0, 0, 8, [0x22, 0xff, 0x22]), 'bad_frame'],
    ['whose payload is an array', record(0, 0, 8, bytesOf('[{"t":"ping","id":8}]')), 'bad_frame'],
    ['whose id is not the header’s', record(0, 0, 8, bytesOf('{"t":"ping","id":9}')), 'bad_request'],
    ['with a field out of range', record(0, 0, 8, bytesOf('{"t":"sync","id":8,"limit":0}')), 'bad_request'],
    ['with a payload cut short', record(1, 1, 8, [3, ...bytesOf('te')]), 'bad_request'],
    [
      'with a number over 2^53-1',
      record(1, 1, 8, [1, 97, 255, 255, 255, 255, 255, 255, 255, 127, 5, 1]),
      'bad_request',
    ],
    ['with a conversation id that is none', record(1, 1, 8, [1, 32, 1, 5, 1]), 'bad_request'],
    ['with counter 0', record(1, 1, 8, [1, 97, 0, 5, 1]), 'bad_request'],
    ['that is to follow itself', record(1, 3, 8, [1, 97, 7, 7, 5, 1]), 'bad_request'],
    ['of a type that only the server writes', record(1, 1, 8, [1, 97, 1, 5, 5]), 'bad_request'],
    ['whose text is not UTF-8', record(1, 1, 8, [1, 97, 1, 5, 1, 0xff]), 'bad_request'],
    [
      'whose body is over the limit',
      record(1, 0, 8, [1, 97, 1, 5, 1, ...new Array<number>(protocolLimits.bodyBytes + 1).fill(0)]),
      'too_large',
    ],
  ])('one %s is refused by its id, and its neighbours stand', (_what, bad, code) => {
    expect(decodeClientFrames(joined(good, bad, good), 'binary')).toMatchObject({
      ok: true,
      value: [
        { ok: true, value: send },
        { ok: false, error: { t: 'error', id: 8, code } },
        { ok: true, value: send },
      ],
    });
  });

  it('a send without an id is refused', () => {
    const decoded = decodeClientFrames(record(1, 1, 0, [1, 97, 1, 5, 1]), 'binary');
    expect(decoded).toMatchObject({ value: [{ ok: false, error: { code: 'bad_request' } }] });
  });

  it.each([
    ['empty', new Uint8Array(0)],
    ['cut off in a header', joined(good, good.subarray(0, 11))],
    ['cut off in a payload', joined(good, good.subarray(0, good.length - 1))],
    ['with a length that is not there', record(1, 1, 7, [1], 0xffff_ffff)],
    ['with reserved bytes in use', good.map((byte, at) => (at === 6 ? 1 : byte))],
    [
      'of too many records',
      joined(...new Array<Uint8Array>(protocolLimits.framesPerMessage + 1).fill(record(0, 0, 0, []))),
    ],
  ])('a message that is %s closes the socket', (_what, bytes) => {
    expect(decodeClientFrames(bytes, 'binary')).toMatchObject({
      ok: false,
      error: { close: 'badFrame', error: { t: 'error', code: 'bad_frame' } },
    });
  });
});

describe('records of the server', () => {
  it('hand on a stored entry byte for byte', () => {
    const stored = Uint8Array.of(1, 1, 3, 9, 200, 1, 7, 1, 97, 0, 0, 0, 5, 2, 104, 105);
    const entry = new WireEntry(generation(2), sequenceId(300), stored);
    const head = { gen: generation(2), seq: sequenceId(300) };
    const page = encodeServerFrames(
      [{ t: 'page', id: 1, conversation: tea, messages: [entry], hasMore: true, head }],
      'binary',
    );
    expect(page).toEqual(record(4, 1, 1, [3, ...bytesOf('tea'), 2, 172, 2, 1, 2, 172, 2, stored.length, ...stored]));
  });

  it('of a kind that this program does not know are left out', () => {
    const pong = encodeServerFrames([{ t: 'pong', id: 3, serverTime: 5 }], 'binary');
    const unknown = record(0, 0, 0, bytesOf('{"t":"later"}'));
    expect(decodeServerFrames(joined(record(200, 7, 1, [1, 2, 3]), unknown, pong), 'binary')).toEqual({
      ok: true,
      value: [{ t: 'pong', id: 3, serverTime: 5 }],
    });
  });

  it('may have grown by fields behind those that this program knows', () => {
    const ack = record(2, 1, 7, [1, 97, 4, 1, 9, 0, 0, 1, 99, 98, 97]);
    expect(decodeServerFrames(ack, 'binary')).toEqual({
      ok: true,
      value: [
        { t: 'ack', id: 7, conversation: 'a', n: 4, gen: 1, seq: 9, msgNo: 0, at: 0, level: 'disk', duplicate: true },
      ],
    });
  });

  it.each([
    ['a count that lies', [3, 0, 1, 0, 1, 255, 255, 255, 255, 15], 'the input ends early'],
    ['an entry of an unknown version', [4, 1, 1, 97, 1, 1, 1, 1, 1, 2, 9, 9], 'entry version 9 is not known'],
    [
      'an entry whose text is not UTF-8',
      [4, 1, 1, 97, 1, 1, 1, 1, 1, 13, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff],
      'the body is not UTF-8',
    ],
    ['an item of an unknown kind', [3, 0, 1, 0, 1, 1, 7, 1, 97], 'push item kind 7 is not known'],
    ['a summary that is no object', [5, 1, 1, 1, 0, 1, 1, 0x35, 0], 'a summary is not a JSON object'],
    ['an unknown ack level', [2, 1, 1, 97, 1, 1, 1, 1, 1, 9], 'the ack level is not known'],
  ])('with %s make the message unreadable', (_what, [kind = 0, id = 0, ...payload], message) => {
    expect(decodeServerFrames(record(kind, 0, id, payload), 'binary')).toEqual({
      ok: false,
      error: { code: 'bad_frame', message, retry: 'never' },
    });
  });
});

describe('what a newer server may say', () => {
  const decode = (frame: object): unknown => decodeServerFrames(JSON.stringify(frame), 'json');

  it('an error code that is not known is `internal`, with the advice that came with it', () => {
    expect(decode({ t: 'error', id: 1, code: 'too_cold', message: 'brr', retry: 'later' })).toEqual({
      ok: true,
      value: [{ t: 'error', id: 1, code: 'internal', message: 'brr', retry: 'later' }],
    });
    expect(decode({ t: 'error', code: 'toString', message: '', retry: 'maybe' })).toEqual({
      ok: true,
      value: [{ t: 'error', code: 'internal', message: '', retry: 'never' }],
    });
  });

  it('a resync for a reason that is not known is still a resync', () => {
    expect(decode({ t: 'resync', reason: 'eclipse' })).toEqual({ ok: true, value: [{ t: 'resync', reason: 'moved' }] });
  });

  it('a kind of conversation that is not known reads like a group', () => {
    const summary = {
      conversation: 'x',
      kind: 'forum',
      title: '',
      peer: null,
      member: true,
      gen: 1,
      seq: 1,
      lastAt: 0,
    };
    const unread = { msgNo: 0, readSeq: 0, readMsgNo: 0, own: 0, unread: 0 };
    expect(decode({ t: 'conversations', id: 1, conversations: [{ ...summary, ...unread }], next: null })).toMatchObject(
      {
        value: [{ conversations: [{ kind: 'group' }] }],
      },
    );
  });

  it('a known frame with a wrong field makes the message unreadable', () => {
    expect(decode({ t: 'pong', id: 1, serverTime: 'noon' })).toMatchObject({
      ok: false,
      error: {
        code: 'bad_frame',
        message: 'pong: serverTime must be a whole number from 0 to 9007199254740991, got "noon"',
      },
    });
  });
});
