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
const edited = JSON.stringify({ control: 'edited', seq: 11, body: 'hello, again' });
const recalled = JSON.stringify({ control: 'recalled', seq: 13, author: 'ann' });
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
    name: 'edited',
    message: message({ seq: 11, msgNo: 8, n: 8, body: 'hello, again', rev: 12, editedAt: 1_700_000_060_000 }),
  },
  {
    name: 'with reactions',
    message: message({
      seq: 17,
      msgNo: 12,
      n: 13,
      rev: 19,
      reactions: [
        { emoji: '👍', count: 300, users: ['bob', 'cat'] },
        { emoji: '🫶🏽', count: 1, users: [] },
      ],
    }),
  },
  { name: 'a reply', message: message({ seq: 20, msgNo: 13, n: 14, body: 'hello yourself', replyTo: 19, thread: 2 }) },
  {
    name: 'forwarded',
    message: message({
      seq: 21,
      msgNo: 14,
      n: 15,
      forwardedFrom: { conversation: 'coffee', seq: 300, author: 'bob', at: 1_700_000_000_000 },
    }),
  },
  {
    name: 'the first message of a thread',
    message: message({ rev: 20, replies: { count: 300, last: 20 } }),
  },
  {
    name: 'recalled',
    message: message({ seq: 13, msgNo: 9, n: 10, body: '', rev: 14, recalled: { by: 'bob', at: 1_700_000_060_000 } }),
  },
  {
    name: 'recalled by the backend, and deleted for oneself',
    message: message({
      seq: 15,
      msgNo: 10,
      n: 11,
      body: '',
      rev: 300,
      recalled: { by: null, at: 1_700_000_060_000 },
      deleted: true,
    }),
  },
  { name: 'deleted for oneself', message: message({ seq: 16, msgNo: 11, n: 12, body: '', deleted: true }) },
  {
    name: 'the entry of an edit',
    message: message({ seq: 12, msgNo: 8, n: 9, countable: false, type: 'control', body: edited }),
  },
  {
    name: 'the entry of a recall',
    message: message({ seq: 14, msgNo: 9, n: 1, from: 'bob', countable: false, type: 'control', body: recalled }),
  },
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
