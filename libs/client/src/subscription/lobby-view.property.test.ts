import { generation, sequenceId, type UserId } from '@millrace/kernel';
import type { Live, Message } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LobbyView, type LobbyStep } from './lobby-view.ts';

const me = 'ann' as UserId;

function message(gen: number, seq: number, control?: object): Message {
  return {
    ...{ gen: generation(gen), seq: sequenceId(seq), msgNo: seq, countable: true, from: me, deviceTag: 1, n: seq },
    ...{ sentAt: 0, at: 0, type: control === undefined ? 'text' : 'control' },
    body: control === undefined ? 'hi' : JSON.stringify(control),
  };
}

/** A lobby as its owner has it: one activation after the other, each with its last entries. */
class ModelLobby {
  gen = 5;
  head = 1;
  readonly backlog: number;

  constructor(backlog: number) {
    this.backlog = backlog;
  }

  get first(): number {
    return Math.max(1, this.head - this.backlog + 1);
  }

  live(from: number): Live {
    const messages = Array.from({ length: this.head - from }, (_, index) => message(this.gen, from + 1 + index));
    const position = { gen: generation(this.gen), prev: sequenceId(from), seq: sequenceId(this.head) };
    return { t: 'live', conversation: '~x' as never, ...position, messages };
  }

  /** One answer to `history`, as the view asks it. @returns null for `regressed`. */
  page(gen: number, from: number, limit: number) {
    if (gen !== 0 && gen !== this.gen) return null;
    const start = Math.max(this.first, from);
    const end = Math.min(this.head, start + limit - 1);
    const messages = Array.from({ length: Math.max(0, end - start + 1) }, (_, at) => message(this.gen, start + at));
    const head = { gen: generation(this.gen), seq: sequenceId(this.head) };
    return { messages, first: sequenceId(this.first), head, hasMore: end < this.head && messages.length > 0 };
  }
}

/** Holds what a view tells against (G1) and (G2). */
class Heard {
  gen = 0;
  seq = 0;
  isFirst = true;

  take(steps: readonly LobbyStep[]): void {
    for (const step of steps) {
      if (step.do === 'restarted') {
        expect(step.gen).toBeGreaterThan(this.gen);
        [this.gen, this.seq] = [step.gen, 0];
        // What its beginning lacks is told by no gap: nothing of it was here.
        this.isFirst = true;
      } else if (step.do === 'gap') {
        expect([step.gen, step.after]).toEqual([this.gen, this.seq]);
        this.seq = step.to;
      } else if (step.do === 'deliver') {
        const { gen, seq } = step.message;
        if (this.gen === 0) this.gen = gen;
        if (this.isFirst) this.seq = seq - 1;
        this.isFirst = false;
        expect([gen, seq]).toEqual([this.gen, this.seq + 1]);
        this.seq = seq;
      }
    }
  }
}

const act = fc.oneof(
  { weight: 4, arbitrary: fc.record({ a: fc.constant('say' as const), count: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 4, arbitrary: fc.record({ a: fc.constant('live' as const), back: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ a: fc.constant('fill' as const), limit: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ a: fc.constant('head' as const) }) },
  { weight: 1, arbitrary: fc.record({ a: fc.constant('doubt' as const) }) },
  { weight: 1, arbitrary: fc.record({ a: fc.constant('restart' as const) }) },
  { weight: 1, arbitrary: fc.record({ a: fc.constant('late' as const), back: fc.nat(3) }) },
);

describe('what a device has of a lobby', () => {
  it('comes once and in order, with every gap told, whatever is lost, late or told twice, and is complete in the end', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(act, { maxLength: 60, size: 'max' }), (backlog, acts) => {
        const lobby = new ModelLobby(backlog);
        const view = new LobbyView(() => me);
        const heard = new Heard();
        let last: Live = lobby.live(0);
        const fill = (limit: number): void => {
          const page = lobby.page(view.gen, view.seq + 1, limit);
          if (page === null) view.regressed();
          else heard.take(view.page(page));
        };
        for (const one of acts) {
          if (one.a === 'say') lobby.head += one.count;
          else if (one.a === 'live') {
            last = lobby.live(Math.max(0, lobby.head - 1 - one.back));
            heard.take(view.live(last));
          } else if (one.a === 'late') heard.take(view.live(last));
          else if (one.a === 'fill' && view.isBehind) fill(one.limit);
          else if (one.a === 'head') view.head(generation(lobby.gen), sequenceId(lobby.head));
          else if (one.a === 'doubt') view.doubt();
          else if (one.a === 'restart') [lobby.gen, lobby.head] = [lobby.gen + 1, 1];
        }
        view.head(generation(lobby.gen), sequenceId(lobby.head));
        for (let tries = 0; view.isBehind && tries < 100; tries += 1) fill(5);
        expect([view.isBehind, view.gen, view.seq]).toEqual([false, lobby.gen, lobby.head]);
        expect([heard.gen, heard.seq]).toEqual([lobby.gen, lobby.head]);
      }),
      { numRuns: 1_000 },
    );
  });

  it('ends where it becomes a group, whose positions are the same', () => {
    const view = new LobbyView(() => me);
    view.page({
      messages: [message(7, 1), message(7, 2)],
      head: { gen: generation(7), seq: sequenceId(2) },
      hasMore: false,
    });
    view.doubt();
    const promoted = { control: 'promoted', kind: 'group', title: '', gen: 7, first: 1 };
    const steps = view.page({
      messages: [message(1, 3), message(1, 4, promoted), message(1, 5)],
      head: { gen: generation(1), seq: sequenceId(5) },
      hasMore: false,
    });
    expect(steps.map((step) => step.do)).toEqual(['deliver', 'promoted']);
  });

  it('ends when this user is removed, or all are', () => {
    for (const control of [{ control: 'kicked', users: ['ben', me] }, { control: 'dissolved' }]) {
      const view = new LobbyView(() => me);
      view.page({ messages: [message(7, 1)], head: { gen: generation(7), seq: sequenceId(1) }, hasMore: false });
      const entries = [message(7, 2, { control: 'kicked', users: ['ben'] }), message(7, 3, control)];
      const live: Live = {
        ...{ t: 'live', conversation: '~x' as never, gen: generation(7), prev: sequenceId(1), seq: sequenceId(3) },
        messages: entries,
      };
      expect(view.live(live).map((step) => step.do)).toEqual(['deliver', 'deliver', 'ended']);
    }
  });
});
