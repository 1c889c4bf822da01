import {
  err,
  generation,
  MalformedBytes,
  ok,
  partitionId,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import { encodeEntry, frameError, WireEntry } from '@millrace/protocol';
import { conversationKey, userKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plain } from '../testing/plain.ts';
import {
  decodeAnswer,
  decodeNote,
  decodeRequest,
  encodeAnswer,
  encodeNote,
  encodeRequest,
  SPEECH,
  speechOf,
  type NodeAnswer,
  type NodeNote,
  type NodeRequest,
} from './node-messages.ts';

const alice = 'alice' as UserId;
const room = 'room' as ConversationId;
const entry = new WireEntry(
  generation(2),
  sequenceId(7),
  encodeEntry({
    msgNo: 3,
    countable: true,
    from: alice,
    deviceTag: 9,
    n: 1,
    sentAt: 1_700_000_000_000,
    at: 1_700_000_000_001,
    type: 'text',
    body: 'größe ☃',
  }),
);
const facts = { conversation: room, kind: 'group', title: 'a room' } as const;

const requests: readonly NodeRequest[] = [
  {
    q: 'command',
    key: conversationKey(room),
    priority: 'client',
    command: {
      t: 'publish',
      by: { user: alice, device: 'phone' as DeviceId },
      send: { conversation: room, n: 1, sentAt: 5, type: 'custom', body: Uint8Array.of(0, 255, 7) },
    },
  },
  {
    q: 'command',
    key: userKey(alice),
    priority: 'follow-up',
    command: {
      t: 'deliver',
      items: [
        {
          d: 'messages',
          facts,
          gen: generation(2),
          entries: [entry],
          change: 'joined',
          behind: 'write',
          skipped: null,
        },
      ],
    },
  },
  { q: 'attach', user: alice },
  { q: 'status' },
  { q: 'sessions', user: alice },
  { q: 'close', user: alice, session: null },
];

const answers: readonly NodeAnswer[] = [
  'not_owner',
  ok(null),
  ok(new Map([[3, { conversation: room, unread: 4 }]])),
  err(frameError('out_of_order', 'the next counter is 4', { expected: 4 })),
];

const notes: readonly NodeNote[] = [
  {
    n: 'push',
    user: alice,
    push: {
      gen: generation(1),
      from: sequenceId(4),
      to: sequenceId(4),
      items: [{ conversation: room, messages: [entry] }],
    },
  },
  { n: 'broken', user: alice },
  { n: 'relay', users: [alice], notice: { kind: 'typing', typing: { conversation: room, user: alice } } },
  { n: 'view', view: { version: 4, members: [], owners: ['a', null, 'a'], since: [1, 0, 4], before: [0, 0, 1] } },
  {
    n: 'replaced',
    user: alice,
    device: 'phone' as DeviceId,
    arrival: { version: 3, owner: 'a-1' as NodeId, n: 9 },
    by: 'b-1' as NodeId,
  },
  { n: 'poke' },
  { n: 'released', partition: partitionId(17) },
];

/** As it comes out of a stream: a part of a larger buffer. */
const carried = (bytes: Uint8Array): Uint8Array => {
  const larger = Buffer.concat([Buffer.from('before'), bytes, Buffer.from('behind')]);
  return larger.subarray(6, 6 + bytes.length);
};

describe('a message between nodes', () => {
  it.each([1, 2, SPEECH, SPEECH + 1])('says on the other side what it said here, to who reads version %i', (speech) => {
    for (const request of requests) {
      const sent = { version: 12, request };
      expect(plain(decodeRequest(carried(encodeRequest(sent, speech))))).toEqual(plain(sent));
    }
    for (const answer of answers) expect(decodeAnswer(carried(encodeAnswer(answer, speech)))).toEqual(answer);
    for (const note of notes) expect(plain(decodeNote(carried(encodeNote(note, speech))))).toEqual(plain(note));
    expect(speechOf(encodeNote({ n: 'poke' }, speech))).toBe(Math.min(speech, SPEECH));
  });

  it('is to who reads the first version what programs of that version write', () => {
    const deliver = requests[1] ?? { q: 'status' };
    const written = [encodeRequest({ version: 1, request: deliver }, 1), encodeNote(notes[0] ?? { n: 'poke' }, 1)];
    for (const bytes of written) {
      expect(bytes[0]).toBe(1);
      // Entries one by one, and the names of fields.
      expect(Buffer.from(bytes).toString('latin1')).toMatch(/conversation.*M/s);
    }
    expect(Buffer.from(encodeAnswer(ok(null), 1)).toString('hex')).toBe('01d4724092a26f6ba576616c7565c3c0');
  });

  it('carries entries as entries, which can be read and encoded there', () => {
    const [first] = notes;
    const decoded = decodeNote(carried(encodeNote(first ?? { n: 'poke' }, SPEECH)));
    const item = decoded.n === 'push' ? decoded.push.items[0] : undefined;
    const read = item !== undefined && 'messages' in item ? item.messages[0] : undefined;
    expect(read).toBeInstanceOf(WireEntry);
    expect(read?.message).toMatchObject({ gen: 2, seq: 7, body: 'größe ☃', from: 'alice' });
    expect(read?.json).toBe(entry.json);
  });

  it('keeps every text as it is, whatever it begins with', () => {
    const text = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 200 }),
      fc.string({ unit: 'binary', maxLength: 200 }).map((rest) => `\uFEFF${rest}`),
      fc.constant('\uFEFF'.repeat(3)),
    );
    fc.assert(
      fc.property(text, text, text, (body, title, other) => {
        const send = { conversation: room, n: 1, sentAt: 5, type: 'text' as const, body };
        const command = { t: 'publish' as const, by: { user: alice, device: 'd' as DeviceId }, send };
        const request: NodeRequest = { q: 'command', key: conversationKey(room), priority: 'client', command };
        expect(decodeRequest(encodeRequest({ version: 1, request }, SPEECH)).request).toEqual(request);
        const answer = ok(new Map([[1, { title, list: [other, { other }] }]]));
        expect(decodeAnswer(encodeAnswer(answer, SPEECH))).toEqual(answer);
      }),
    );
  });

  it('names no field of what is told most', () => {
    const ack = { conversation: room, n: 1, gen: 2, seq: 3, msgNo: 3, at: 4, level: 'memory', duplicate: false };
    const send = { t: 'send', id: 'x', conversation: room, n: 1, sentAt: 5, type: 'text', body: 'good day' } as const;
    const publish = { t: 'publish', by: { user: alice, device: 'd' as DeviceId }, send } as const;
    const items = [
      { d: 'messages', facts, gen: generation(2), entries: [entry], behind: 'write', skipped: null, change: null },
    ] as const;
    const asked = [
      { q: 'command', key: conversationKey(room), command: publish, priority: 'client' },
      { q: 'command', key: userKey(alice), command: { t: 'deliver', items }, priority: 'follow-up' },
    ] as const;
    const [push] = notes;
    const told = [
      ...asked.map((request) => encodeRequest({ version: 1, request }, SPEECH)),
      encodeAnswer(ok(null), SPEECH),
      encodeAnswer(ok(ack), SPEECH),
      encodeNote(push ?? { n: 'poke' }, SPEECH),
    ];
    const names = /version|key|priority|items|facts|gen|behind|entries|conversation|level|duplicate|device|value/;
    for (const bytes of told) expect(Buffer.from(bytes).toString('latin1')).not.toMatch(names);
  });

  it('may have any fields, whatever was told before and behind it', () => {
    const object = fc.object({
      key: fc.stringMatching(/^[a-z]{1,3}$/),
      values: [fc.integer(), fc.string(), fc.boolean()],
      maxDepth: 3,
      maxKeys: 6,
    });
    fc.assert(
      fc.property(fc.array(object, { maxLength: 8 }), (values) => {
        for (const value of values) {
          const answer = ok({ value, push: notes[0] });
          expect(decodeAnswer(encodeAnswer(answer, SPEECH))).toEqual(answer);
          for (const note of notes) expect(plain(decodeNote(encodeNote(note, SPEECH)))).toEqual(plain(note));
        }
      }),
    );
  });

  it('of another version, or damaged, is refused', () => {
    const bytes = encodeNote({ n: 'poke' }, SPEECH);
    expect(() => decodeNote(Uint8Array.of(9, ...bytes.subarray(1)))).toThrow(MalformedBytes);
    expect(() => decodeNote(new Uint8Array())).toThrow(MalformedBytes);
    expect(() =>
      decodeRequest(encodeRequest({ version: 1, request: { q: 'attach', user: alice } }, SPEECH).subarray(0, 5)),
    ).toThrow(MalformedBytes);
  });
});
