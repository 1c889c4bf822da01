import type { ConversationId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs } from './support/read-back.ts';

const CONVERSATIONS = 40;
const MESSAGES_EACH = 8;
const LIMIT = 50;

describe('a device that missed a little of each of many conversations', () => {
  const redis = testRedis();
  let millrace: MillraceProcess;
  beforeAll(async () => {
    millrace = await startMillrace(redis.url);
  });
  afterAll(() => millrace.stop());

  it(
    'takes them one after the other, each message once and in order, also from a server that was started anew (I3, I6)',
    { timeout: 60_000 },
    async () => {
      const rita = 'rita' as UserId;
      const walt = await connectAs(millrace.socketUrl, 'walt', 'd1');
      const conversations: ConversationId[] = [];
      for (let at = 0; at < CONVERSATIONS; at += 1) {
        const created = await walt.request({ t: 'create', kind: 'group', title: String(at), members: [rita] });
        if (!created.ok) throw new Error(JSON.stringify(created.error));
        conversations.push(created.value.conversation);
      }
      const send = async (conversation: ConversationId, n: number): Promise<void> => {
        const sent = await walt.request({ t: 'send', conversation, n, sentAt: n, type: 'text', body: String(n) });
        if (!sent.ok) throw new Error(JSON.stringify(sent.error));
      };
      let reader = await connectAs(millrace.socketUrl, rita, 'phone');
      const first = await reader.request({ t: 'sync' });
      if (!first.ok) throw new Error(JSON.stringify(first.error));
      let { token } = first.value;
      // As people write: now here, now there.
      for (let n = 1; n <= MESSAGES_EACH; n += 1)
        await Promise.all(conversations.map((conversation) => send(conversation, n)));
      // All of it is in the inbox, which fills behind the acks: what a device misses is what is there when it asks.
      await vi.waitFor(
        async () => {
          const listed = await reader.request({ t: 'conversations', limit: CONVERSATIONS });
          if (!listed.ok) throw new Error(JSON.stringify(listed.error));
          expect(listed.value.conversations.map(({ msgNo }) => msgNo)).toEqual(conversations.map(() => MESSAGES_EACH));
        },
        { timeout: 20_000, interval: 50 },
      );

      const bodies = new Map<ConversationId, string[]>();
      let [answers, visits] = [0, 0];
      let places: string[] = [];
      for (let hasMore = true; hasMore;) {
        const synced = await reader.request({ t: 'sync', token, limit: LIMIT });
        if (!synced.ok) throw new Error(JSON.stringify(synced.error));
        expect(synced.value.tooLong).toBe(false);
        answers += 1;
        let count = 0;
        for (const { summary, messages } of synced.value.conversations) {
          visits += 1;
          count += messages.length;
          const got = bodies.get(summary.conversation) ?? [];
          bodies.set(summary.conversation, got);
          got.push(...messages.filter(({ type }) => type === 'text').map(({ body }) => String(body)));
        }
        expect(count).toBeLessThanOrEqual(LIMIT);
        places = [...places, String(synced.value.inbox.seq)];
        ({ hasMore, token } = synced.value);
        if (answers !== 3) continue;
        // What it has stands in its token alone. And somebody goes on writing.
        reader.close();
        walt.close();
        await millrace.stop();
        millrace = await startMillrace(redis.url);
        reader = await connectAs(millrace.socketUrl, rita, 'phone');
        const again = await connectAs(millrace.socketUrl, 'walt', 'd1');
        const [conversation] = conversations;
        if (conversation === undefined) throw new Error('there are conversations');
        const n = MESSAGES_EACH + 1;
        const sent = await again.request({ t: 'send', conversation, n, sentAt: n, type: 'text', body: String(n) });
        expect(sent.ok).toBe(true);
        again.close();
      }
      const expected = (at: number): readonly string[] =>
        Array.from({ length: MESSAGES_EACH + (at === 0 ? 1 : 0) }, (_, index) => String(index + 1));
      expect(conversations.map((conversation) => bodies.get(conversation))).toEqual(
        conversations.map((_, at) => expected(at)),
      );
      // A conversation comes again only where an answer ended in it, or it went on; it was one in each answer before.
      expect(visits).toBeLessThanOrEqual(CONVERSATIONS + answers + 1);
      expect(answers).toBeGreaterThanOrEqual((CONVERSATIONS * MESSAGES_EACH) / LIMIT);
      expect(Number(places.at(-1))).toBeGreaterThan(Number(places[0]));
      reader.close();
    },
  );
});
