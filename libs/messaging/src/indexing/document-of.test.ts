import { generation, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { changeOf, documentOf } from './document-of.ts';
import { noFieldRules, parseFieldRules } from './field-rules.ts';

const room = 'room' as ConversationId;
const message = (more: Partial<Message>): Message => ({
  ...{ gen: generation(2), seq: sequenceId(7), msgNo: 3, countable: true, from: 'ann' as UserId, deviceTag: 1, n: 1 },
  ...{ sentAt: 5, at: 1_000, type: 'text', body: 'the kettle' },
  ...more,
});

describe('a message as it is searched for', () => {
  it('has its words, its sender and whom it mentions', () => {
    const mentions = ['ben' as UserId];
    expect(documentOf(room, message({ mentions, mentionAll: true, rev: sequenceId(9) }), noFieldRules)).toEqual({
      ...{ conversation: room, gen: 2, seq: 7, rev: 9, sender: 'ann', type: 'text', at: 1_000, text: 'the kettle' },
      ...{ mentions, mentionAll: true, fields: {} },
    });
    expect(documentOf(room, message({}), noFieldRules)).toMatchObject({ rev: 0, mentions: [], mentionAll: false });
  });

  it('is none when it is the server’s word, and is taken out when it was recalled', () => {
    expect(changeOf(room, message({ type: 'control', body: '{}' }), noFieldRules)).toBeNull();
    expect(changeOf(room, message({ type: 'void', from: null, body: '' }), noFieldRules)).toBeNull();
    const recalled = message({ body: '', rev: sequenceId(8), recalled: { by: null, at: 1 } });
    expect(changeOf(room, recalled, noFieldRules)).toEqual({
      kind: 'remove',
      conversation: room,
      gen: 2,
      seq: 7,
      rev: 8,
    });
  });

  it('has what the rules of its type find in its body, and nothing else of it', () => {
    const rules = parseFieldRules(
      JSON.stringify({
        custom: {
          text: ['/title', '/lines', '/none'],
          fields: {
            order: '/order/number',
            first: '/lines/0',
            half: '/half',
            odd: '/a~1b',
            long: '/long',
            list: '/lines',
          },
        },
      }),
    );
    if (!rules.ok) throw new Error(rules.error);
    const body = JSON.stringify({
      ...{ title: 'An invoice', lines: ['tea', { of: 'cups' }], order: { number: 17 }, half: 0.5, 'a/b': true },
      ...{ long: 'x'.repeat(300), secret: 'hidden' },
    });
    expect(documentOf(room, message({ type: 'custom', body }), rules.value)).toMatchObject({
      text: 'An invoice\ntea\ncups',
      fields: { order: 17, first: 'tea', odd: true },
    });
    // What is no JSON has no fields; only a text is read without a rule.
    expect(documentOf(room, message({ type: 'custom', body: 'plain' }), rules.value)).toMatchObject({
      text: '',
      fields: {},
    });
    expect(documentOf(room, message({ type: 'image', body }), rules.value)).toMatchObject({ text: '', fields: {} });
    expect(documentOf(room, message({ type: 'file', body: new Uint8Array(3) }), rules.value)).toMatchObject({
      text: '',
    });
    expect(documentOf(room, message({ body: '{"title": "tea"}' }), rules.value)).toMatchObject({
      text: '{"title": "tea"}',
    });
  });
});

describe('rules for fields', () => {
  it.each([
    ['{', 'it is not JSON'],
    ['[]', 'it is no object'],
    ['{"note": {}}', '"note" is no type of a message; there are text, image, file, custom'],
    ['{"custom": {"texts": []}}', 'custom: there is "text" and "fields", and no "texts"'],
    ['{"custom": {"text": ["title"]}}', 'custom: "text" is a list of up to 16 JSON pointers'],
    ['{"custom": {"fields": {"a-b": "/a"}}}', 'custom: a field is called by 1 to 32 of A-Z a-z 0-9 _, not a-b'],
    ['{"custom": {"fields": {"a": "a"}}}', 'custom: field a is no JSON pointer'],
  ])('%s are refused, with what is wrong', (json, problem) => {
    const parsed = parseFieldRules(json);
    expect(parsed.ok ? '' : parsed.error).toContain(problem);
  });
});
