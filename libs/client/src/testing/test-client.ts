import { seededRandom, type ConversationId, type UserId } from '@millrace/kernel';
import type { Message } from '@millrace/protocol';
import type { ClientStorage, MillraceClientOptions } from '../api.ts';
import { MillraceClient } from '../millrace-client.ts';
import { FakeNetwork, ManualTime, settled } from './fake-network.ts';
import type { ModelServer } from './model-server.ts';

export interface TestClient {
  readonly client: MillraceClient;
  readonly network: FakeNetwork;
  readonly time: ManualTime;
  /** What `message` told, in order. */
  readonly delivered: { readonly conversation: ConversationId; readonly message: Message }[];
  readonly events: string[];
  /** Moves messages and time until the client is live, with an empty outbox, and nothing is under way. */
  heal(): Promise<void>;
}

const HEAL_MS_MAX = 300_000;

export function testClient(
  server: ModelServer,
  user: UserId,
  options: Partial<MillraceClientOptions> & { readonly storage?: ClientStorage; readonly seed?: number } = {},
): TestClient {
  const { seed = 1, ...rest } = options;
  const network = new FakeNetwork(server);
  const time = new ManualTime();
  const client = new MillraceClient({
    url: 'ws://model',
    token: user,
    webSocket: network.webSocket,
    clock: time,
    timers: time,
    random: seededRandom(seed),
    ...rest,
  });
  const delivered: TestClient['delivered'] = [];
  const events: string[] = [];
  client.on('message', (event) => delivered.push(event));
  client.on('state', (state, reason) => events.push(`state ${state}${reason === '' ? '' : `: ${reason}`}`));
  client.on('gap', ({ conversation, after, to }) => events.push(`gap ${conversation} ${String(after)}..${String(to)}`));
  client.on('regressed', ({ conversation, from }) => events.push(`regressed ${conversation} ${String(from)}`));
  client.on('refused', ({ body, error }) => events.push(`refused ${String(body)}: ${error.code}`));
  const heal = async (): Promise<void> => {
    for (let ms = 0; ms < HEAL_MS_MAX; ms += 250) {
      await network.drain();
      server.diffuse();
      await network.drain();
      const over = client.state === 'closed' || (client.state === 'live' && client.outboxSize === 0);
      // A second more, for what waits to see whether it arrives by itself.
      if (over && ms >= 2_000) return;
      await time.advance(250);
    }
    await settled();
    throw new Error(`not healed: ${client.state}, ${String(client.outboxSize)} in the outbox`);
  };
  return { client, network, time, delivered, events, heal };
}

/** Texts of the messages that count, in order of delivery. */
export function textsOf({ delivered }: TestClient, conversation: ConversationId): string[] {
  return delivered
    .filter((event) => event.conversation === conversation && event.message.countable)
    .map(({ message }) => String(message.body));
}

/** Connects for good: everything that can arrive has. */
export async function liveClient(
  server: ModelServer,
  user: UserId,
  options: Parameters<typeof testClient>[2] = {},
): Promise<TestClient> {
  const one = testClient(server, user, options);
  one.client.connect().catch(() => undefined);
  await one.heal();
  return one;
}

/** What a promise came to so far. */
export function outcomeOf<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const outcome: { value?: T; error?: unknown } = {};
  promise.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error),
  );
  return outcome;
}
