import { describe, expect, it } from 'vitest';
import { closeCode, type ErrorCode } from './errors.ts';
import { protocolLimits } from './limits.ts';
import { decodeClientFrames, type DecodedFrame } from './server-codec.ts';

const send = { t: 'send', id: 7, conversation: 'tea', n: 1, sentAt: 0, type: 'text', body: 'hello' };

function only(text: string): DecodedFrame {
  const message = decodeClientFrames(text, 'json');
  if (!message.ok) throw new Error(message.error.error.message);
  expect(message.value).toHaveLength(1);
  const [frame] = message.value;
  if (frame === undefined) throw new Error('no frame');
  return frame;
}

function refusal(frame: unknown): { readonly code: ErrorCode; readonly message: string; readonly id?: number } {
  const decoded = only(typeof frame === 'string' ? frame : JSON.stringify(frame));
  if (decoded.ok) throw new Error('it was taken');
  const { code, message, id } = decoded.error;
  return { code, message, ...(id === undefined ? {} : { id }) };
}

describe('a frame with a wrong field is refused by its own id, naming the field, what came and what would be right', () => {
  it.each([
    [{ ...send, n: 0 }, 'send: n must be a whole number from 1 to 9007199254740991, got 0'],
    [{ ...send, n: '1' }, 'send: n must be a whole number from 1 to 9007199254740991, got "1"'],
    [{ ...send, n: 2 ** 53 }, 'send: n must be a whole number from 1 to 9007199254740991, got 9007199254740992'],
    [{ ...send, after: 1 }, 'send: after must be a whole number from 0 to 0, got 1'],
    [{ ...send, n: 9, after: -1 }, 'send: after must be a whole number from 0 to 8, got -1'],
    [{ ...send, n: 9, after: null }, 'send: after must be a whole number from 0 to 8, got null'],
    [{ ...send, sentAt: -1 }, 'send: sentAt must be a whole number from 0 to 9007199254740991, got -1'],
    [{ ...send, sentAt: 1.5 }, 'send: sentAt must be a whole number from 0 to 9007199254740991, got 1.5'],
    [{ ...send, sentAt: null }, 'send: sentAt must be a whole number from 0 to 9007199254740991, got null'],
    [{ ...send, type: 'control' }, 'send: type must be one of text, image, file, custom, got "control"'],
    [{ ...send, type: 'toString' }, 'send: type must be one of text, image, file, custom, got "toString"'],
    [
      { ...send, conversation: 'a b' },
      'send: conversation: a conversation id must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ @ : % + = -, got "a b"',
    ],
    [
      { ...send, body: undefined },
      'send: body must be a text (for bytes leave it out and give bodyBase64), got nothing',
    ],
    [
      { ...send, body: ['x'] },
      'send: body must be a text (for bytes leave it out and give bodyBase64), got an array of 1',
    ],
    [{ ...send, bodyBase64: 'AAAA' }, 'send: body must be absent when there is a bodyBase64, got "hello"'],
    [
      { ...send, body: undefined, bodyBase64: 'A A=' },
      'send: bodyBase64 must be base64 (the standard alphabet, padded), got "A A="',
    ],
    [{ t: 'sync', id: 7, limit: 1001 }, 'sync: limit must be a whole number from 1 to 1000, got 1001'],
    [{ t: 'sync', id: 7, seen: 5 }, 'sync: seen must be an object, got 5'],
    [
      { t: 'sync', id: 7, seen: { gen: 1, seq: true } },
      'sync: seen.seq must be a whole number from 0 to 9007199254740991, got true',
    ],
    [
      { t: 'invite', id: 7, conversation: 'tea', users: [] },
      'invite: users must be an array of 1 to 200 user ids, got an array of 0',
    ],
    [
      { t: 'invite', id: 7, conversation: 'tea', users: ['ann', ''] },
      'invite: users[1]: a user id must be 1 to 64 of the characters A-Z a-z 0-9 . _ ~ @ : % + = -, got ""',
    ],
    [
      { t: 'create', id: 7, kind: 'direct', members: ['ann', 'bob'] },
      'create: members must be exactly one user id for a direct conversation, got an array of 2',
    ],
    [
      { t: 'create', id: 7, kind: 'group', members: [], title: 'x'.repeat(201) },
      `create: title must be a text of 0 to 200 Unicode characters, got "${'x'.repeat(40)}"… (201 characters)`,
    ],
    [
      { t: 'role', id: 7, conversation: 'tea', user: 'ann', role: 'king' },
      'role: role must be one of owner, admin, member, got "king"',
    ],
  ])('%j', (frame, message) => {
    expect(refusal(frame)).toEqual({ code: 'bad_request', message, id: 7 });
  });

  it('half of a surrogate pair is refused wherever a text may stand', () => {
    const lone = '{"t":"send","id":7,"conversation":"tea","n":1,"sentAt":0,"type":"text","body":"\\ud83d"}';
    expect(refusal(lone)).toEqual({
      code: 'bad_request',
      message: 'send: body must be well-formed Unicode, it has half of a surrogate pair',
      id: 7,
    });
    expect(refusal('{"t":"create","id":7,"kind":"group","members":[],"title":"\\udc00"}').code).toBe('bad_request');
  });

  it('a token is never shown', () => {
    const token = 'secret '.repeat(2_000);
    const { message } = refusal({ t: 'connect', id: 7, device: 'phone', token });
    expect(message).toBe('connect: token must be a text of 1 to 8192 characters, got 14000 characters');
  });
});

describe('bounds', () => {
  it('a body may have the limit of bytes, and not one more, however it is written', () => {
    const { bodyBytes } = protocolLimits;
    const withBody = (body: object): DecodedFrame => only(JSON.stringify({ ...send, body: undefined, ...body }));
    const base64 = (bytes: number): string => btoa('\0'.repeat(bytes));
    expect(withBody({ body: 'é'.repeat(bodyBytes / 2) }).ok).toBe(true);
    expect(withBody({ bodyBase64: base64(bodyBytes) }).ok).toBe(true);
    expect(withBody({ body: `${'é'.repeat(bodyBytes / 2)}x` })).toMatchObject({ error: { code: 'too_large', id: 7 } });
    expect(withBody({ bodyBase64: base64(bodyBytes + 1) })).toMatchObject({ error: { code: 'too_large', id: 7 } });
  });

  it('a message over the limit of bytes closes the socket', () => {
    const padded = JSON.stringify({ t: 'ping', id: 1, padding: 'é'.repeat(protocolLimits.frameBytes / 2) });
    expect(padded.length).toBeLessThan(protocolLimits.frameBytes);
    expect(decodeClientFrames(padded, 'json')).toMatchObject({
      error: { close: 'tooLarge', error: { code: 'too_large' } },
    });
    const bytes = new Uint8Array(protocolLimits.frameBytes + 1);
    expect(decodeClientFrames(bytes, 'binary')).toMatchObject({ error: { close: 'tooLarge' } });
  });

  it('a server may set other limits', () => {
    const limits = { ...protocolLimits, bodyBytes: 4, frameBytes: 200, framesPerMessage: 1 };
    expect(decodeClientFrames(JSON.stringify(send), 'json', limits)).toMatchObject({
      value: [
        { error: { code: 'too_large', message: 'send: body must be at most 4 bytes of UTF-8, got 5 characters' } },
      ],
    });
    expect(decodeClientFrames('[{"t":"ping","id":1},{"t":"ping","id":2}]', 'json', limits)).toMatchObject({
      error: { close: 'badFrame', error: { message: 'an array holds 1 to 1 frames, got 2' } },
    });
  });
});

describe('joined frames', () => {
  it('a wrong one is answered by an error of its own, and the others stand', () => {
    const text = JSON.stringify([
      { t: 'ping', id: 1 },
      { t: 'ping', id: 0 },
      5,
      { t: 'pingg', id: 3 },
      { t: 'ping', id: 4 },
    ]);
    expect(decodeClientFrames(text, 'json')).toMatchObject({
      value: [
        { ok: true, value: { t: 'ping', id: 1 } },
        { ok: false, error: { t: 'error', code: 'bad_request', retry: 'never' } },
        { ok: false, error: { t: 'error', code: 'bad_frame', message: 'a frame is an object, got 5' } },
        { ok: false, error: { t: 'error', code: 'bad_frame', id: 3 } },
        { ok: true, value: { t: 'ping', id: 4 } },
      ],
    });
  });

  it('fields that protocol v1 does not know are ignored', () => {
    expect(only('{"t":"ping","id":1,"later":{"a":[1]},"__proto__":{"t":"send"}}')).toEqual({
      ok: true,
      value: { t: 'ping', id: 1 },
    });
  });

  it.each(['constructor', '__proto__', 'toString', '', 7, null])('`t` %j is no frame', (t) => {
    expect(refusal(`{"t":${JSON.stringify(t)},"id":9}`)).toMatchObject({ code: 'bad_frame', id: 9 });
  });
});

describe('a message that cannot be cut into frames is answered by one error that closes', () => {
  it.each([
    '',
    'hello',
    '{"t":"ping","id":1}{"t":"ping","id":2}',
    '[]',
    '5',
    'null',
    '"ping"',
    '[{"t":"ping","id":1},]',
  ])('%j', (text) => {
    const message = decodeClientFrames(text, 'json');
    expect(message).toMatchObject({
      ok: false,
      error: { close: 'badFrame', error: { t: 'error', code: 'bad_frame' } },
    });
    expect(closeCode.badFrame).toBe(4300);
  });

  it('more frames than one message may join', () => {
    const text = `[${Array.from({ length: protocolLimits.framesPerMessage + 1 }, () => '{}').join(',')}]`;
    expect(decodeClientFrames(text, 'json')).toMatchObject({ ok: false, error: { close: 'badFrame' } });
  });

  it('bytes that are not UTF-8, and a text over the binary subprotocol', () => {
    expect(decodeClientFrames(Uint8Array.of(0x22, 0xff, 0x22), 'json')).toMatchObject({ error: { close: 'badFrame' } });
    expect(decodeClientFrames('{"t":"ping","id":1}', 'binary')).toMatchObject({ error: { close: 'badFrame' } });
  });
});
