import { generation, partitionId, type ConversationId, type NodeId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { AnyReply } from '../actor-calls.ts';
import { takeRequest } from '../cluster/requests.ts';
import { Live } from './live.ts';
import { readWatches } from './watch-request.ts';

const town = 'town' as ConversationId;
const meta = { kind: 'lobby', title: '' };
const told = { facts: { meta, backlog: 10, membersMax: 50 }, gen: generation(3), roles: [['ann', 'owner']] };
const lobby = { present: ['ann'], told };
const watch = { conversation: town, users: ['ann' as UserId] };

/** As it comes from a node that leaves out one field. */
const without = <T extends object>(value: T, field: keyof T): object =>
  Object.fromEntries(Object.entries(value).filter(([name]) => name !== field));

describe('what a node asks to be told of', () => {
  it('is read when it is whole', () => {
    for (const each of [[], [watch], [watch, { ...watch, lobby }], [{ ...watch, lobby: { ...lobby, told: null } }]]) {
      expect(readWatches(each)).toEqual(each);
    }
  });

  it.each([
    ['which conversations', undefined],
    ['that it is a list', { 0: watch }],
    ['one of them', [watch, null]],
    ['its name', [without(watch, 'conversation')]],
    ['its users', [without(watch, 'users')]],
    ['a name of them', [{ ...watch, users: [7] }]],
    ['who is in the lobby', [{ ...watch, lobby: without(lobby, 'present') }]],
    ['what was told of the lobby', [{ ...watch, lobby: without(lobby, 'told') }]],
    ['the facts of the lobby', [{ ...watch, lobby: { ...lobby, told: without(told, 'facts') } }]],
    [
      'the settings of the lobby',
      [{ ...watch, lobby: { ...lobby, told: { ...told, facts: { backlog: 1, membersMax: 2 } } } }],
    ],
    ['the generation of the lobby', [{ ...watch, lobby: { ...lobby, told: without(told, 'gen') } }]],
    ['the roles in the lobby', [{ ...watch, lobby: { ...lobby, told: without(told, 'roles') } }]],
    ['a role in the lobby', [{ ...watch, lobby: { ...lobby, told: { ...told, roles: [['ann']] } } }]],
  ])('is answered with an error, and asked of nobody, when it leaves out %s', async (_what, watches) => {
    const nothing = (): never => {
      throw new Error('nobody is to be asked');
    };
    const live = new Live({
      self: 'a' as NodeId,
      clock: { nowMs: () => 0, monotonicMs: () => 0 },
      timers: { after: () => () => undefined, soon: () => undefined },
      livePort: {} as never,
      calls: {} as never,
      peers: {} as never,
      partitionOf: () => partitionId(0),
      ownerOf: () => null,
      host: nothing,
      isHere: () => false,
    });
    const reply = await new Promise<AnyReply | 'not_owner'>((resolve) => {
      takeRequest('b' as NodeId, { q: 'watch', watches } as never, resolve, { live } as never);
    });
    expect(reply).toMatchObject({ ok: false, error: { code: 'bad_request', retry: 'never' } });
  });
});
