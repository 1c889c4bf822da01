import { memoryStorage, type MillraceClient } from '@millrace/client';
import type { ConversationId, SequenceId, UserId } from '@millrace/kernel';
import { testRedis } from '@millrace/local-redis/testing';
import type { ConversationSummary, Message } from '@millrace/protocol';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { device, type Device } from './support/device.ts';
import { frameCheck } from './support/frame-check.ts';
import { MillraceCluster } from './support/millrace-cluster.ts';
import { connectAs, readAll } from './support/read-back.ts';
import { until } from './support/until.ts';

const [BEN, CLEO] = ['ben', 'cleo'] as [UserId, UserId];
const others = Array.from({ length: 4 }, (_, index) => `other-${String(index)}` as UserId);

/** What a device shows of messages, one line each. */
const shown = (messages: readonly Message[]): readonly string[] =>
  messages
    .filter(({ type }) => type === 'text')
    .map(({ seq, body, rev, editedAt, recalled, deleted }) =>
      [
        `${String(seq)} ${String(body)}`,
        ...(rev === undefined ? [] : [`rev ${String(rev)}`]),
        ...(editedAt === undefined ? [] : ['edited']),
        ...(recalled === undefined ? [] : [`recalled by ${String(recalled.by)}`]),
        ...(deleted === undefined ? [] : ['deleted']),
      ].join(', '),
    );

const inputsOf = (summary: ConversationSummary | undefined): string => {
  const { msgNo = 0, readMsgNo = 0, own = 0, gone = 0, goneSeqs = [], unread = 0 } = summary ?? {};
  return `${String(unread)} = ${[msgNo, readMsgNo, own, gone].join(' - ')} (${goneSeqs.join()})`;
};

describe('messages that are changed, over two nodes', () => {
  const redis = testRedis();
  const devices: MillraceClient[] = [];
  let cluster: MillraceCluster;

  beforeAll(async () => {
    cluster = new MillraceCluster(redis.url, {
      MILLRACE_READ_ABOVE: '4',
      MILLRACE_WRITE_BELOW: '4',
      MILLRACE_PARTITIONS: '8',
      MILLRACE_RECALL_WINDOW_MS: '600000',
    });
    await cluster.add();
    await cluster.add();
    await cluster.untilSpread(8);
  });
  afterEach(async () => {
    await Promise.all(devices.splice(0).map((client) => client.close()));
    expect(frameCheck.take().problems).toEqual([]);
  });
  afterAll(() => cluster.stop());

  const connect = async (user: string, options: Parameters<typeof device>[2] = {}): Promise<Device> => {
    const connected = await device(cluster.nextSocketUrl(), user, options);
    devices.push(connected.client);
    return connected;
  };
  const of = (client: MillraceClient, conversation: ConversationId): ConversationSummary | undefined =>
    client.conversationList().find((each) => each.conversation === conversation);
  const listed = async (client: MillraceClient, conversation: ConversationId): Promise<string> => {
    const { conversations } = await client.conversations();
    return inputsOf(conversations.find((each) => each.conversation === conversation));
  };

  it.each([
    ['in each inbox', [BEN, CLEO]],
    ['pulled', [BEN, CLEO, ...others]],
  ])(
    'are the same on every device, and what is gone does not count, exactly: %s',
    async (_how, members) => {
      const ann = await connect('ann');
      const storage = memoryStorage();
      const [phone, laptop, cleo] = await Promise.all([
        connect('ben', { encoding: 'json', storage }),
        connect('ben', { encoding: 'binary' }),
        connect('cleo'),
      ]);
      const { conversation } = await ann.client.create({ kind: 'group', members });
      const all = [ann, phone, laptop, cleo];
      await until('all know it', () => all.every(({ client }) => of(client, conversation) !== undefined));
      for (const { client } of all) await client.openConversation(conversation);
      const seqs: SequenceId[] = [];
      for (const text of ['one', 'the secret', 'three', 'four']) {
        seqs.push((await ann.client.send(conversation, text)).seq);
      }
      const [one = 0, two = 0, three = 0, four = 0] = seqs;
      const unread = (client: MillraceClient): number => of(client, conversation)?.unread ?? 0;
      await until('all have them', () => [phone, laptop, cleo].every(({ client }) => unread(client) === 4));
      // One of the devices goes, and hears of everything only when it comes again.
      await phone.client.close();
      const first = await ann.client.edit(conversation, one as SequenceId, 'One.');
      const second = await ann.client.edit(conversation, one as SequenceId, 'One!');
      const recalled = await ann.client.recall(conversation, two as SequenceId);
      await laptop.client.delete(conversation, three as SequenceId);
      await laptop.client.delete(conversation, three as SequenceId);
      const again = await connect('ben', { encoding: 'json', storage });
      await again.client.openConversation(conversation);

      const revOf = String(second.seq);
      const forAll = [
        `${String(one)} One!, rev ${revOf}, edited`,
        `${String(two)} , rev ${String(recalled.seq)}, recalled by ann`,
      ];
      const forCleo = [...forAll, `${String(three)} three`, `${String(four)} four`];
      const forBen = [...forAll, `${String(four)} four`];
      const isShown = ({ client }: Device, lines: readonly string[]): boolean =>
        shown(client.messages(conversation)).join('\n') === lines.join('\n');
      await until('everybody shows the same', () => isShown(ann, forCleo) && isShown(cleo, forCleo)).catch(() => {
        expect([shown(ann.client.messages(conversation)), shown(cleo.client.messages(conversation))]).toEqual([
          forCleo,
          forCleo,
        ]);
      });
      await until(
        'ben shows it without what he deleted',
        () => isShown(laptop, forBen) && isShown(again, forBen),
      ).catch(() => {
        expect([shown(laptop.client.messages(conversation)), shown(again.client.messages(conversation))]).toEqual([
          forBen,
          forBen,
        ]);
      });
      const benHas = `2 = 4 - 0 - 0 - 2 (${[two, three].join()})`;
      const cleoHas = `3 = 4 - 0 - 0 - 1 (${String(two)})`;
      const local = ({ client }: Device): string => inputsOf(of(client, conversation));
      await until(
        'unread is right',
        () => local(laptop) === benHas && local(again) === benHas && local(cleo) === cleoHas,
      ).catch(() => {
        expect([local(laptop), local(again), local(cleo)]).toEqual([benHas, benHas, cleoHas]);
      });
      expect([await listed(laptop.client, conversation), await listed(cleo.client, conversation)]).toEqual([
        benHas,
        cleoHas,
      ]);

      // A device that is new reads the same, and nothing of what was overtaken or taken back.
      const tablet = await connectAs(cluster.nextSocketUrl(), 'ben', 'tablet');
      const page = await readAll(tablet, conversation);
      expect(shown(page)).toEqual([...forAll, `${String(three)} , deleted`, `${String(four)} four`]);
      expect(page.map(({ seq }) => seq)).toEqual(page.map((_, index) => index + 1));
      const words = JSON.stringify(page);
      expect([words.includes('the secret'), words.includes('One.'), words.includes('One!')]).toEqual([
        false,
        false,
        true,
      ]);
      expect(page.find(({ seq }) => seq === first.seq)?.body).toBe(JSON.stringify({ control: 'edited', seq: one }));
      tablet.close();

      // Reading on one device leaves on all what is still unread and not gone.
      await again.client.read(conversation, two as SequenceId);
      const afterRead = `1 = 4 - 2 - 0 - 1 (${String(three)})`;
      await until('all devices have read', () => local(laptop) === afterRead && local(again) === afterRead).catch(
        () => {
          expect([local(laptop), local(again)]).toEqual([afterRead, afterRead]);
        },
      );
      expect(await listed(laptop.client, conversation)).toBe(afterRead);
    },
    60_000,
  );

  it('have the reactions of all, each once, on every device and in every read (I4)', async () => {
    const [ann, phone, laptop] = await Promise.all([
      connect('ann'),
      connect('ben', { encoding: 'json' }),
      connect('ben', { encoding: 'binary' }),
    ]);
    const { conversation } = await ann.client.create({ kind: 'group', members: [BEN, CLEO] });
    const { seq } = await ann.client.send(conversation, 'shall we?');
    const all = [ann, phone, laptop];
    const of = ({ client }: Device) => client.messages(conversation).find((each) => each.seq === seq);
    await until('all have it', () => all.every((each) => of(each) !== undefined));
    await phone.client.react(conversation, seq, '👍');
    await expect(laptop.client.react(conversation, seq, '👍')).rejects.toMatchObject({ code: 'conflict' });
    await laptop.client.react(conversation, seq, '🎉');
    await ann.client.react(conversation, seq, '👍');
    const { seq: rev } = await phone.client.react(conversation, seq, '🎉', false);
    const reactions = [{ emoji: '👍', count: 2, users: ['ben', 'ann'] }];
    const isThere = (each: Device): boolean => of(each)?.rev === rev;
    await until('all have heard of it', () => all.every(isThere));
    for (const each of all) expect(of(each)).toMatchObject({ body: 'shall we?', reactions, rev });
    const cleo = await connectAs(cluster.nextSocketUrl(), 'cleo', 'raw');
    expect((await readAll(cleo, conversation)).find((each) => each.seq === seq)).toMatchObject({ reactions, rev });
    cleo.close();
    await ann.client.recall(conversation, seq);
    await until('it is gone everywhere', () => all.every((each) => of(each)?.recalled !== undefined));
    for (const each of all) expect(of(each)).not.toHaveProperty('reactions');
  });

  it('stay to who left what they were, but for what is recalled, which a device of theirs reads again by itself (I7)', async () => {
    const [ann, cleo] = await Promise.all([connect('ann'), connect('cleo')]);
    const storage = memoryStorage();
    const ben = await connect('ben', { storage });
    const { conversation } = await ann.client.create({ kind: 'group', members: [BEN, CLEO] });
    const { seq: first } = await ann.client.send(conversation, 'first');
    const { seq: second } = await ann.client.send(conversation, 'second');
    const textOf = ({ client }: Device, at: SequenceId) =>
      client.messages(conversation).find(({ seq }) => seq === at)?.body;
    await until('ben has them', () => textOf(ben, second) === 'second');
    // He is away when this is edited, is put out, and hears of no more than that.
    await ben.client.close();
    await ann.client.edit(conversation, first, 'first, for ben, too');
    await ann.client.edit(conversation, second, 'a slip');
    await ann.client.kick(conversation, [BEN]);
    const late = await ann.client.edit(conversation, first, 'first, and not for ben');
    await ann.client.react(conversation, first, '👍');
    const recalled = await ann.client.recall(conversation, second);
    await until('cleo has heard of it', () => textOf(cleo, first) === 'first, and not for ben');

    const read = await connectAs(cluster.nextSocketUrl(), 'ben', 'raw');
    const page = await readAll(read, conversation);
    expect(shown(page)).toEqual([
      expect.stringMatching(/first, for ben, too, rev \d+, edited$/),
      `${String(second)} , rev ${String(recalled.seq)}, recalled by ann`,
    ]);
    const words = JSON.stringify(page);
    expect([words.includes('not for ben'), words.includes('a slip'), words.includes('👍')]).toEqual([
      false,
      false,
      false,
    ]);
    read.close();
    const again = await connect('ben', { storage });
    await until('his device has read it again', () => textOf(again, second) === '').catch(() => {
      expect(shown(again.client.messages(conversation))).toEqual([]);
    });
    expect(textOf(again, first)).toBe('first, for ben, too');
    expect(late.seq).toBeGreaterThan(first);
  });

  it('are changed by whom it is right, and once, however often it is asked (I4, I11)', async () => {
    const conversation = 'order' as ConversationId;
    const ann = await connectAs(cluster.nextSocketUrl(), 'ann', 'raw');
    const ben = await connectAs(cluster.nextSocketUrl(), 'ben', 'raw');
    const zoe = await connectAs(cluster.nextSocketUrl(), 'zoe', 'raw');
    const created = await ann.request({ t: 'create', kind: 'group', conversation, members: [BEN] });
    expect(created.ok).toBe(true);
    const numbered = (n: number) => ({ conversation, n, sentAt: n });
    const sent = await ben.request({ t: 'send', ...numbered(1), type: 'text', body: 'mine' });
    const seq = sent.ok ? sent.value.seq : (0 as SequenceId);
    const codeOf = (answer: { readonly ok: boolean; readonly error?: object }): string =>
      answer.ok
        ? 'ok'
        : ((answer.error as { readonly frame?: { readonly code: string } }).frame?.code ??
          JSON.stringify(answer.error));
    expect(codeOf(await ann.request({ t: 'edit', ...numbered(1), seq, body: 'not mine' }))).toContain('forbidden');
    expect(codeOf(await zoe.request({ t: 'recall', ...numbered(1), seq }))).toContain('not_member');
    expect(codeOf(await zoe.request({ t: 'delete', conversation, seq }))).toContain('not_member');
    const nothing = 99 as SequenceId;
    expect(codeOf(await ben.request({ t: 'edit', ...numbered(2), seq: nothing, body: 'x' }))).toContain('not_found');
    // What comes right behind a change waits for it, and is not refused for coming out of order.
    const [edited, next] = await Promise.all([
      ben.request({ t: 'edit', ...numbered(2), seq, body: 'mine, still' }),
      ben.request({ t: 'send', ...numbered(3), type: 'text', body: 'behind it' }),
    ]);
    expect([edited.ok && edited.value.seq, next.ok && next.value.seq]).toEqual([seq + 1, seq + 2]);
    const retry = await ben.request({ t: 'edit', ...numbered(2), seq, body: 'mine, still' });
    expect(retry.ok && retry.value).toMatchObject({ seq: seq + 1, duplicate: true });
    // The owner may take back what is another's.
    expect(codeOf(await ann.request({ t: 'recall', ...numbered(1), seq }))).toBe('ok');
    expect(codeOf(await ben.request({ t: 'edit', ...numbered(4), seq, body: 'too late' }))).toContain('conflict');
    const entries = await readAll(ben, conversation);
    expect(entries.filter(({ type }) => type === 'control')).toHaveLength(3);
    for (const session of [ann, ben, zoe]) session.close();
  });
});
