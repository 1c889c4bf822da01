import fc from 'fast-check';
import type { ConversationId, UserId } from '@millrace/kernel';
import { frameError, type Message } from '@millrace/protocol';
import { expect, test } from 'vitest';
import type { SendReceipt } from './api.ts';
import { settled } from './testing/fake-network.ts';
import { HeldStorage } from './testing/held-storage.ts';
import { ModelServer } from './testing/model-server.ts';
import { testClient, type TestClient } from './testing/test-client.ts';

const alice = 'alice' as UserId;
const bob = 'bob' as UserId;
const groups = ['g0', 'g1'] as ConversationId[];
const seeds = {
  numRuns: 100,
  ...(process.env['FC_SEED'] === undefined ? {} : { seed: Number(process.env['FC_SEED']) }),
};

const group = fc.integer({ min: 0, max: 1 });
const few = fc.integer({ min: 1, max: 6 });
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('send' as const), group }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('post' as const), group, own: fc.boolean() }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('up' as const, 'down' as const), count: few }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('diffuse' as const), count: few }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 2_000 }) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('read' as const), group }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('hold' as const, 'release' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('restart' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('drain' as const, 'burst' as const, 'late' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('refuse' as const), code: fc.constantFrom('forbidden', 'overloaded') }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** One device of alice through everything that happens to it, with what it was told. */
class Scenario {
  readonly server = new ModelServer();
  readonly storage = new HeldStorage();
  readonly runs: TestClient[] = [];
  readonly sent = new Map<ConversationId, string[]>();
  readonly refused = new Set<string>();
  readonly receipts = new Map<string, { readonly conversation: ConversationId; readonly receipt: SendReceipt }>();
  #count = 0;

  readonly encoding: 'json' | 'binary';
  /** Texts that only the present run knows of. */
  sentInRun: string[] = [];

  constructor(encoding: 'json' | 'binary') {
    this.encoding = encoding;
    for (const id of groups) this.server.createGroup(id, [alice, bob]);
    this.server.diffuse();
    this.restart();
  }

  get now(): TestClient {
    const run = this.runs.at(-1);
    if (run === undefined) throw new Error('no run');
    return run;
  }

  /** As after a kill: the old run is cut off, and what it was storing never was. */
  restart(): void {
    this.runs.at(-1)?.network.cut();
    const storage = this.storage.open();
    this.storage.held = false;
    const run = testClient(this.server, alice, { storage, seed: this.runs.length + 1, encoding: this.encoding });
    run.client.on('refused', ({ body }) => this.refused.add(String(body)));
    this.runs.push(run);
    this.sentInRun = [];
    run.client.connect().catch(() => undefined);
  }

  send(conversation: ConversationId): void {
    const body = `a${String((this.#count += 1))}`;
    this.sent.set(conversation, [...(this.sent.get(conversation) ?? []), body]);
    this.sentInRun.push(body);
    this.now.client.send(conversation, body).then(
      (receipt) => this.receipts.set(body, { conversation, receipt }),
      () => undefined,
    );
  }

  async act(it: Action): Promise<void> {
    const { server } = this;
    const { client, network, time } = this.now;
    const conversation = groups['group' in it ? it.group : 0] as ConversationId;
    switch (it.do) {
      case 'send':
        this.send(conversation);
        break;
      case 'post':
        server.post(conversation, it.own ? alice : bob, `b${String((this.#count += 1))}`);
        break;
      case 'up':
      case 'down':
        for (let count = 0; count < it.count; count += 1) {
          network.move(it.do);
          await settled();
        }
        break;
      case 'diffuse':
        server.diffuse(it.count);
        break;
      case 'drain':
        await network.drain();
        break;
      case 'burst':
        for (let count = 0; count < 70; count += 1) this.send(conversation);
        break;
      case 'late':
        server.answersLate = !server.answersLate;
        if (!server.answersLate) server.answerNow();
        break;
      case 'wait':
        await time.advance(it.ms);
        break;
      case 'cut':
        network.cut();
        break;
      case 'read':
        client.read(conversation).catch(() => undefined);
        break;
      case 'hold':
        this.storage.held = true;
        break;
      case 'release':
        this.storage.held = false;
        this.storage.release();
        break;
      case 'restart':
        this.restart();
        break;
      case 'refuse':
        server.refuse = () => {
          server.refuse = () => null;
          return frameError(it.code === 'forbidden' ? 'forbidden' : 'overloaded', 'refused by the test', {
            retryAfterMs: 5,
          });
        };
    }
    await settled();
  }

  async heal(): Promise<void> {
    this.storage.held = false;
    this.storage.release();
    this.server.refuse = () => null;
    this.server.answersLate = false;
    this.server.answerNow();
    await this.now.heal();
  }

  stored(conversation: ConversationId): readonly Message[] {
    return this.server.conversations.get(conversation)?.entries.map(({ message }) => message) ?? [];
  }
}

const seqsOf = (run: TestClient, conversation: ConversationId): number[] =>
  run.delivered.filter((event) => event.conversation === conversation).map(({ message }) => message.seq);

function check(scenario: Scenario): void {
  for (const conversation of groups) {
    const stored = scenario.stored(conversation);
    for (const run of scenario.runs) {
      const seqs = seqsOf(run, conversation);
      expect(seqs, 'each run: in order, none twice').toEqual([...new Set(seqs)].sort((left, right) => left - right));
    }
    // The first sync of a new device is a snapshot: what came before it is no event.
    const all = new Set(scenario.runs.flatMap((run) => seqsOf(run, conversation)));
    const first = Math.min(...all);
    const expected = stored.map(({ seq }) => Number(seq)).filter((seq) => seq >= first);
    expect(
      [...all].sort((left, right) => left - right),
      'over all runs: no message is missing',
    ).toEqual(expected);
    const own = stored.filter(({ deviceTag }) => deviceTag !== 0).map(({ body }) => String(body));
    const accepted = (scenario.sent.get(conversation) ?? []).filter((body) => !scenario.refused.has(body));
    expect(new Set(own).size, 'each send is stored once (I4)').toBe(own.length);
    expect(
      own.every((body) => accepted.includes(body)),
      'what was refused is not stored',
    ).toBe(true);
    expect(own, 'in the order of sending').toEqual(accepted.filter((body) => own.includes(body)));
    const { client } = scenario.now;
    const summary = client.conversationList().find((one) => one.conversation === conversation);
    expect(summary, 'the local summary is the server’s').toEqual(scenario.server.summary(alice, conversation));
    const cached = client.messages(conversation);
    expect(cached, 'the cache is what the server has').toEqual(stored.slice(stored.length - cached.length));
  }
  const answered = scenario.sentInRun.filter((body) => scenario.receipts.has(body) || scenario.refused.has(body));
  expect(answered, 'each send of a run that goes on has its answer').toEqual(scenario.sentInRun);
  for (const [body, { conversation, receipt }] of scenario.receipts) {
    const message = scenario.stored(conversation)[receipt.seq - 1];
    expect(message?.body, 'an ack tells where the message is').toBe(body);
    expect([message?.msgNo, message?.at, message?.n]).toEqual([receipt.msgNo, receipt.at, receipt.n]);
  }
}

test('a device ends complete, in order and without repeats, whatever is lost, delayed, refused or restarted (I3, I4)', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(action, { minLength: 5, maxLength: 80, size: 'max' }),
      fc.constantFrom('json' as const, 'binary' as const),
      async (actions, encoding) => {
        const scenario = new Scenario(encoding);
        await scenario.heal();
        for (const it of actions) await scenario.act(it);
        await scenario.heal();
        check(scenario);
      },
    ),
    seeds,
  );
}, 240_000);
