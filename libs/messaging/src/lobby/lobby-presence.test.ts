import type { NodeId, UserId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LobbyPresence } from './lobby-presence.ts';

const USERS = ['ann', 'ben', 'cat'] as UserId[];
const NODES = ['n1', 'n2'] as NodeId[];
const user = fc.constantFrom(...USERS);
const node = fc.constantFrom(...NODES);

type Step =
  | { readonly s: 'joined'; readonly user: UserId }
  | { readonly s: 'left'; readonly user: UserId }
  | { readonly s: 'told'; readonly node: NodeId; readonly users: readonly UserId[] }
  | { readonly s: 'gone'; readonly node: NodeId; readonly user: UserId }
  | { readonly s: 'forget'; readonly node: NodeId };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ s: fc.constant('joined' as const), user }),
  fc.record({ s: fc.constant('left' as const), user }),
  fc.record({ s: fc.constant('told' as const), node, users: fc.subarray(USERS) }),
  fc.record({ s: fc.constant('gone' as const), node, user }),
  fc.record({ s: fc.constant('forget' as const), node }),
);

/** The same by its definition: who is a member, who is where, and since when nobody named them. */
class Model {
  readonly members = new Set<UserId>();
  readonly at = new Map<NodeId, Set<UserId>>();
  readonly since = new Map<UserId, number>();

  apply(one: Step, nowMs: number): void {
    if (one.s === 'joined') this.members.add(one.user);
    else if (one.s === 'left') {
      this.members.delete(one.user);
      for (const users of this.at.values()) users.delete(one.user);
    } else if (one.s === 'told') this.at.set(one.node, new Set(one.users.filter((each) => this.members.has(each))));
    else if (one.s === 'gone') this.at.get(one.node)?.delete(one.user);
    else this.at.delete(one.node);
    for (const each of USERS) {
      const isAway = this.members.has(each) && ![...this.at.values()].some((users) => users.has(each));
      if (!isAway) this.since.delete(each);
      else if (!this.since.has(each)) this.since.set(each, nowMs);
    }
  }
}

describe('who has a lobby open', () => {
  it('is what the nodes said last, and who is a member and named by none is away since then', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
        const presence = new LobbyPresence();
        const model = new Model();
        steps.forEach((one, nowMs) => {
          model.apply(one, nowMs);
          if (one.s === 'joined') presence.joined([one.user], nowMs);
          else if (one.s === 'left') presence.left([one.user]);
          else if (one.s === 'told')
            presence.told(
              one.node,
              one.users.filter((each) => model.members.has(each)),
              nowMs,
            );
          else if (one.s === 'gone') presence.gone(one.node, one.user, nowMs);
          else presence.forgetNode(one.node, nowMs);
          for (let untilMs = 0; untilMs <= nowMs; untilMs += 1) {
            const expected = [...model.since].filter(([, sinceMs]) => sinceMs <= untilMs).map(([each]) => each);
            expect([...presence.awaySince(untilMs)].sort()).toEqual(expected.sort());
          }
          expect(presence.someAreAway).toBe(model.since.size > 0);
        });
      }),
    );
  });

  it('does not rest on what a node said long ago', () => {
    const presence = new LobbyPresence();
    presence.joined(USERS, 0);
    presence.told('n1' as NodeId, USERS, 1);
    presence.told('n2' as NodeId, ['ann' as UserId], 50);
    presence.expire(40, 60);
    expect(presence.awaySince(60)).toEqual(['ben', 'cat']);
  });
});
