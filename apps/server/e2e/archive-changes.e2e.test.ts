import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryStorage, type MillraceClient } from '@millrace/client';
import type { ConversationId, SequenceId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { Message } from '@millrace/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { httpCaller, scopedKeysVariable } from './support/http-caller.ts';
import { startMillrace, type MillraceProcess } from './support/millrace-process.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const tea = 'tea' as ConversationId;
const TALK = 110;
const HOT = 20;
/** Each says a word that nothing else says; behind `created`, the first message has seq 2. */
const [EDITED, RECALLED, REACTED, ERASED] = [2, 3, 4, 5] as [SequenceId, SequenceId, SequenceId, SequenceId];
const WORDS = ['amber', 'basalt', 'cobalt', 'dolomite'];
const DONE_MS_MAX = 90_000;

/** What is shown of the four, one line each. */
const shown = (messages: readonly Message[]): readonly string[] =>
  messages
    .filter(({ seq }) => seq <= ERASED && seq >= EDITED)
    .sort((one, other) => one.seq - other.seq)
    .map(({ seq, body, editedAt, recalled, reactions = [], erased }) =>
      [
        `${String(seq)} ${String(body)}`,
        ...(editedAt === undefined ? [] : ['edited']),
        ...(recalled === undefined ? [] : ['recalled']),
        ...reactions.map(({ emoji, count }) => `${emoji} ${String(count)}`),
        ...(erased === true ? ['erased'] : []),
      ].join(', '),
    );

const BEFORE = WORDS.map((word, index) => `${String(EDITED + index)} ${word}`);
const AFTER = ['2 malachite, edited', '3 , recalled', '4 cobalt, 👍 1', '5 , erased'];

describe('messages that are in the archive', () => {
  const redis = testRedis();
  const devices: MillraceClient[] = [];
  let dir = '';
  let millrace: MillraceProcess;
  const ask = httpCaller(() => millrace.httpUrl);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-changes-e2e-'));
    millrace = await startMillrace(redis.url, {
      MILLRACE_PARTITIONS: '4',
      MILLRACE_API_KEYS: scopedKeysVariable,
      MILLRACE_ARCHIVE: `sqlite:${join(dir, 'archive.sqlite')}`,
      MILLRACE_HOT_MESSAGES: String(HOT),
      MILLRACE_SEARCH: `sqlite:${join(dir, 'search')}`,
      MILLRACE_RECALL_WINDOW_MS: '3600000',
    });
  }, 120_000);
  afterAll(async () => {
    await Promise.all(devices.map((client) => client.close()));
    await millrace.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  const connect = async (user: string, options: Parameters<typeof device>[2] = {}): Promise<Device> => {
    const connected = await device(millrace.socketUrl, user, options);
    devices.push(connected.client);
    return connected;
  };
  const linesOf = ({ client }: Device): readonly string[] => shown(client.messages(tea));
  const unreadOf = ({ client }: Device): number | undefined =>
    client.conversationList().find(({ conversation }) => conversation === tea)?.unread;
  const found = async (text: string): Promise<readonly number[]> => {
    const { json } = await ask('GET', `/api/v1/search?as=ben&text=${text}`);
    return (json['hits'] as readonly { readonly message: { readonly seq: number } }[]).map(
      ({ message }) => message.seq,
    );
  };
  /** The first entry of it that Redis has. */
  async function firstHot(): Promise<number> {
    const [key = ''] = (await redis.call('KEYS', '*:t:c:tea')) as readonly string[];
    const [first] = (await redis.call('XRANGE', key, '-', '+', 'COUNT', '1')) as readonly (readonly [
      string,
      unknown,
    ])[];
    return Number(first?.[0].split('-')[1] ?? 0);
  }

  it('are edited, recalled, reacted to and erased on every device, in history, unread and search', async () => {
    const members = ['ben', 'cleo', 'dora'];
    const body = { creator: 'ann', kind: 'group', conversation: tea, members, historyPolicy: 'all' };
    expect((await ask('POST', '/api/v1/conversations', { body })).status).toBe(201);
    const storage = memoryStorage();
    const [ann, dora] = await Promise.all([connect('ann'), connect('dora')]);
    const [phone, away] = await Promise.all([
      connect('ben', { encoding: 'json' }),
      connect('ben', { encoding: 'binary', storage }),
    ]);
    for (const { client } of [ann, phone, away]) await client.openConversation(tea);
    for (const word of WORDS) await (word === WORDS.at(-1) ? dora : ann).client.send(tea, word);
    for (let number = WORDS.length; number < TALK; number += 1) await ann.client.send(tea, `tea ${String(number)}`);
    await until('all of it has come, and the four are in the archive', async () => {
      const isThere = [phone, away].every((each) => unreadOf(each) === TALK);
      return isThere && (await firstHot()) > ERASED;
    });
    expect([linesOf(phone), linesOf(away)]).toEqual([BEFORE, BEFORE]);
    for (const [index, word] of WORDS.entries())
      await until(`${word} is found`, async () => (await found(word)).join() === String(EDITED + index));

    // One of the devices hears of it only when it comes again, and one has never been there.
    await away.client.close();
    await dora.client.close();
    await ann.client.edit(tea, EDITED, 'malachite');
    await ann.client.recall(tea, RECALLED);
    await phone.client.react(tea, REACTED, '👍');
    expect((await ask('DELETE', '/api/v1/users/dora/data')).status).toBe(202);
    const report = async () => (await ask('GET', '/api/v1/users/dora/erasure')).json;
    await until('she is erased', async () => (await report())['state'] === 'done', DONE_MS_MAX);

    const again = await connect('ben', { encoding: 'binary', storage });
    const fresh = await connect('ben');
    for (const { client } of [again, fresh]) await client.openConversation(tea);
    for (const [name, each] of Object.entries({ ann, phone, again })) {
      await until(`the device ${name} shows it`, () => linesOf(each).join('\n') === AFTER.join('\n')).catch(() => {
        expect([name, linesOf(each)]).toEqual([name, AFTER]);
      });
    }

    const page = await fresh.client.history(tea, { direction: 'forward', from: EDITED, limit: 4 });
    expect(shown(page.messages)).toEqual(AFTER);

    // What was recalled does not count, what was erased does.
    for (const each of [phone, again, fresh])
      await until('unread is right', () => unreadOf(each) === TALK - 1).catch(() => {
        expect(unreadOf(each)).toBe(TALK - 1);
      });
    const tablet = await connectAs(millrace.socketUrl, 'ben', 'tablet');
    const list = await tablet.request({ t: 'conversations' });
    expect(list.ok && list.value.conversations[0]?.unread).toBe(TALK - 1);
    const all = await readAll(tablet, tea);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, index) => index + 1));
    expect(shown(all)).toEqual(AFTER);
    const from = ERASED;
    const back = await tablet.request({ t: 'history', conversation: tea, direction: 'backward', from, limit: 4 });
    expect(back.ok && shown(back.value.messages)).toEqual(AFTER);
    tablet.close();

    await until('the edit is found', async () => (await found('malachite')).join() === String(EDITED));
    for (const word of ['amber', 'basalt', 'dolomite'])
      await until(`${word} is found no more`, async () => (await found(word)).length === 0);
    expect(await found('cobalt')).toEqual([REACTED]);
  }, 240_000);
});
