import {
  generation,
  MalformedBytes,
  ok,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type UserId,
} from '@millrace/kernel';
import { encodeEntry, WireEntry, type Ack, type Send } from '@millrace/protocol';
import { conversationKey, userKey } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, expectTypeOf, it } from 'vitest';
import type { UserPush } from '../chat-service.ts';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { ConversationFacts } from '../effects.ts';
import type { UserItem } from '../user/commands.ts';
import { plain } from '../testing/plain.ts';
import {
  decodeAnswer,
  decodeNote,
  decodeRequest,
  encodeAnswer,
  encodeNote,
  encodeRequest,
  type NodeNote,
  type NodeRequest,
} from './node-messages.ts';

/** The version in which all is MessagePack, and the one of the records. */
const [BEFORE, RECORDS] = [2, 3];
const RECORD_AT = 1;

const id = fc.stringMatching(/^[A-Za-z0-9_.~@-]{1,64}$/);
const user = id as fc.Arbitrary<UserId>;
const conversation = id as fc.Arbitrary<ConversationId>;
const count = fc.maxSafeNat();
const text = fc.string({ unit: 'binary', maxLength: 300 });
const body = fc.oneof(text, fc.uint8Array({ maxLength: 300 }));
const type = fc.constantFrom('text' as const, 'image' as const, 'file' as const, 'custom' as const);

const entry = fc
  .record({ gen: count, seq: count, msgNo: count, at: count, from: user, body: text, countable: fc.boolean() })
  .map(({ gen, seq, ...said }) => {
    const data = encodeEntry({ ...said, sentAt: 5, type: 'text', deviceTag: 9, n: 1 });
    return new WireEntry(generation(gen), sequenceId(seq), data);
  });
const entries = fc.array(entry, { minLength: 1, maxLength: 4 });
const priority = fc.constantFrom('client' as const, 'follow-up' as const);

const publish: fc.Arbitrary<NodeRequest> = fc
  .record({
    by: fc.record({ user, device: id as fc.Arbitrary<DeviceId> }),
    send: fc.record(
      {
        ...{ conversation, n: count, sentAt: count, type, body },
        after: count,
        mentions: fc.array(user, { minLength: 1, maxLength: 3 }),
        mentionAll: fc.constant(true as const),
        replyTo: count.map(sequenceId),
      },
      { requiredKeys: ['conversation', 'n', 'sentAt', 'type', 'body'] },
    ),
    priority,
  })
  .map(({ by, send, priority: urgency }) => {
    const command = { t: 'publish' as const, by, send };
    return { q: 'command', key: conversationKey(send.conversation), command, priority: urgency };
  });

const skipped = { spans: [], after: sequenceId(3), sent: 4 };
const item: fc.Arbitrary<UserItem> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      d: fc.constant('messages' as const),
      facts: fc.record({
        conversation,
        kind: fc.constantFrom('direct' as const, 'group' as const, 'channel' as const, 'lobby' as const),
        title: text,
      }),
      gen: count.map(generation),
      entries,
      behind: fc.constantFrom('write' as const, 'read' as const),
      skipped: fc.constantFrom(null, null, null, skipped),
      change: fc.constantFrom(null, 'joined' as const, 'left' as const),
    }),
  },
  fc.record({
    ...{ d: fc.constant('read' as const), conversation, gen: count.map(generation), readSeq: count.map(sequenceId) },
    ...{ readMsgNo: count, sentAtRead: count, sent: fc.constant(null) },
  }),
);
const deliver: fc.Arbitrary<NodeRequest> = fc
  .record({ to: user, items: fc.array(item, { minLength: 1, maxLength: 3 }), priority })
  .map(({ to, items, priority: urgency }) => {
    return { q: 'command', key: userKey(to), command: { t: 'deliver', items }, priority: urgency };
  });
const request = fc.oneof(publish, deliver);

const push: fc.Arbitrary<NodeNote> = fc
  .record({
    user,
    gen: count.map(generation),
    from: count.map(sequenceId),
    to: count.map(sequenceId),
    items: fc.array(
      fc.oneof(
        { weight: 4, arbitrary: fc.record({ conversation, messages: entries }) },
        fc.record({ conversation, deleted: fc.constant({ deleted: [sequenceId(4)] } as never) }),
      ),
      { minLength: 1, maxLength: 3 },
    ),
  })
  .map(({ user: whose, gen, from, to, items }) => ({ n: 'push', user: whose, push: { gen, from, to, items } }));

const ack: fc.Arbitrary<Omit<Ack, 't' | 'id'>> = fc.record({
  ...{ conversation, n: count, gen: count.map(generation), seq: count.map(sequenceId), msgNo: count, at: count },
  level: fc.constantFrom('memory' as const, 'disk' as const, 'replicated' as const, 'volatile' as const),
  duplicate: fc.boolean(),
});

const asRequest: NodeRequest = {
  q: 'command',
  key: conversationKey('room' as ConversationId),
  priority: 'client',
  command: {
    t: 'publish',
    by: { user: 'ann' as UserId, device: 'phone' as DeviceId },
    send: { conversation: 'room' as ConversationId, n: 1, sentAt: 5, type: 'text', body: 'good day' },
  },
};

describe('what nodes tell each other most', () => {
  it('comes out as it does by way of MessagePack, whatever is in it', () => {
    let records = 0;
    fc.assert(
      fc.property(request, count, (asked, version) => {
        const bytes = encodeRequest({ version, request: asked }, RECORDS);
        records += (bytes[RECORD_AT] ?? 0) === 0 ? 0 : 1;
        const before = decodeRequest(encodeRequest({ version, request: asked }, BEFORE));
        expect(plain(decodeRequest(bytes))).toEqual(plain(before));
        expect(plain(decodeRequest(bytes))).toEqual(plain({ version, request: asked }));
      }),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(push, (note) => {
        const bytes = encodeNote(note, RECORDS);
        records += (bytes[RECORD_AT] ?? 0) === 0 ? 0 : 1;
        expect(plain(decodeNote(bytes))).toEqual(plain(note));
      }),
      { numRuns: 400 },
    );
    fc.assert(
      fc.property(ack, (value) => {
        const bytes = encodeAnswer(ok(value), RECORDS, asRequest);
        expect(bytes[RECORD_AT]).not.toBe(0);
        expect(decodeAnswer(bytes)).toEqual(ok(value));
      }),
    );
    expect(records).toBeGreaterThan(200);
  });

  it('is a record when there is nothing unusual about it, and a few bytes then', () => {
    const asked = encodeRequest({ version: 1, request: asRequest }, RECORDS);
    expect(Buffer.from(asked).toString('latin1')).toBe(
      '\x03\x01\x01\x00\x04room\x03ann\x05phone\x01\x05\x01\x01good day',
    );
    expect([...encodeAnswer(ok(null), RECORDS, asRequest)]).toEqual([3, 3]);
    // That it is not the answer to such a request nobody can tell there.
    expect(encodeAnswer(ok('stale'), RECORDS, asRequest)[RECORD_AT]).toBe(0);
  });

  it('that is damaged is refused, wherever it ends', () => {
    const whole = encodeRequest({ version: 1, request: asRequest }, RECORDS);
    const { length } = 'good day';
    for (let end = 2; end < whole.length - length; end += 1)
      expect(() => decodeRequest(whole.subarray(0, end))).toThrow(MalformedBytes);
    const answer = encodeAnswer(
      ok({ ...asRequest, n: 1, gen: 1, seq: 1, msgNo: 1, at: 1, level: 'memory', duplicate: false, conversation: 'c' }),
      RECORDS,
      asRequest,
    );
    for (let end = 2; end < answer.length; end += 1)
      expect(() => decodeAnswer(answer.subarray(0, end))).toThrow(MalformedBytes);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.uint8Array({ maxLength: 60 }), (kind, bytes) => {
        for (const decode of [decodeRequest, decodeAnswer, decodeNote]) {
          try {
            decode(Uint8Array.of(RECORDS, kind, ...bytes));
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedBytes);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leaves out no field that was added behind its back', () => {
    type Known = 'conversation' | 'n' | 'sentAt' | 'type' | 'body' | 'after' | 'mentions' | 'mentionAll' | 'replyTo';
    type Publish = Extract<ConversationCommand, { readonly t: 'publish' }>;
    type Messages = Extract<UserItem, { readonly d: 'messages' }>;
    expectTypeOf<Exclude<keyof Send, Known | 't' | 'id'>>().toBeNever();
    expectTypeOf<Exclude<keyof Publish, 't' | 'by' | 'send' | 'looked'>>().toBeNever();
    expectTypeOf<Exclude<keyof ConversationFacts, 'conversation' | 'kind' | 'title'>>().toBeNever();
    type ItemFields = 'd' | 'facts' | 'gen' | 'entries' | 'change' | 'behind' | 'skipped';
    expectTypeOf<Exclude<keyof Messages, ItemFields>>().toBeNever();
    expectTypeOf<Exclude<keyof UserPush, 'gen' | 'from' | 'to' | 'items'>>().toBeNever();
    type AckFields = 'conversation' | 'n' | 'gen' | 'seq' | 'msgNo' | 'at' | 'level' | 'duplicate';
    expectTypeOf<Exclude<keyof Ack, AckFields | 't' | 'id'>>().toBeNever();
  });
});
