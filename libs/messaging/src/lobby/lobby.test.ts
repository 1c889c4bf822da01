import { generation, sequenceId, type ConversationId, type DeviceId, type NodeId, type UserId } from '@millrace/kernel';
import type { WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { Effect } from '../effects.ts';
import { defaultMessagingLimits } from '../limits.ts';
import { Lobby } from './lobby.ts';

const id = '~match' as ConversationId;
const [ann, ben, cat] = ['ann', 'ben', 'cat'] as [UserId, UserId, UserId];
const [here, there] = ['n1', 'n2'] as [NodeId, NodeId];
const gen = generation(9);
const GRACE_MS = 100;

class ALobby {
  nowMs = 1;
  readonly lobby: Lobby;
  readonly entries: WireEntry[] = [];
  readonly #counters = new Map<UserId, number>();

  constructor({ backlog = 5, membersMax = 10, bytes = 100_000, of = gen } = {}) {
    this.lobby = new Lobby({
      ...{ id, gen: of, facts: { backlog, membersMax }, backlogBytesMax: bytes, graceMs: GRACE_MS },
      ...{ messaging: defaultMessagingLimits, nowMs: 0 },
    });
  }

  ask(command: ConversationCommand) {
    const { reply, effects } = this.lobby.handle(command, 1_000 + this.nowMs, this.nowMs);
    this.take(effects);
    return reply;
  }

  take(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.e === 'appended') this.entries.push(...effect.entries);
  }

  create(joinPolicy: 'open' | 'invite' = 'open', members: UserId[] = []) {
    const options = { title: 'Match', members, joinPolicy, historyPolicy: 'all' } as const;
    return this.ask({ t: 'create', creator: ann, kind: 'lobby', ...options });
  }

  send(user: UserId, body = 'hi') {
    const n = (this.#counters.get(user) ?? 0) + 1;
    this.#counters.set(user, n);
    const by = { user, device: 'd' as DeviceId };
    return this.ask({ t: 'publish', by, send: { conversation: id, n, sentAt: n, type: 'text', body } });
  }

  page(user: UserId, from?: number, more: object = {}) {
    const position = from === undefined ? {} : { from: sequenceId(from) };
    const reply = this.ask({
      t: 'kept',
      user,
      query: { direction: 'forward', limit: 1_000, ...position, ...more },
    });
    return reply as unknown as { ok: true; value: { messages: WireEntry[]; first: number; head: { seq: number } } };
  }

  seqs(user: UserId, from?: number): number[] {
    return this.page(user, from).value.messages.map(({ seq }) => seq);
  }

  get controls(): string[] {
    return this.entries
      .filter(({ isControl }) => isControl)
      .map(({ message }) => {
        const { control, users, members } = JSON.parse(String(message.body)) as Record<string, string[] | string>;
        return `${String(control)} ${String(users ?? members ?? '')}`.trim();
      });
  }
}

describe('a lobby', () => {
  it('numbers from 1 on in its generation, acknowledges as volatile, and keeps nothing in anybody’s inbox', () => {
    const one = new ALobby();
    expect(one.create()).toMatchObject({ ok: true, value: { gen: 9, seq: 1, fresh: true } });
    expect(one.send(ann)).toMatchObject({ ok: true, value: { gen: 9, seq: 2, level: 'volatile', duplicate: false } });
    expect(one.ask({ t: 'join', user: ben })).toMatchObject({ ok: true, value: { seq: 3 } });
    expect(one.entries.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    const { effects } = one.lobby.handle({ t: 'join', user: cat }, 1, 1);
    expect(effects).toMatchObject([{ e: 'appended', mode: 'read', behind: 'read' }]);
  });

  it('gives who comes late what it keeps, dense up to the head, and says where that begins (I7)', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 8 }),
        fc.nat(30),
        fc.integer({ min: 1, max: 45 }),
        (backlog, sent, from) => {
          const one = new ALobby({ backlog });
          one.create();
          for (let time = 0; time < sent; time += 1) one.send(ann);
          one.ask({ t: 'join', user: ben });
          const head = sent + 2;
          const { messages, first, head: told } = one.page(ben, from).value;
          expect(told.seq).toBe(head);
          expect(first).toBe(Math.max(1, head - backlog + 1));
          const begin = Math.max(first, from);
          expect(messages.map(({ seq }) => seq)).toEqual(
            Array.from({ length: Math.max(0, head - begin + 1) }, (_, index) => begin + index),
          );
        },
      ),
    );
  });

  it('refuses a position of another activation as regressed', () => {
    const one = new ALobby();
    one.create();
    one.send(ann);
    expect(
      one.ask({ t: 'kept', user: ann, query: { direction: 'forward', from: sequenceId(2), gen: generation(8) } }),
    ).toMatchObject({ ok: false, error: { code: 'regressed', from: 0 } });
  });

  it('lets in whom its policy lets in, or who was invited, as many as there may be, and nobody who is banned', () => {
    const one = new ALobby({ membersMax: 2 });
    one.create('invite');
    expect(one.ask({ t: 'join', user: ben })).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    expect(one.ask({ t: 'invite', by: ben, users: [ben] })).toMatchObject({ ok: false, error: { code: 'not_member' } });
    expect(one.ask({ t: 'invite', by: ann, users: [ben, cat] })).toMatchObject({ ok: true, value: { seq: 1 } });
    expect(one.ask({ t: 'join', user: ben })).toMatchObject({ ok: true });
    expect(one.ask({ t: 'join', user: cat })).toMatchObject({ ok: false, error: { code: 'limit_reached' } });
    one.ask({ t: 'ban', by: ann, users: [ben] });
    expect(one.ask({ t: 'join', user: ben })).toMatchObject({ ok: false, error: { code: 'banned' } });
    expect(one.controls).toEqual(['created ann', 'joined ben', 'kicked ben', 'banned ben']);
  });

  it('refuses what it does not keep, and says what to do', () => {
    const one = new ALobby();
    one.create();
    for (const command of [
      { t: 'delivered', user: ann, seq: sequenceId(1) },
      { t: 'readPlan', user: ann, seq: sequenceId(1) },
      { t: 'readers', by: ann, seq: sequenceId(1), author: null, list: null, after: null, limit: 1 },
    ] as const) {
      expect(one.ask(command)).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    }
  });

  it('lets who is away leave by an entry when the grace time is over, and not before; a return within it changes nothing', () => {
    const one = new ALobby();
    one.create();
    one.ask({ t: 'join', user: ben });
    one.lobby.registered(here, { present: [ann, ben], told: null }, 1, 1);
    expect(one.lobby.isWaning).toBe(false);
    one.lobby.presence.gone(here, ben, 10);
    one.take(one.lobby.passed(1, 10 + GRACE_MS - 1));
    expect(one.lobby.memberCount).toBe(2);
    one.lobby.registered(there, { present: [ben], told: null }, 1, 100);
    one.take(one.lobby.passed(1, 1_000));
    expect(one.lobby.memberCount).toBe(2);
    one.lobby.presence.forgetNode(there, 1_000);
    one.take(one.lobby.passed(1, 1_000 + GRACE_MS));
    expect(one.controls).toEqual(['created ann', 'joined ben', 'left ben']);
    expect(one.lobby.emptySinceMs).toBeNull();
    one.lobby.presence.forgetNode(here, 2_000);
    one.take(one.lobby.passed(1, 2_000 + GRACE_MS));
    expect(one.lobby.emptySinceMs).toBe(2_000 + GRACE_MS);
  });

  it('remembers nothing of who has left, but a mute that goes on', () => {
    const one = new ALobby();
    one.create();
    for (let time = 0; time < 200; time += 1) {
      one.ask({ t: 'join', user: ben });
      expect(one.ask({ t: 'leave', user: ben })).toMatchObject({ ok: true });
    }
    expect(one.ask({ t: 'leave', user: ben })).toMatchObject({ ok: false, error: { code: 'not_member' } });
    expect(one.page(ben)).toMatchObject({ ok: false, error: { code: 'not_member' } });
    one.ask({ t: 'join', user: ben });
    one.ask({ t: 'mute', by: ann, users: [ben], until: null });
    one.ask({ t: 'leave', user: ben });
    one.ask({ t: 'join', user: ben });
    expect(one.send(ben)).toMatchObject({ ok: false, error: { code: 'muted' } });
  });

  it('begins anew with those of its members that are still there, with their roles, from seq 1 on', () => {
    const one = new ALobby();
    one.create();
    one.ask({ t: 'join', user: ben });
    one.ask({ t: 'role', by: ann, user: ben, role: 'admin' });
    const told = one.lobby.watchState([ann, ben])?.lobby;
    if (told === undefined) throw new Error('a lobby tells what it is');
    const next = new ALobby({ of: generation(20) });
    next.take(next.lobby.registered(here, { present: [ben], told }, 1, 1));
    next.take(next.lobby.registered(there, { present: [ann, cat], told }, 1, 1));
    expect(next.controls).toEqual(['created ben', 'role', 'joined ann,cat']);
    expect(next.entries.map(({ gen: of, seq }) => `${String(of)}-${String(seq)}`)).toEqual(['20-1', '20-2', '20-3']);
    expect(next.ask({ t: 'members', by: ann, after: null, limit: 10 })).toMatchObject({
      value: {
        members: [
          { user: ann, role: 'owner' },
          { user: ben, role: 'owner' },
          { user: cat, role: 'member' },
        ],
      },
    });
    // Told once more, by a node that has not heard of the new one: who has left meanwhile does not come back.
    next.ask({ t: 'kick', by: ann, users: [cat] });
    next.take(next.lobby.registered(there, { present: [ann], told: { ...told, gen: generation(20) } }, 1, 1));
    expect(next.lobby.memberCount).toBe(2);
  });

  it('ends with an entry for all', () => {
    const one = new ALobby();
    one.create();
    one.ask({ t: 'join', user: ben });
    expect(one.lobby.endRefusal(ben)).toMatchObject({ code: 'forbidden' });
    expect(one.lobby.endRefusal(cat)).toMatchObject({ code: 'not_member' });
    expect(one.lobby.endRefusal(ann)).toBeNull();
    const effects = one.lobby.dissolve(ann, 1, 1);
    expect(effects).toMatchObject([{ changes: { change: 'left', users: new Set([ann, ben]) } }]);
    expect(one.lobby.exists).toBe(false);
  });
});
