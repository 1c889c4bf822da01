import {
  err,
  generation,
  partitionId,
  sequenceId,
  type ConversationId,
  type DeviceId,
  type NodeId,
  type UserId,
} from '@millrace/kernel';
import { NO_COMMITS, type PartitionActor } from '@millrace/partition';
import { frameError } from '@millrace/protocol';
import { conversationKey, type ActorKey } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { AnyCommand, AnyReply } from '../actor-calls.ts';
import type { NodeAnswer } from '../cluster/node-messages.ts';
import type { ConversationCommand, WatchState } from '../conversation/commands.ts';
import { ConversationActor } from '../conversation/conversation-actor.ts';
import { decodeConversation } from '../conversation/conversation-record.ts';
import type { Effect } from '../effects.ts';
import { defaultMessagingLimits } from '../limits.ts';
import { Lobbies } from './lobbies.ts';
import type { LobbyTold } from './lobby-facts.ts';
import { defaultLobbyLimits } from './lobby-limits.ts';
import { GENS_PER_EPOCH } from './lobby-tenures.ts';
import { PromotedLobbies } from './promoted-lobbies.ts';

const partition = partitionId(0);
const match = '~match' as ConversationId;
const [ann, ben] = ['ann', 'ben'] as [UserId, UserId];
const gateway = 'gateway' as NodeId;
const nothing = { head: null, fields: new Map<string, Uint8Array>() };
const settle = (): Promise<void> => new Promise(setImmediate);

/** What is stored of one partition: the real actors, and a store that fails when a test says so. */
class Stored {
  readonly asked: string[] = [];
  /** `lost`: it is done, and the answer is not told. `refused`: nothing is done. */
  fault: 'lost' | 'refused' | null = null;
  readonly #actors = new Map<ActorKey, PartitionActor<never, AnyReply, Effect>>();
  readonly effects: Effect[] = [];

  ask(key: ActorKey, command: AnyCommand): NodeAnswer {
    this.asked.push(`${key} ${command.t}`);
    const unavailable = err(frameError('unavailable', 'the store is away'));
    if (this.fault === 'refused') return unavailable;
    const actor = this.#actors.get(key) ?? this.#activate(key);
    this.#actors.set(key, actor);
    const { reply, effects } = actor.handle(command as never, 5, NO_COMMITS);
    actor.settle();
    this.effects.push(...effects);
    return this.fault === 'lost' ? unavailable : reply;
  }

  #activate(key: ActorKey): PartitionActor<never, AnyReply, Effect> {
    const gen = generation(1);
    const actor = key.startsWith('p:')
      ? new PromotedLobbies(key, nothing, gen)
      : new ConversationActor(
          decodeConversation(key.slice(2) as ConversationId, nothing, gen),
          'disk',
          defaultMessagingLimits,
        );
    return actor;
  }
}

class ANode {
  readonly stored: Stored;
  readonly told: Effect[] = [];
  readonly lobbies: Lobbies;
  epoch = 3;
  mayServe = true;
  has = true;
  nowMs = 0;
  #timers: { readonly atMs: number; readonly run: () => void }[] = [];
  #sent = 0;

  constructor(stored = new Stored(), limits: Partial<typeof defaultLobbyLimits> = {}) {
    this.stored = stored;
    this.lobbies = new Lobbies({
      clock: { nowMs: () => 1_000 + this.nowMs, monotonicMs: () => this.nowMs },
      timers: {
        after: (ms, run) => {
          this.#timers.push({ atMs: this.nowMs + ms, run });
          return () => undefined;
        },
        soon: (run) => setImmediate(run),
      },
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
      messaging: defaultMessagingLimits,
      limits: { ...defaultLobbyLimits, graceMs: 1_000, emptyMs: 1_000, ...limits },
      partitionOf: () => partition,
      has: () => this.has,
      epochOf: () => this.epoch,
      mayServe: () => this.mayServe,
      stored: (_partition, key, command) => Promise.resolve(this.stored.ask(key, command)),
      told: (effects) => this.told.push(...effects),
    });
  }

  /** As the partition host does it. */
  async ask(command: ConversationCommand, id = match): Promise<NodeAnswer> {
    const key = conversationKey(id);
    return new Promise((resolve) => {
      if (!this.lobbies.post(key, command, resolve)) resolve(this.stored.ask(key, command));
    });
  }

  create(id = match, by = ann, more: object = {}): Promise<NodeAnswer> {
    const options = { title: 'Match', members: [], joinPolicy: 'open', historyPolicy: 'all' } as const;
    return this.ask({ t: 'create', creator: by, kind: 'lobby', ...options, ...more }, id);
  }

  send(by = ann, id = match, n = (this.#sent += 1)): Promise<NodeAnswer> {
    const send = { conversation: id, n, sentAt: n, type: 'text', body: 'hi' } as const;
    return this.ask({ t: 'publish', by: { user: by, device: 'd' as DeviceId }, send }, id);
  }

  watch(present: readonly UserId[], told: LobbyTold | null = null, id = match): Promise<NodeAnswer> {
    const stored = (): Promise<NodeAnswer> => {
      return Promise.resolve(this.stored.ask(conversationKey(id), { t: 'watch', users: present }));
    };
    return this.lobbies.watch(gateway, { conversation: id, users: present, lobby: { present, told } }, stored);
  }

  async pass(ms: number): Promise<void> {
    const untilMs = this.nowMs + ms;
    for (;;) {
      await settle();
      await settle();
      const next = this.#timers.filter(({ atMs }) => atMs <= untilMs).sort((one, other) => one.atMs - other.atMs)[0];
      if (next === undefined) break;
      this.#timers.splice(this.#timers.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    this.nowMs = untilMs;
    await settle();
  }
}

const toldOf = (answer: NodeAnswer): LobbyTold => {
  const told = answer === 'not_owner' || !answer.ok ? undefined : (answer.value as WatchState).lobby;
  if (told === undefined) throw new Error(JSON.stringify(answer));
  return told;
};

describe('the lobbies of a node', () => {
  it('ask the store once for a partition which of them are groups, and for nothing else', async () => {
    const node = new ANode();
    await node.create();
    await node.send();
    await node.ask({ t: 'join', user: ben });
    await node.watch([ann, ben]);
    expect(await node.ask({ t: 'join', user: ben }, '~other' as ConversationId)).toMatchObject({
      ok: false,
      error: { code: 'not_found' },
    });
    expect(await node.send(ann, '~other' as ConversationId)).toMatchObject({ error: { code: 'not_found' } });
    expect(node.stored.asked).toEqual(['p:0 promoted']);
  });

  it('leave nothing behind when nobody is in them, thousands of them', async () => {
    const node = new ANode();
    for (let round = 0; round < 4; round += 1) {
      const ids = Array.from({ length: 500 }, (_, index) => `~${String(round)}-${String(index)}` as ConversationId);
      await Promise.all(ids.map((id) => node.create(id)));
      await Promise.all(ids.map((id) => node.send(ann, id, 1)));
      expect(node.lobbies.size).toBe(500);
      // One half is left by an entry, of the other the devices go without a word.
      await Promise.all(ids.slice(250).map((id) => node.ask({ t: 'leave', user: ann }, id)));
      await node.pass(3_000);
      expect(node.lobbies.stats).toEqual({ lobbies: 0, waning: 0, queued: 0 });
    }
    expect(node.stored.asked).toEqual(['p:0 promoted']);
  });

  it('are as many as there may be, and say so', async () => {
    const node = new ANode(undefined, { lobbiesMax: 1, backlogMax: 10, membersMax: 5 });
    expect(await node.create(match, ann, { backlog: 11 })).toMatchObject({ error: { code: 'limit_reached' } });
    expect(await node.create(match, ann, { membersMax: 6 })).toMatchObject({ error: { code: 'limit_reached' } });
    expect(await node.create()).toMatchObject({ ok: true });
    expect(await node.create()).toMatchObject({ ok: true, value: { fresh: false } });
    expect(await node.create('~two' as ConversationId)).toMatchObject({ error: { code: 'limit_reached' } });
  });

  it('answer nothing without the lease', async () => {
    const node = new ANode();
    await node.create();
    node.mayServe = false;
    expect(await node.send()).toMatchObject({ error: { code: 'unavailable' } });
    node.mayServe = true;
    node.lobbies.drop(partition);
    node.has = false;
    expect(await node.watch([ann])).toBe('not_owner');
  });

  it('begin in a higher generation each time, and in that of a higher epoch above all before', async () => {
    const node = new ANode();
    await node.create();
    await node.ask({ t: 'dissolve', by: ann });
    expect(await node.create()).toMatchObject({ value: { gen: 3 * GENS_PER_EPOCH + 2, seq: 1 } });
    // Its own claim was renewed: what is there goes on.
    node.epoch = 4;
    expect(await node.send()).toMatchObject({ value: { gen: 3 * GENS_PER_EPOCH + 2, seq: 2 } });
  });

  it('begin anew at a new owner when a node names its members, and not at the one where they have ended', async () => {
    const first = new ANode();
    await first.create();
    await first.ask({ t: 'join', user: ben });
    const told = toldOf(await first.watch([ann, ben]));
    const second = new ANode(first.stored);
    second.epoch = 5;
    expect(await second.send()).toMatchObject({ error: { code: 'not_found' } });
    const state = await second.watch([ann, ben], told);
    expect(state).toMatchObject({ value: { mode: 'read', seq: 1, members: [ann, ben], gen: 5 * GENS_PER_EPOCH + 1 } });
    expect(await second.send(ann, match, 7)).toMatchObject({ error: { code: 'out_of_order', expected: 1 } });

    await second.ask({ t: 'dissolve', by: ann });
    const after = toldOf(state);
    expect(await second.watch([ann, ben], after)).toMatchObject({ error: { code: 'not_found' } });
  });

  describe('that become groups', () => {
    async function promoted(node: ANode): Promise<NodeAnswer> {
      await node.create(match, ann, { backlog: 3 });
      await node.ask({ t: 'join', user: ben });
      for (let time = 0; time < 5; time += 1) await node.send();
      return node.ask({ t: 'promote', by: ann });
    }

    it('go on with their seqs, counters and members, as of what they kept', async () => {
      const node = new ANode();
      expect(await promoted(node)).toMatchObject({ ok: true, value: { gen: 1, seq: 8 } });
      expect(node.lobbies.size).toBe(0);
      expect(await node.send()).toMatchObject({ ok: true, value: { gen: 1, seq: 9, level: 'disk' } });
      expect(await node.send(ann, match, 3)).toMatchObject({ ok: true, value: { duplicate: true, seq: 5 } });
      expect(await node.ask({ t: 'promote', by: ann })).toMatchObject({ ok: true, value: { gen: 1, seq: 8 } });
      const [entry] = node.stored.effects;
      expect(entry).toMatchObject({ e: 'appended', from: 8, mode: 'write', changes: { change: 'joined' } });
      const seen = await node.ask({ t: 'visible', user: ben });
      expect(seen).toMatchObject({
        value: { head: { seq: 9, first: 5 }, intervals: [{ joined: 8, from: 5, to: null }] },
      });
    });

    it('happen once when the answer of the store is lost, and what was sent meanwhile comes behind, in order', async () => {
      const node = new ANode();
      await node.create();
      node.stored.fault = 'lost';
      // The note of it is asked for again, too.
      const early = await node.ask({ t: 'promote', by: ann });
      expect(early).toMatchObject({ error: { code: 'unavailable' } });
      expect(await node.send()).toMatchObject({ value: { level: 'volatile' } });
      node.stored.fault = null;
      const promotion = node.ask({ t: 'promote', by: ann });
      node.stored.fault = null;
      await settle();
      const answers = await Promise.all([promotion, node.send(), node.send(), node.send()]);
      expect(answers).toMatchObject([
        { value: { seq: 3 } },
        ...[4, 5, 6].map((seq) => ({ value: { seq, level: 'disk' } })),
      ]);
    });

    it('wait while it is not known what became of them', async () => {
      const node = new ANode();
      await node.create();
      let calls = 0;
      const ask = node.stored.ask.bind(node.stored);
      node.stored.ask = (key, command) => {
        calls += command.t === 'adopt' ? 1 : 0;
        node.stored.fault = command.t === 'adopt' && calls === 1 ? 'lost' : null;
        return ask(key, command);
      };
      const answers: unknown[] = [];
      void node.ask({ t: 'promote', by: ann }).then((answer) => answers.push(answer));
      await settle();
      void node.send().then((answer) => answers.push(answer));
      await settle();
      expect(answers).toEqual([]);
      expect(await node.watch([ann])).toMatchObject({ error: { code: 'unavailable' } });
      await node.pass(500);
      expect(answers).toMatchObject([
        { ok: true, value: { seq: 2 } },
        { ok: true, value: { seq: 3, level: 'disk' } },
      ]);
      expect(calls).toBe(2);
    });

    it('are found by the next owner, whatever a node tells of the lobby', async () => {
      const first = new ANode();
      await first.create();
      const told = toldOf(await first.watch([ann]));
      await first.ask({ t: 'promote', by: ann });
      const second = new ANode(first.stored);
      second.epoch = 9;
      expect(await second.watch([ann], told)).toMatchObject({ ok: true, value: { mode: 'write', members: [ann] } });
      expect(second.lobbies.size).toBe(0);
      expect(await second.create()).toMatchObject({ error: { code: 'conflict' } });
    });

    it('and are none when only the note of it was stored: the lobby goes on at the next owner', async () => {
      const first = new ANode();
      await first.create();
      const told = toldOf(await first.watch([ann]));
      first.stored.ask('p:0' as ActorKey, { t: 'promoted', add: match });
      const second = new ANode(first.stored);
      second.epoch = 9;
      expect(await second.watch([ann], told)).toMatchObject({ ok: true, value: { mode: 'read', seq: 1 } });
      expect(await second.send()).toMatchObject({ ok: true, value: { seq: 2, level: 'volatile' } });
      expect(await second.ask({ t: 'promote', by: ann })).toMatchObject({
        ok: true,
        value: { gen: 1, seq: sequenceId(3) },
      });
    });

    it('only by their owner', async () => {
      const node = new ANode();
      await node.create();
      await node.ask({ t: 'join', user: ben });
      expect(await node.ask({ t: 'promote', by: ben })).toMatchObject({ error: { code: 'forbidden' } });
      expect(await node.ask({ t: 'dissolve', by: ben })).toMatchObject({ error: { code: 'forbidden' } });
    });
  });
});
