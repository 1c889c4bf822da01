import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { dueTimeOf, scheduledLine } from './schedule-command.ts';

const now = Date.UTC(2031, 4, 1, 9);

describe('the time at which a message is due', () => {
  it.each<[string, number]>([
    ['+90s', now + 90_000],
    ['+15m', now + 900_000],
    ['+2h', now + 7_200_000],
    ['+3d', now + 259_200_000],
    ['2031-05-02T09:00:00Z', now + 86_400_000],
  ])('%s', (text, at) => {
    expect(dueTimeOf(text, now)).toEqual({ ok: true, value: at });
  });

  it.each([undefined, '', '+', '+5', '+1w', 'tomorrow'])('is not %s', (text) => {
    expect(dueTimeOf(text, now)).toMatchObject({ ok: false });
  });
});

it('each scheduled message is a line that tells what became of it', () => {
  const message = { key: 'k', conversation: 'tea' as ConversationId, dueAt: now, type: 'text' } as const;
  expect(scheduledLine({ ...message, state: 'open', body: 'hi' })).toBe('2031-05-01T09:00:00.000Z  open  tea  k  hi');
  const sent = { ...message, state: 'sent', gen: generation(1), seq: sequenceId(7) } as const;
  expect(scheduledLine(sent)).toBe('2031-05-01T09:00:00.000Z  sent  tea  k  1-7');
  const error = { code: 'not_member', message: 'ann is not a member of tea' } as const;
  expect(scheduledLine({ ...message, state: 'failed', body: new Uint8Array(3), error })).toBe(
    '2031-05-01T09:00:00.000Z  failed  tea  k  (not_member: ann is not a member of tea)  <3 bytes>',
  );
});
