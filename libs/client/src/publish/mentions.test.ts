import type { ConversationId, UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { beforeEach, expect, it } from 'vitest';
import { memoryStorage } from '../storage/memory-storage.ts';
import { ModelServer } from '../testing/model-server.ts';
import { liveClient, outcomeOf, testClient } from '../testing/test-client.ts';

const [alice, bob, carol] = ['alice', 'bob', 'carol'] as [UserId, UserId, UserId];
const room = 'room' as ConversationId;

let server: ModelServer;

beforeEach(() => {
  server = new ModelServer();
  server.createGroup(room, [alice, bob, carol]);
  server.diffuse();
});

const stored = () => (server.conversations.get(room)?.entries ?? []).map(({ message }) => message).slice(1);

it('whom a message mentions goes with it, each once, and comes back with it on every device', async () => {
  const one = await liveClient(server, alice);
  const other = await liveClient(server, bob);
  await Promise.all([
    one.client.send(room, 'both of you', { mentions: [bob, carol, bob] }),
    one.client.send(room, 'all', { mentionAll: true }),
    one.client.send(room, 'nobody', { mentions: [], mentionAll: false }),
    one.heal(),
  ]);
  expect(stored().map(({ mentions, mentionAll }) => [mentions, mentionAll])).toEqual([
    [[bob, carol], undefined],
    [undefined, true],
    [undefined, undefined],
  ]);
  await other.heal();
  for (const { delivered } of [one, other]) {
    const [both, all, nobody] = delivered.filter(({ message }) => message.countable).map(({ message }) => message);
    expect([both?.mentions, all?.mentionAll]).toEqual([[bob, carol], true]);
    expect(nobody).not.toHaveProperty('mentions');
  }
  // Own ones are in nobody's own list.
  const listed = [one, other].map(({ client }) => client.conversationList()[0]?.mentions);
  expect(listed).toEqual([undefined, [2, 3]]);
});

it('more than fifty users, or a name that cannot be one, is refused before anything is sent', async () => {
  const one = await liveClient(server, alice);
  const crowd = Array.from({ length: 51 }, (_, index) => `user-${String(index)}` as UserId);
  await expect(one.client.send(room, 'too many', { mentions: crowd })).rejects.toMatchObject({
    code: 'bad_request',
    retry: 'never',
    message: 'a message mentions at most 50 users, got 51: use mentionAll, or fewer',
  });
  await expect(one.client.send(room, 'no name', { mentions: ['a b' as UserId] })).rejects.toMatchObject({
    code: 'bad_request',
    message: expect.stringMatching(/^mentions: /) as string,
  });
  expect(one.client.outboxSize).toBe(0);
  const allowed = outcomeOf(one.client.send(room, 'fifty', { mentions: [...crowd.slice(0, 50), 'user-0' as UserId] }));
  await one.heal();
  expect(allowed.error).toBeUndefined();
});

it('a message in the outbox mentions the same users after the process was started again', async () => {
  const storage = memoryStorage();
  const before = testClient(server, alice, { storage });
  const unsent = outcomeOf(before.client.send(room, 'later', { mentions: [bob], mentionAll: true }));
  await before.time.advance(1_000);
  await before.client.close();
  expect(unsent.error).toMatchObject({ code: 'closed' });
  await liveClient(server, alice, { storage });
  expect(stored()).toMatchObject([{ body: 'later', mentions: [bob], mentionAll: true }]);
});

it('one that mentions a user who is no member is refused for good, and those behind it go on', async () => {
  const one = await liveClient(server, alice);
  server.refuse = ({ mentions = [] }) =>
    mentions.includes('mallory' as UserId) ? frameError('not_mentionable', 'not a member') : null;
  const [refused, next] = [
    outcomeOf(one.client.send(room, 'hi mallory', { mentions: ['mallory' as UserId] })),
    outcomeOf(one.client.send(room, 'hi bob', { mentions: [bob] })),
  ];
  await one.heal();
  expect(refused.error).toMatchObject({ code: 'not_mentionable', retry: 'never' });
  expect(next.value?.n).toBe(2);
  expect(stored().map(({ body }) => body)).toEqual(['hi bob']);
});
