import type { Message } from '../frames.ts';

const annPhone = 0x5ca1ab1e;

const message = (fields: object): Message =>
  ({
    gen: 1,
    seq: 2,
    msgNo: 1,
    countable: true,
    from: 'ann',
    deviceTag: annPhone,
    n: 1,
    sentAt: 1_700_000_000_000,
    at: 1_700_000_000_123,
    type: 'text',
    body: 'hello',
    ...fields,
  }) as Message;

const switched = JSON.stringify({ control: 'diffusion', mode: 'read' });
const joined = JSON.stringify({ control: 'joined', users: ['cat'] });
const promoted = JSON.stringify({ control: 'promoted', kind: 'group', title: 'Match 1', gen: 4_294_967_297, first: 2 });
const noSender = { deviceTag: 0, n: 0, sentAt: 0, countable: false };

/** The messages of the golden vectors. */
export const exampleMessages: readonly { readonly name: string; readonly message: Message }[] = [
  { name: 'a text', message: message({}) },
  { name: 'a text outside of ASCII', message: message({ seq: 3, msgNo: 2, n: 2, body: '你好 👋🏽 שלום' }) },
  { name: 'a text that begins with U+FEFF', message: message({ seq: 4, msgNo: 3, n: 3, body: '\uFEFFmark' }) },
  { name: 'bytes', message: message({ seq: 5, msgNo: 4, n: 4, type: 'image', body: Uint8Array.of(0, 1, 254, 255) }) },
  { name: 'an empty body', message: message({ seq: 6, msgNo: 5, n: 5, type: 'custom', body: '' }) },
  {
    name: 'a switch of diffusion',
    message: message({ seq: 8, msgNo: 5, from: null, ...noSender, type: 'control', body: switched }),
  },
  {
    name: 'a lobby that becomes a group',
    message: message({ seq: 9, msgNo: 5, ...noSender, type: 'control', body: promoted }),
  },
  { name: 'a control entry', message: message({ seq: 7, msgNo: 5, ...noSender, type: 'control', body: joined }) },
  { name: 'void', message: message({ seq: 8, msgNo: 5, ...noSender, from: null, at: 0, type: 'void', body: '' }) },
  {
    name: 'with mentions',
    message: message({ seq: 9, msgNo: 6, n: 6, body: 'hello @bob', mentions: ['bob', 'cat'] }),
  },
  { name: 'for all', message: message({ seq: 10, msgNo: 7, n: 7, body: 'hello all', mentionAll: true }) },
  {
    name: 'the largest numbers',
    message: message({
      gen: 4_294_967_296,
      seq: Number.MAX_SAFE_INTEGER,
      msgNo: Number.MAX_SAFE_INTEGER,
      deviceTag: 4_294_967_295,
      n: 2_097_152,
      sentAt: Number.MAX_SAFE_INTEGER,
      at: 34_359_738_368,
      from: 'A-Z.a_z~0@9:%+=-',
      type: 'file',
      body: 'x'.repeat(128),
    }),
  },
];
