import { ok, partitionId, type ConversationId, type NodeId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { AnyReply } from '../actor-calls.ts';
import { mayWatch, Presence, type PresenceQuestion } from './presence.ts';

const [here, there] = ['here', 'there'] as NodeId[] as [NodeId, NodeId];
const user = (name: string): UserId => name as UserId;

/** A node that watches users of whom those called `l…` are its own, and the others of another node. */
function aNode() {
  const online = new Set<string>();
  const due: { readonly ms: number; readonly run: () => void }[] = [];
  const told: string[] = [];
  const asked: number[] = [];
  const world = { ownerOfOthers: there as NodeId | null, answers: true };
  const partitionOf = (name: UserId) => partitionId(name.startsWith('l') ? 0 : 1);
  const presence = new Presence({
    timers: {
      after: (ms: number, run: () => void) => {
        const timer = { ms, run };
        due.push(timer);
        return () => {
          if (due.includes(timer)) due.splice(due.indexOf(timer), 1);
        };
      },
    } as never,
    self: here,
    partitionOf,
    ownerOf: (partition) => (partition === partitionId(0) ? here : world.ownerOfOthers),
    hosts: (partition) => partition === partitionId(0),
    sockets: () => [online, { has: () => false }],
    ask: (_msMax: number, _to: NodeId, { users }: PresenceQuestion): Promise<AnyReply | null> => {
      asked.push(users.length);
      return Promise.resolve(world.answers ? ok(users.map((name) => online.has(name))) : null);
    },
    pushPort: {
      presence: (states) => {
        for (const state of states) told.push(`${state.user} ${state.online ? 'on' : 'off'}`);
      },
    },
  });
  const look = async (): Promise<void> => {
    for (const { run } of due.splice(0)) run();
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  };
  return { presence, online, due, told, asked, world, look };
}

describe('whether users are online', () => {
  it('is told once of each, wherever their owner is, and then what changes', async () => {
    const { presence, online, told, look, due } = aNode();
    online.add('lea').add('bob');
    for (const name of ['lea', 'leo', 'bob', 'cat']) presence.watch(user(name));
    expect(
      due.map(({ ms }) => ms),
      'they are looked at together',
    ).toEqual([50]);
    await look();
    expect(told.sort()).toEqual(['bob on', 'cat off', 'lea on', 'leo off']);
    await look();
    expect(told).toHaveLength(4);
    online.add('cat');
    await look();
    expect(told.slice(4)).toEqual(['cat on']);
  });

  it('is no news when a user is away for one look: a reconnect, or the move of their owner', async () => {
    const { presence, online, told, look } = aNode();
    online.add('bob');
    presence.watch(user('bob'));
    await look();
    online.delete('bob');
    await look();
    online.add('bob');
    await look();
    online.delete('bob');
    await look();
    expect(told).toEqual(['bob on']);
    await look();
    expect(told).toEqual(['bob on', 'bob off']);
  });

  it('stays as it was told while the owner does not answer, or there is none', async () => {
    const { presence, online, told, look, world, asked } = aNode();
    online.add('bob');
    presence.watch(user('bob'));
    await look();
    online.delete('bob');
    world.answers = false;
    for (let each = 0; each < 5; each += 1) await look();
    world.ownerOfOthers = null;
    for (let each = 0; each < 5; each += 1) await look();
    expect([told, asked.length]).toEqual([['bob on'], 6]);
    [world.answers, world.ownerOfOthers] = [true, there];
    await look();
    await look();
    expect(told).toEqual(['bob on', 'bob off']);
  });

  it('is asked of each owner in questions of a bounded size, and not at all when nobody watches (I9)', async () => {
    const { presence, asked, due, look } = aNode();
    for (let each = 0; each < 2_500; each += 1) presence.watch(user(`user-${String(each)}`));
    await look();
    expect(asked).toEqual([1_000, 1_000, 500]);
    expect(due.map(({ ms }) => ms)).toEqual([2_000]);
    for (let each = 0; each < 2_500; each += 1) presence.unwatch(user(`user-${String(each)}`));
    expect([presence.size, due.length]).toEqual([0, 0]);
  });

  it('is answered by the owner alone: another node does not know', () => {
    const { presence, online } = aNode();
    online.add('lea').add('bob');
    expect(presence.answer(['lea', 'leo', 'bob'].map(user))).toEqual([true, false, null]);
  });
});

describe('who may watch whom', () => {
  it('is asked of the direct conversation of the two, of each', async () => {
    const asked: string[] = [];
    const calls = {
      conversation: (id: ConversationId, { by }: { readonly by?: UserId }) => {
        asked.push(`${id} ${String(by)}`);
        return Promise.resolve(id.includes('no') ? { ok: false, error: { code: 'forbidden' } } : ok(null));
      },
    } as never;
    const all = ['ann', 'zoe'].map(user);
    expect(await mayWatch(calls, user('bob'), all)).toEqual(ok(null));
    expect(asked).toEqual(['ann!bob bob', 'bob!zoe bob']);
    expect(await mayWatch(calls, user('bob'), [...all, user('no')])).toMatchObject({ error: { code: 'forbidden' } });
    expect(await mayWatch(calls, user('bob'), [user('bob')])).toMatchObject({ error: { code: 'bad_request' } });
  });
});
