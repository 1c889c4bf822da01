import { generation, partitionId, sequenceId, type ConversationId, type NodeId, type UserId } from '@millrace/kernel';
import { encodeEntry, WireEntry, type ControlBody } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import type { UserPush } from '../chat-service.ts';
import type { LiveNote } from './live-notes.ts';
import { Watches, type WatchAnswer, type WatchAsked } from './watches.ts';

const [tea, milk] = ['tea', 'milk'] as [ConversationId, ConversationId];
const [ann, bob] = ['ann', 'bob'] as [UserId, UserId];
const gen = generation(1);
const settle = (): Promise<void> => new Promise(setImmediate);

function entry(seq: number, control?: ControlBody | { readonly control: string; readonly mode: string }): WireEntry {
  const fields = { msgNo: seq, countable: false, from: null, deviceTag: 0, n: 0, sentAt: 0, at: 0 };
  const type = control === undefined ? 'text' : 'control';
  const data = encodeEntry({ ...fields, type, body: control === undefined ? 'hi' : JSON.stringify(control) });
  return new WireEntry(gen, sequenceId(seq), data);
}

const note = (seq: number, conversation = tea): LiveNote => ({
  n: 'live',
  conversation,
  gen,
  msgNo: seq,
  entries: [entry(seq)],
  changes: [],
});

class AGateway {
  owner = 'a' as NodeId | null;
  readonly here = new Set<UserId>([ann, bob]);
  readonly asked: string[] = [];
  readonly unasked: string[] = [];
  readonly told: string[] = [];
  seq = 5;
  members = [ann, bob];
  mode: 'read' | 'write' = 'read';
  answer: ((watch: WatchAsked) => WatchAnswer) | null = null;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  #nowMs = 0;
  readonly watches = new Watches({
    timers: {
      after: (ms, run) => {
        this.#timers.push({ atMs: this.#nowMs + ms, run });
        return () => undefined;
      },
      soon: (run) => this.#timers.push({ atMs: this.#nowMs, run }),
    },
    port: {
      entered: (conversation, users, { seq }) => this.told.push(`${conversation} +${users.join()} ${String(seq)}`),
      left: (conversation, users) => this.told.push(`${conversation} -${users.join()}`),
      live: (conversation, { prev, entries }) =>
        this.told.push(`${conversation} ${String(prev)}>${String(entries.at(-1)?.seq)}`),
      at: () => undefined,
      stands: (conversation, { seq }) => this.told.push(`${conversation} stands ${String(seq)}`),
      over: (conversation) => this.told.push(`${conversation} over`),
      gone: (conversation, users) => this.told.push(`${conversation} gone ${users.join()}`),
    },
    partitionOf: (conversation) => partitionId(conversation === milk ? 1 : 0),
    ownerOf: (partition) => (partition === 1 ? ('b' as NodeId) : this.owner),
    isHere: (user) => this.here.has(user),
    lobbyHere: () => undefined,
    answered: () => undefined,
    ask: (owner, watches) => {
      this.asked.push(
        `${owner}: ${watches.map(({ conversation, users }) => `${conversation} ${users.join()}`).join('; ')}`,
      );
      return Promise.resolve(watches.map((watch) => this.answer?.(watch) ?? this.#state(watch)));
    },
    unask: (owner, conversations) => this.unasked.push(`${owner}: ${conversations.join()}`),
    readModeOf: () => Promise.resolve([tea]),
  });

  #state({ users }: WatchAsked): WatchAnswer {
    const members = users.filter((user) => this.members.includes(user));
    return { mode: this.mode, gen, seq: sequenceId(this.seq), msgNo: this.seq, members };
  }

  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { run } of due) run();
    await settle();
  }
}

const push = (...messages: WireEntry[]): UserPush => ({
  gen,
  from: sequenceId(1),
  to: sequenceId(1),
  items: [{ conversation: tea, messages }],
});

describe('the conversations that a node watches', () => {
  it('are asked about together: many users, many conversations, one message to each owner (L1)', async () => {
    const gateway = new AGateway();
    const many = Array.from({ length: 3_000 }, (_, index) => `user-${String(index)}` as UserId);
    gateway.members = many;
    for (const user of many) {
      gateway.here.add(user);
      gateway.watches.want(user, [tea, milk]);
    }
    await gateway.pass(10);
    expect(gateway.asked.map((text) => text.slice(0, 12))).toEqual(['a: tea user-', 'b: milk user']);
    expect(gateway.watches.isIn('user-2999' as UserId, milk)).toBe(true);
  });

  it('are told from where the owner says that they stand, to members only (I11)', async () => {
    const gateway = new AGateway();
    gateway.members = [ann];
    gateway.watches.want(ann, [tea]);
    gateway.watches.want(bob, [tea]);
    await gateway.pass(10);
    gateway.watches.heard('a' as NodeId, note(5));
    gateway.watches.heard('a' as NodeId, note(6));
    expect(gateway.told).toEqual(['tea -bob', 'tea stands 5', 'tea +ann 5', 'tea 5>6']);
    expect(gateway.watches.isIn(bob, tea)).toBe(false);
  });

  it('are found in what comes into inboxes: a join of the user, a switch to read mode', async () => {
    const gateway = new AGateway();
    gateway.watches.pushed(ann, push(entry(1), entry(2, { control: 'joined', users: [bob] })));
    gateway.watches.pushed(ann, push(entry(2, { control: 'diffusion', mode: 'write' })));
    await gateway.pass(10);
    expect(gateway.asked).toEqual([]);
    gateway.watches.pushed(ann, push(entry(2, { control: 'joined', users: [ann] })));
    gateway.watches.pushed(bob, push(entry(3, { control: 'diffusion', mode: 'read' })));
    await gateway.pass(10);
    expect(gateway.asked).toEqual(['a: tea ann,bob']);
    await gateway.watches.refresh(ann);
    await gateway.pass(10);
    expect(gateway.asked).toHaveLength(1);
  });

  it('are asked about anew where the owner changed, an entry was lost, or the owner says so, and all learn it (L2)', async () => {
    const gateway = new AGateway();
    gateway.watches.want(ann, [tea]);
    gateway.watches.want(bob, [milk]);
    await gateway.pass(10);
    gateway.told.splice(0);
    const anew = async (why: () => void): Promise<string[]> => {
      why();
      await gateway.pass(10);
      return gateway.told.splice(0);
    };
    gateway.seq = 6;
    expect(await anew(() => gateway.watches.follow(false))).toEqual([]);
    gateway.owner = 'c' as NodeId;
    expect(await anew(() => gateway.watches.follow(false))).toEqual(['tea stands 6']);
    expect(await anew(() => gateway.watches.missed('b' as NodeId))).toEqual(['milk stands 6']);
    expect(await anew(() => gateway.watches.heard('c' as NodeId, note(8)))).toEqual(['tea stands 6']);
    gateway.seq = 9;
    expect(await anew(() => gateway.watches.heard('c' as NodeId, { n: 'again', conversations: [tea] }))).toEqual([
      'tea stands 9',
    ]);
    // A run that was the owner before need not go on.
    expect(await anew(() => gateway.watches.heard('a' as NodeId, note(10)))).toEqual([]);
    expect(gateway.unasked).toEqual(['a: tea']);
  });

  it('are looked at from time to time: the last entry before a silence leaves no gap to see (L2)', async () => {
    const gateway = new AGateway();
    gateway.watches.want(ann, [tea]);
    await gateway.pass(10);
    gateway.seq = 7;
    gateway.told.splice(0);
    await gateway.pass(30_000);
    expect(gateway.asked.at(-1)).toBe('a: tea ');
    await gateway.pass(1_000);
    await gateway.pass(10);
    expect(gateway.told).toEqual(['tea stands 7']);
  });

  it('are asked about until there is an answer', async () => {
    const gateway = new AGateway();
    gateway.owner = null;
    gateway.watches.want(ann, [tea]);
    await gateway.pass(10);
    expect(gateway.asked).toEqual([]);
    gateway.owner = 'a' as NodeId;
    gateway.answer = () => 'not_owner';
    await gateway.pass(200);
    await gateway.pass(10);
    gateway.answer = () => 'later';
    await gateway.pass(200);
    await gateway.pass(10);
    expect(gateway.asked).toHaveLength(2);
    gateway.answer = null;
    await gateway.pass(200);
    await gateway.pass(10);
    expect(gateway.watches.isIn(ann, tea)).toBe(true);
  });

  it('are over when they are written into inboxes again, and nothing is left of them', async () => {
    const gateway = new AGateway();
    gateway.watches.want(ann, [tea]);
    await gateway.pass(10);
    gateway.watches.heard('a' as NodeId, { n: 'over', conversation: tea });
    expect(gateway.told.at(-1)).toBe('tea over');
    gateway.mode = 'write';
    gateway.watches.want(ann, [milk]);
    await gateway.pass(10);
    expect(gateway.watches.size).toBe(0);
  });

  it('are forgotten with the last user here who is in them, and the owner is told (L3)', async () => {
    const gateway = new AGateway();
    gateway.watches.want(ann, [tea]);
    gateway.watches.want(bob, [tea]);
    await gateway.pass(10);
    gateway.here.delete(ann);
    gateway.watches.detach(ann);
    expect([gateway.watches.size, gateway.unasked.length]).toEqual([1, 0]);
    gateway.here.delete(bob);
    gateway.watches.detach(bob);
    expect([gateway.watches.size, gateway.unasked]).toEqual([0, ['a: tea']]);
    // Who has gone by the time that they are known to be in it is not asked about.
    gateway.watches.want(ann, [tea]);
    expect(gateway.watches.size).toBe(0);
  });
});
