import { generation, ok, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command.ts';
import { hitLine, marked, notesOf, questionOf, searchCommand, timeOf } from './search-command.ts';

const NOW = Date.UTC(2026, 0, 31, 12);
const tea = 'tea' as ConversationId;

function question(...argv: string[]) {
  const args = parseCommandLine(searchCommand, argv);
  if (!args.ok) throw new Error(args.error);
  return questionOf(args.value, NOW);
}

const message: Message = {
  ...{ gen: generation(1), seq: sequenceId(7), msgNo: 1, countable: true, from: 'ann' as UserId, deviceTag: 1, n: 1 },
  ...{ sentAt: 0, at: NOW, type: 'text', body: 'the \u001bkettle is on' },
};

describe('what is asked on a command line', () => {
  it('is words, and what else a message must be', () => {
    expect(question('kettle', 'is', '--as', 'ann')).toEqual(ok({ text: 'kettle is' }));
    const all = ['--sender', 'bob', '--sender', 'cat', '--conversation', 'tea', '--type', 'image', '--since', '2d'];
    expect(question(...all, '--sort', 'relevance', '--limit', '3', '--mentions', 'ann', '--count')).toEqual(
      ok({
        ...{ sender: ['bob', 'cat'], conversations: ['tea'], type: 'image', from: NOW - 2 * 86_400_000 },
        ...{ sort: 'relevance', limit: 3, mentions: 'ann', count: true },
      }),
    );
  });

  it('may be fields alone, each a number, a truth value, a text or bounds', () => {
    const texts = ['order=17', 'paid=false', 'state=in use', 'code="17"', 'price=-5..20', 'price=..9', 'price=1..'];
    expect(question(...texts.flatMap((text) => ['--field', text]))).toEqual(
      ok({
        fields: [
          ...[
            { name: 'order', is: 17 },
            { name: 'paid', is: false },
            { name: 'state', is: 'in use' },
          ],
          ...[
            { name: 'code', is: '17' },
            { name: 'price', min: -5, max: 20 },
          ],
          ...[
            { name: 'price', max: 9 },
            { name: 'price', min: 1 },
          ],
        ],
      }),
    );
  });

  it.each([
    [[], /what to search for/],
    [['--field', 'order'], /--field must be NAME=VALUE/],
    [['--field', 'a b=1'], /got "a b=1"/],
    [['--field', 'a=..'], /--field must be/],
    [['--field', 'a=99999999999999999'], /--field must be/],
    [['--field', 'a=1..99999999999999999'], /--field must be/],
    [Array.from({ length: 9 }, () => ['--field', 'a=1']).flat(), /8 times at most/],
    [['x', '--type', 'song'], /--type must be one of text, image, file, custom, got "song"/],
    [['x', '--since', 'soon'], /--since must be a date/],
    [['x', '--conversation', 'a b'], /--conversation: a conversation id must/],
    [['x', '--limit', '101'], /--limit must be a whole number from 1 to 100/],
  ])('%j is refused', (argv, reason) => {
    const asked = question(...argv);
    expect(asked.ok ? '' : asked.error).toMatch(reason);
  });

  it('has times as dates, or as how long ago', () => {
    expect(timeOf('since', '2026-01-31', NOW)).toEqual(ok(Date.UTC(2026, 0, 31)));
    expect(timeOf('since', '2026-01-31T11:00:00Z', NOW)).toEqual(ok(NOW - 3_600_000));
    expect(timeOf('since', '90s', NOW)).toEqual(ok(NOW - 90_000));
    expect(timeOf('until', '7', NOW).ok).toBe(false);
  });
});

describe('what was found', () => {
  it('is shown with its words marked, and never controls the terminal', () => {
    const hit = { conversation: tea, message, places: [{ start: 5, end: 11 }] };
    expect(hitLine(hit, false)).toBe('2026-01-31T12:00:00.000Z tea 1-7 ann: the \\u001bkettle is on');
    expect(hitLine(hit, true)).toBe(
      '2026-01-31T12:00:00.000Z tea 1-7 ann: the \\u001b\u001b[1;33mkettle\u001b[0m is on',
    );
    const places = [
      { start: 0, end: 1 },
      { start: 2, end: 3 },
    ];
    expect(marked('a\nb', places, { begin: '<', end: '>' })).toBe('<a>\\u000a<b>');
  });

  it('comes with what was not searched', () => {
    const nothing = { hits: [], next: null, complete: true, unsearched: [] };
    expect(notesOf(nothing)).toEqual(['Nothing was found.']);
    const unsearched = [{ conversation: tea, indexedThrough: sequenceId(2), searchedFrom: sequenceId(9) }];
    const counts = { total: 1_000, exact: false, conversations: [{ conversation: tea, count: 1_000 }] };
    expect(notesOf({ ...nothing, next: 'abc', complete: false, unsearched, counts })).toEqual([
      'More than 1000 in 1 conversations.',
      'tea: 3 to 8 were not searched, the index is behind.',
      'There is more: --cursor abc',
    ]);
    expect(notesOf({ ...nothing, complete: false })[1]).toMatch(/Not all conversations/);
  });
});
