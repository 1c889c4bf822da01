import { generation, sequenceId, type ConversationId, type DeviceId } from '@millrace/kernel';
import type { Message, PushItem } from '@millrace/protocol';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  decodeStored,
  encodeConversation,
  encodeDevice,
  encodeInbox,
  encodeMessage,
  keyOf,
} from '../storage/stored-records.ts';
import { ann, at, tag } from '../testing/a-phone.ts';
import { ModelFollower, ModelInbox, type BegunSync, type ModelTown } from '../testing/model-inbox.ts';
import type { DeviceInput } from './device-input.ts';
import { Device, newDevice, type DeviceState } from './device-state.ts';
import type { Effect } from './effects.ts';

type SyncEffect = Extract<Effect, { do: 'sync' }>;

/** What was stored last is not there after a crash; of so many steps before. */
const STORED = 4;

/** One device of ann, which is closed and opened again, over connections that are lost, and what it was told by then. */
class Phone {
  readonly server = new ModelInbox(['n', 's']);
  /** By town, of all runs; and of this one. */
  readonly heard = new Map<ConversationId, Set<number>>();
  readonly #ofRun = new Map<ConversationId, number>();
  readonly problems: string[] = [];
  #device: Device;
  #stored: ReadonlyMap<string, string>[] = [];
  #follower: ModelFollower | null = null;
  /** On the way to the device. */
  #down: DeviceInput[] = [];
  /** Asked, and not answered; a sync in two steps. */
  #syncs: { readonly effect: SyncEffect; begun: BegunSync | null }[] = [];
  #lists = 0;
  readonly #wanted = new Set<ConversationId>();
  readonly #fills = new Set<ConversationId>();
  /** Sent by this device, stored by the server, and not acknowledged here. */
  #unacknowledged: { readonly conversation: ConversationId; readonly entry: Message }[] = [];
  #n = 0;
  isOpen = false;
  limit = 3;

  constructor() {
    this.#device = this.#newDevice(newDevice());
  }

  #newDevice(state: DeviceState): Device {
    const nothing = (): void => undefined;
    const changes = { sync: nothing, conversation: nothing, cached: nothing, dropped: nothing };
    const sendsPending = (id: ConversationId): boolean =>
      this.#unacknowledged.some(({ conversation }) => conversation === id);
    return new Device(state, { user: ann, deviceTag: tag, sendsPending }, changes, 100);
  }

  #step(input: DeviceInput): void {
    for (const effect of this.#device.step(input)) this.#carryOut(effect);
    this.#store();
  }

  #carryOut(effect: Effect): void {
    switch (effect.do) {
      case 'deliver': {
        const { conversation, message } = effect;
        const before = this.#ofRun.get(conversation) ?? 0;
        if (message.seq <= before) this.problems.push(`${conversation} ${String(message.seq)} after ${String(before)}`);
        this.#ofRun.set(conversation, message.seq);
        this.heard.set(conversation, (this.heard.get(conversation) ?? new Set()).add(message.seq));
        return;
      }
      case 'sync':
        if (this.#follower !== null) this.#syncs.push({ effect, begun: null });
        return;
      case 'describe':
        this.#wanted.add(effect.conversation);
        this.#lists = 1;
        return;
      case 'fill':
        this.#fills.add(effect.conversation);
        return;
      case 'settle':
        this.#acknowledged(effect.conversation, effect.message.n);
        return;
      case 'gap': {
        // Of what was said while ann was not there.
        const { conversation, after, to } = effect;
        const expected = this.server.towns.find(({ id }) => id === conversation)?.expected ?? [];
        if (expected.some((seq) => seq > after && seq <= to)) this.problems.push(`gap of ${conversation}`);
        return;
      }
      case 'regressed':
      case 'removed':
        this.problems.push(`${effect.do} of ${effect.conversation}`);
        return;
      default:
    }
  }

  #acknowledged(conversation: ConversationId, n: number): void {
    this.#unacknowledged = this.#unacknowledged.filter(
      (each) => each.conversation !== conversation || each.entry.n !== n,
    );
  }

  #store(): void {
    const { state } = this.#device;
    const values = new Map<string, string>([
      [keyOf.device, encodeDevice({ device: 'phone' as DeviceId, user: ann, sentAt: 0 })],
      [keyOf.inbox, encodeInbox(state)],
    ]);
    for (const [id, conversation] of state.conversations) {
      values.set(keyOf.conversation(id), encodeConversation(conversation));
      for (const each of conversation.tail) values.set(keyOf.message(id, each.seq), encodeMessage(each));
    }
    this.#stored = [...this.#stored, values].slice(-STORED);
  }

  connect(): void {
    if (this.#follower !== null) return;
    const { head } = this.server;
    this.#follower = new ModelFollower(head, (prev, seq, items) => {
      const span = { gen: generation(1), prev: sequenceId(prev), seq: sequenceId(seq) };
      this.#down.push({ on: 'push', push: { t: 'push', ...span, items } });
    });
    this.#down.push({ on: 'connected', inbox: at(head) });
    // What was sent is sent again, and has its answer again.
    for (const { conversation, entry } of this.#unacknowledged) {
      this.#down.push({ on: 'own', conversation, message: entry });
    }
    if (this.#wanted.size > 0) this.#lists = 1;
  }

  lose(): void {
    if (this.#follower === null) return;
    this.#follower = null;
    this.#down = [];
    this.#syncs = [];
    this.#lists = 0;
    this.#step({ on: 'lost' });
  }

  /** @param lost - steps of which nothing was stored. */
  reopen(lost: number): void {
    this.lose();
    const stored = this.#stored.at(-1 - lost) ?? this.#stored[0];
    const decoded = stored === undefined ? null : decodeStored(stored);
    this.#device = this.#newDevice(decoded?.state ?? newDevice());
    this.#ofRun.clear();
    this.#wanted.clear();
    this.#fills.clear();
    this.#stored = [];
    this.#store();
  }

  deliver(count: number): void {
    const from = this.server.head + 1;
    const items: readonly PushItem[] = this.server.deliver(count);
    if (items.length > 0) this.#follower?.follow(from, this.server.head, items);
  }

  send(town: ModelTown): void {
    const known = this.#device.state.conversations.get(town.id);
    if (this.#follower === null || !town.isIn || known?.anchored !== true) return;
    this.#n += 1;
    const entry = this.server.post(town, this.#n);
    this.#unacknowledged.push({ conversation: town.id, entry });
  }

  /** The oldest ack that is due. */
  acknowledge(): void {
    const [first] = this.#unacknowledged;
    if (first === undefined || this.#follower === null) return;
    this.#down.push({ on: 'own', conversation: first.conversation, message: first.entry });
  }

  post(town: ModelTown): void {
    const entry = this.server.post(town);
    if (!this.isOpen || !town.isIn || !town.isPulled || this.#follower === null) return;
    const { gen, seq } = entry;
    const span = { conversation: town.id, gen, prev: sequenceId(seq - 1), seq };
    this.#down.push({ on: 'live', live: { t: 'live', ...span, messages: [entry] } });
  }

  /** The server goes on with what it was asked. @returns whether there was anything. */
  serve(): boolean {
    const [first] = this.#syncs;
    if (first !== undefined && first.begun === null) {
      first.begun = this.server.begin(first.effect);
      this.#follower?.syncStarted();
      return true;
    }
    if (first?.begun) {
      this.#syncs.shift();
      const synced = this.server.answer(first.begun, this.limit);
      this.#down.push({ on: 'synced', synced });
      this.#follower?.synced(synced.inbox.seq, synced.hasMore);
      return true;
    }
    if (this.#lists === 0 || this.#follower === null) return false;
    this.#lists = 0;
    const summaries = this.server.summaries().filter(({ conversation }) => this.#wanted.has(conversation));
    this.#wanted.clear();
    this.#down.push({ on: 'described', summaries });
    return true;
  }

  /** The device takes what came. @returns whether there was anything. */
  take(): boolean {
    const input = this.#down.shift();
    if (input === undefined) return false;
    if (input.on === 'own') this.#acknowledged(input.conversation, input.message.n);
    this.#step(input);
    return true;
  }

  /** Pages what waits for something before it. @returns whether there was anything. */
  fill(): boolean {
    const [id] = this.#fills;
    if (id === undefined || this.#follower === null) return false;
    this.#fills.delete(id);
    const state = this.#device.state.conversations.get(id);
    const town = this.server.towns.find((each) => each.id === id);
    const [held, last] = [state?.held[0], state?.held.at(-1)];
    if (state === undefined || town === undefined || held === undefined || last === undefined) return true;
    this.#fills.add(id);
    const limit = Math.max(1, Math.min(this.limit, last.seq - state.applied.seq));
    const { messages, head } = this.server.page(town, state.applied.seq + 1, limit);
    const hasMore = (messages.at(-1)?.seq ?? head) < head;
    const reached = hasMore ? (messages.at(-1)?.seq ?? head) : head;
    const completeTo = !hasMore && reached < held.seq ? null : sequenceId(reached);
    this.#step({ on: 'page', conversation: id, messages, completeTo });
    return true;
  }

  advance(): void {
    this.#follower?.advance();
  }

  /** Nothing happens any more, and everything arrives. */
  settle(): void {
    this.deliver(Infinity);
    this.connect();
    this.advance();
    for (let rounds = 0; rounds < 10_000; rounds += 1) {
      if (this.#unacknowledged.length > 0 && this.#down.length === 0) this.acknowledge();
      if (!this.take() && !this.serve() && !this.fill()) return;
    }
    this.problems.push('it never comes to rest');
  }
}

const town = fc.nat(1);
const count = fc.integer({ min: 1, max: 4 });
const action = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('post' as const), town }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const), town }) },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constantFrom('switch' as const, 'join' as const, 'leave' as const), town }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('deliver' as const, 'serve' as const, 'take' as const), count }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('connect' as const, 'lose' as const, 'fill' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('ack' as const, 'advance' as const, 'settle' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reopen' as const), lost: fc.nat(2) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('amid' as const), what: fc.constantFrom('switch', 'join', 'leave'), town }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('limit' as const), limit: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('show' as const), isOpen: fc.boolean() }) },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function act(phone: Phone, it: Action): void {
  const { server } = phone;
  const of = server.towns['town' in it ? it.town : 0];
  if (of === undefined) throw new Error('there are two');
  if (it.do === 'post') phone.post(of);
  else if (it.do === 'send') phone.send(of);
  else if (it.do === 'switch') server.switch(of);
  else if (it.do === 'join') server.join(of);
  else if (it.do === 'leave') server.leave(of);
  else if (it.do === 'deliver') phone.deliver(it.count);
  else if (it.do === 'serve') for (let left = it.count; left > 0 && phone.serve(); left -= 1);
  else if (it.do === 'take') for (let left = it.count; left > 0 && phone.take(); left -= 1);
  else if (it.do === 'connect') phone.connect();
  else if (it.do === 'lose') phone.lose();
  else if (it.do === 'fill') phone.fill();
  else if (it.do === 'ack') phone.acknowledge();
  else if (it.do === 'advance') phone.advance();
  else if (it.do === 'settle') phone.settle();
  else if (it.do === 'reopen') phone.reopen(it.lost);
  else if (it.do === 'amid') {
    // A device that comes back is answered while its user comes or goes, or the conversation switches.
    phone.lose();
    phone.connect();
    phone.take();
    phone.serve();
    if (it.what === 'switch') server.switch(of);
    else if (it.what === 'join') server.join(of);
    else server.leave(of);
    phone.deliver(Infinity);
  } else if (it.do === 'limit') phone.limit = it.limit;
  else if ('isOpen' in it) phone.isOpen = it.isOpen;
}

test('a device that is lost, closed and opened at any moment gets all of its user’s stays, once a run and in order (I3, I7)', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80, size: 'max' }), (actions) => {
      const phone = new Phone();
      // From here on it is not new: a new device is told where its conversations stand, and nothing of before.
      phone.settle();
      phone.reopen(0);
      for (const it of actions) act(phone, it);
      phone.settle();
      phone.reopen(0);
      phone.settle();
      for (const { id, expected } of phone.server.towns) {
        expect(
          [...(phone.heard.get(id) ?? [])].sort((one, other) => one - other),
          id,
        ).toEqual(expected);
      }
      expect(phone.problems).toEqual([]);
    }),
    { numRuns: 300 },
  );
}, 120_000);
