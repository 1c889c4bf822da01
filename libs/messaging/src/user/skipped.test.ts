import { generation, sequenceId, type ConversationId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import type { GenerationSpan } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import { AUser, messageOf } from '../testing/a-user.ts';
import type { Delivery } from './commands.ts';

const x = 'x' as ConversationId;
type Messages = Extract<Delivery, { d: 'messages' }>;

const span = (gen: number, first: number, last: number): GenerationSpan => ({
  gen: generation(gen),
  first: sequenceId(first),
  last: sequenceId(last),
});

const entry = (seq: number, more: Partial<Messages> = {}): Delivery => {
  const delivery = messageOf('x', seq, seq, 'other', true);
  return delivery.d === 'messages' ? { ...delivery, ...more } : delivery;
};

/** It has joined by 1, has 2, and 3, which switched to being pulled. */
function aPuller(): AUser {
  const user = new AUser();
  for (const each of [entry(1), entry(2), entry(3, { behind: 'read' })]) user.deliver([each]);
  user.store();
  return user;
}

/** The entry that ends a segment from 3 on, for one whose inbox stands at `after`. */
const ending = (seq: number, after: number, more: Partial<Messages> = {}): Delivery =>
  entry(seq, { skipped: { spans: [span(1, 3, seq - 1)], after: sequenceId(after), sent: 4 }, ...more });

const summaryOf = (user: AUser) => {
  const { reply } = user.actor.handle({ t: 'summaries', slots: [1] }, user.nowMs);
  if (!reply.ok) throw new Error(reply.error.message);
  return (reply.value as { readonly summaries: ReadonlyMap<number, object> }).summaries.get(1);
};

it('what a node of a former version delivers, which says nothing of holes or generations, is taken', () => {
  const former = (delivery: Delivery): Delivery => {
    const { behind: _behind, skipped: _skipped, sent: _sent, ...said } = delivery as Delivery & Record<string, unknown>;
    const { gen, ...rest } = said as { readonly gen?: unknown };
    return (delivery.d === 'read' ? rest : { ...rest, gen }) as unknown as Delivery;
  };
  const user = new AUser();
  for (const seq of [1, 2, 3]) user.deliver([former(entry(seq))]);
  const reading = { gen: generation(1), readSeq: sequenceId(2), readMsgNo: 2, sentAtRead: 0, sent: null };
  user.deliver([former({ d: 'read', conversation: x, ...reading })]);
  user.store();
  expect(user.inbox.map(({ kind }) => kind)).not.toContain('break');
  expect(user.reloaded().progress.get(1)).toMatchObject({ seq: 3, behind: 'write', readSeq: 2 });
});

describe('a hole in what comes into an inbox', () => {
  it('that is announced is pointed at as a whole, with the entry behind it', () => {
    const user = aPuller();
    expect(user.state.inbox.value.switched).toBe(3);
    const [effect] = user.deliver([ending(900, 3)]);
    user.store();
    expect(user.inbox.at(-2)).toMatchObject({ kind: 'messages', from: 3, to: 3, behind: 'read' });
    expect(user.inbox.at(-1)).toMatchObject({ kind: 'messages', from: 4, to: 900, behind: 'write' });
    expect(effect).toMatchObject({ e: 'inbox', push: { from: 4, to: 4, items: [{ messages: [{ seq: 900 }] }] } });
    expect(user.state.inbox.value.switched).toBe(4);
    // How many of it were its own, only the conversation can tell.
    expect(user.state.progress.get(1)).toMatchObject({ seq: 900, sent: 4, sentFrom: 0, behind: 'write' });
    expect(summaryOf(user)).toMatchObject({ diffusion: 'write', seq: 900 });
    // What comes next goes on as ever.
    user.deliver([entry(901)]);
    expect(user.state.inbox.value.oldest).toBe(1);
  });

  it('that is announced comes once, however often it is delivered', () => {
    const user = aPuller();
    user.deliver([ending(900, 3)]);
    user.store();
    const { length } = user.inbox;
    expect(user.deliver([ending(900, 3)])).toEqual([]);
    expect(user.inbox).toHaveLength(length);
  });

  it.each([
    ['for an inbox that stands further on', [ending(900, 20)]],
    ['for one that stood before', [ending(900, 2)]],
    ['of another generation', [entry(900, { skipped: { spans: [span(2, 3, 899)], after: sequenceId(3), sent: 0 } })]],
    ['not at all', [entry(900)]],
    ['but for something that came between', [entry(4), ending(900, 3)]],
  ] as const)('that is announced %s breaks it (I6)', (_how, deliveries) => {
    const user = aPuller();
    const effects = user.deliver(deliveries);
    user.store();
    expect(effects[0]).toEqual({ e: 'broken', user: user.state.id });
    expect(user.inbox.map(({ kind }) => kind)).toContain('break');
  });

  it('over a generation that its conversation has begun meanwhile is pointed at in two', () => {
    const user = aPuller();
    const spans = [span(1, 3, 50), span(2, 51, 899)];
    const gen = generation(2);
    const last = messageOf('x', 900, 900, 'other', true);
    const entries = last.d === 'messages' ? last.entries.map(({ seq, data }) => new WireEntry(gen, seq, data)) : [];
    user.deliver([entry(900, { gen, entries, skipped: { spans, after: sequenceId(3), sent: 0 } })]);
    user.store();
    expect(user.inbox.slice(-2)).toMatchObject([
      { gen: 1, from: 4, to: 50, behind: 'read' },
      { from: 51, to: 900 },
    ]);
    expect(user.inbox.map(({ kind }) => kind)).not.toContain('break');
  });

  it('of one who leaves ends there, and who comes back pulls from their return on', () => {
    const user = aPuller();
    user.deliver([ending(40, 3, { change: 'left', behind: 'read' })]);
    expect(user.state.progress.get(1)).toMatchObject({ seq: 40, member: false, behind: 'write' });
    user.deliver([entry(70, { change: 'joined', behind: 'read' })]);
    user.store();
    expect(user.inbox.at(-1)).toMatchObject({ from: 70, to: 70, behind: 'read' });
    expect(user.state.progress.get(1)).toMatchObject({ seq: 70, member: true, behind: 'read' });
    expect(user.inbox.map(({ kind }) => kind)).not.toContain('break');
    expect(user.reloaded().progress.get(1)).toEqual(user.state.progress.get(1));
    expect(user.reloaded().inbox.value).toEqual(user.state.inbox.value);
  });

  it('does not make a read position wrong that comes while it is pulled', () => {
    const user = aPuller();
    const read = { gen: generation(1), readSeq: sequenceId(30), readMsgNo: 28, sentAtRead: 5 };
    const [effect] = user.deliver([{ d: 'read', conversation: x, ...read, sent: 7 }]);
    expect(effect).toMatchObject({ push: { items: [{ read: { readSeq: 30, readMsgNo: 28, own: 2 } }] } });
    expect(user.state.inbox.value.oldest).toBe(1);
  });
});
