import type { ConversationId } from '@millrace/kernel';
import { expect, it } from 'vitest';
import type { Asker } from '../connection/asker.ts';
import { MillraceError } from '../errors.ts';
import { OpenConversations } from './open-conversations.ts';

const [town, port] = ['town', 'port'] as [ConversationId, ConversationId];

it('the server is told anew of what is open after a connect, and once when the user is back in one of them', async () => {
  const asked: string[] = [];
  const asker = {
    ask: (question: { readonly t: string; readonly conversation?: ConversationId }) => {
      asked.push(`${question.t} ${String(question.conversation)}`);
      return Promise.resolve({});
    },
  } as unknown as Asker;
  const opened = new OpenConversations(asker);
  await opened.open(town);
  await opened.open(port);
  opened.changed({ conversation: town, member: true });
  opened.changed({ conversation: town, member: false });
  opened.changed({ conversation: town, member: false });
  expect(asked.splice(0)).toEqual(['open town', 'open port']);
  opened.changed({ conversation: town, member: true });
  opened.changed({ conversation: town, member: true });
  expect(asked.splice(0)).toEqual(['open town']);
  opened.changed({ conversation: port, member: false });
  await opened.close(port);
  opened.changed({ conversation: port, member: true });
  opened.connected();
  expect(asked).toEqual(['close port', 'open town']);
});

it('what was shown already stays open over connects, unless the server refuses it for good', async () => {
  const asked: string[] = [];
  let refusal: MillraceError | null = null;
  const asker = {
    ask: (question: { readonly t: string; readonly conversation?: ConversationId }) => {
      asked.push(`${question.t} ${String(question.conversation)}`);
      return refusal === null ? Promise.resolve({}) : Promise.reject(refusal);
    },
  } as unknown as Asker;
  const opened = new OpenConversations(asker);
  opened.keep(town);
  expect(opened.has(town)).toBe(true);
  opened.connected();
  expect(asked.splice(0)).toEqual(['open town', 'open town']);
  refusal = new MillraceError('not_member', 'removed meanwhile', 'never');
  opened.connected();
  await new Promise(setImmediate);
  expect(opened.has(town)).toBe(false);
});
