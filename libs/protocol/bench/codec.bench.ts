import { bench, describe } from 'vitest';
import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames } from '../src/client-codec.ts';
import type { Encoding } from '../src/encoding.ts';
import { encodeEntry, WireEntry } from '../src/entry.ts';
import type { Ack, PushItem, Send } from '../src/frames.ts';
import { decodeClientFrames, encodePush, encodePushItems, encodeServerFrames } from '../src/server-codec.ts';

/*
 * One frame with a text of 200 bytes (an ack without), as a server and a client meet them. Not measured: the socket,
 * the store, garbage over minutes, and frames joined into one message, which spread the fixed costs.
 *
 * Run: npx vitest bench --run libs/protocol/bench
 */

const conversation = 'irc-ubuntu' as ConversationId;
const body = 'x'.repeat(200);
const send: Send = { t: 'send', id: 70_000, conversation, n: 1_234, sentAt: 1_700_000_000_000, type: 'text', body };
const ack: Ack = {
  t: 'ack',
  id: 70_000,
  conversation,
  n: 1_234,
  gen: generation(1),
  seq: sequenceId(123_456),
  msgNo: 123_000,
  at: 1_700_000_000_000,
  level: 'disk',
  duplicate: false,
};
const stored = encodeEntry({
  msgNo: 123_000,
  countable: true,
  from: 'somebody' as UserId,
  deviceTag: 0x5ca1ab1e,
  n: 1_234,
  sentAt: 1_700_000_000_000,
  at: 1_700_000_000_000,
  type: 'text',
  body,
});

const freshItems = (): readonly PushItem<WireEntry>[] => [
  { conversation, messages: [new WireEntry(generation(1), sequenceId(123_456), stored)] },
];
const sharedItems = freshItems();
const position = { gen: generation(1), prev: sequenceId(77_000), seq: sequenceId(77_001) };

describe.each<Encoding>(['json', 'binary'])('%s', (encoding) => {
  const sent = encodeClientFrames([send], encoding);
  const acked = encodeServerFrames([ack], encoding);
  const pushed = encodeServerFrames([{ t: 'push', ...position, items: sharedItems }], encoding);
  const shared = encodePushItems(sharedItems, encoding);

  bench('client encodes send', () => {
    encodeClientFrames([send], encoding);
  });
  bench('server decodes send', () => {
    decodeClientFrames(sent, encoding);
  });
  bench('server encodes ack', () => {
    encodeServerFrames([ack], encoding);
  });
  bench('client decodes ack', () => {
    decodeServerFrames(acked, encoding);
  });
  bench('server encodes push for the first receiver', () => {
    encodeServerFrames([{ t: 'push', ...position, items: freshItems() }], encoding);
  });
  bench('server encodes push for the next receiver', () => {
    encodeServerFrames([{ t: 'push', ...position, items: sharedItems }], encoding);
  });
  bench('server encodes push around shared items', () => {
    encodePush<Encoding>(position, shared);
  });
  bench('client decodes push', () => {
    decodeServerFrames(pushed, encoding);
  });
});
