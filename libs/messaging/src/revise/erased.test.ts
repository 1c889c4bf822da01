import { err, ok, partitionId, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { frameError } from '@millrace/protocol';
import { conversationKey } from '@millrace/timeline';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { SomeRooms } from '../testing/some-rooms.ts';
import { noFieldRules } from '../indexing/field-rules.ts';
import { changeOf } from '../indexing/document-of.ts';
import { extractText, searchableOf } from '../search/searchable.ts';
import { exportPage } from '../transfer/export-page.ts';
import { current } from './current.ts';
import { editHistory } from './edit-history.ts';
import type { TargetFacts } from './revision.ts';
import { targetFacts } from './target-facts.ts';

const room = 'room' as ConversationId;
const b = 'b' as UserId;

function setUp() {
  const rooms = new SomeRooms();
  rooms.room('room');
  const reads = {
    timelines: rooms.timelines,
    records: {
      fields: (_partition: unknown, _actor: unknown, names: readonly string[]) => {
        const { fields } = rooms.room('room').beside;
        return Promise.resolve(
          new Map(names.flatMap((name) => (fields.has(name) ? [[name, fields.get(name) ?? new Uint8Array()]] : []))),
        );
      },
    },
  };
  const headAt = (seq: number) => ({ ...rooms.room('room').state.head.value, seq: sequenceId(seq) });
  const read = async (calls: ActorCalls, head: number | null) => {
    const entries = Promise.resolve([...(rooms.hot.get(conversationKey(room)) ?? [])]);
    const shown = await current(
      calls,
      reads,
      room,
      null,
      entries,
      head === null ? null : { head: headAt(head), intervals: [] },
    );
    return shown.map(({ message }) => message);
  };
  return { rooms, reads, read, headAt };
}

describe('what a user has sent who is erased', () => {
  it('is shown to nobody, though its bytes are there yet, and what came of it neither', async () => {
    const { rooms, reads, read } = setUp();
    for (const user of ['b', 'a', 'b']) rooms.do('room', rooms.room('room').sendOf(user));
    const facts = rooms.room('room').factsOf(2, 'b');
    if (facts === null) throw new Error('no such message');
    rooms.do('room', rooms.room('room').changeOf('b', { op: 'edit', body: 'said otherwise' }, facts));
    rooms.do('room', { t: 'eraseUser', user: b, pinned: [] });
    const { seq } = rooms.room('room').state.head.value;
    const shown = await read(rooms.calls, seq);
    expect(shown.map(({ from, body, erased }) => [from, erased ?? false, String(body).includes('said')])).toEqual([
      ['a', false, false],
      ['b', true, false],
      ['a', false, false],
      ['b', true, false],
      ['b', true, false],
      [null, false, false],
      [null, false, false],
    ]);
    expect(shown[1]).toMatchObject({ seq: 2, msgNo: 1, countable: true, body: '' });
    expect(shown[1]?.editedAt).toBeUndefined();
    expect(shown[2]?.body).toBe('a/1 1');
    // Who changes it is refused.
    const target = await targetFacts(rooms.calls, reads, room, null, sequenceId(2));
    expect(target).toMatchObject({ ok: false, error: { code: 'conflict' } });
  });

  it('is shown until the erasure is acknowledged: the conversation is asked where it stands (I1)', async () => {
    const { rooms, read, headAt } = setUp();
    rooms.do('room', rooms.room('room').sendOf('b'));
    rooms.do('room', { t: 'eraseUser', user: b, pinned: [] });
    let asked = 0;
    const standsAt = (seq: number): ActorCalls => ({
      ...rooms.calls,
      partitionOf: () => partitionId(0),
      conversation: () => {
        asked += 1;
        return Promise.resolve(ok({ head: headAt(seq), intervals: [] }) as never);
      },
    });
    expect((await read(standsAt(2), 2))[1]?.erased).toBeUndefined();
    expect((await read(standsAt(4), 2))[1]?.erased).toBe(true);
    expect(asked).toBe(2);
    const away: ActorCalls = {
      ...rooms.calls,
      conversation: () => Promise.resolve(err(frameError('unavailable', 'its owner is away')) as never),
    };
    await expect(read(away, 2)).rejects.toThrow('its owner is away');
  });

  it('is neither in what operators look up, nor exported, indexed or found', async () => {
    const { rooms, reads } = setUp();
    for (const user of ['b', 'a']) rooms.do('room', rooms.room('room').sendOf(user));
    const facts = rooms.room('room').factsOf(2, 'b');
    if (facts === null) throw new Error('no such message');
    rooms.do('room', rooms.room('room').changeOf('b', { op: 'edit', body: 'b/ otherwise' }, facts));
    const everything = async () => {
      const history = await editHistory(rooms.calls, reads, { conversation: room, seq: sequenceId(2), limit: 10 });
      const exported = await exportPage(rooms.calls, reads, { conversation: room, cursor: null, from: sequenceId(1) });
      const entries = Promise.resolve([...(rooms.hot.get(conversationKey(room)) ?? [])]);
      const shown = await current(rooms.calls, reads, room, null, entries, null);
      const changes = shown.map(({ message }) => changeOf(room, message, noFieldRules));
      const found = shown.map(({ message }) => searchableOf(message, extractText));
      return {
        history,
        told: JSON.stringify([history, exported, changes, found]),
        change: changes[1],
        found: found[1],
      };
    };
    const before = await everything();
    expect(before.told.split('b/').length - 1).toBeGreaterThan(4);
    expect(before.history).toMatchObject({ ok: true, value: { versions: [{ seq: 4 }, { seq: 2 }] } });
    rooms.do('room', { t: 'eraseUser', user: b, pinned: [] });
    const after = await everything();
    expect(after.told).not.toContain('b/');
    expect(after.told).toContain('a/1 1');
    expect(after.history).toMatchObject({
      ok: true,
      value: { erased: true, versions: [{ seq: 2, body: '' }], next: null },
    });
    expect([after.change, after.found]).toMatchObject([{ kind: 'remove', seq: 2 }, null]);
  });

  it('stays in the thread that it began, and in those in which it answered', async () => {
    const { rooms, read } = setUp();
    const talk = rooms.room('room');
    rooms.do('room', talk.sendOf('b'));
    rooms.do('room', talk.replyOf('a', 2));
    rooms.do('room', talk.replyOf('b', 3));
    rooms.do('room', { t: 'eraseUser', user: b, pinned: [] });
    const shown = await read(rooms.calls, null);
    expect(shown[1]).toMatchObject({ body: '', erased: true, replies: { count: 2, last: 4 } });
    expect(shown[3]).toMatchObject({ body: '', erased: true, replyTo: 3, thread: 2 });
  });

  it('of which reactions are taken away, also from under what is erased', async () => {
    const { rooms, reads } = setUp();
    rooms.do('room', rooms.room('room').sendOf('b'));
    const react = rooms.room('room').changeOf('b', { op: 'react', emoji: '🎻', isOn: true }, factsAt(rooms, 2));
    rooms.do('room', react);
    rooms.do('room', { t: 'eraseUser', user: b, pinned: [] });
    const facts = await targetFacts(rooms.calls, reads, room, null, sequenceId(2), undefined, b);
    if (!facts.ok) throw new Error(facts.error.message);
    expect(facts.value.emojis).toEqual(['🎻']);
    rooms.do('room', { t: 'unreact', user: b, facts: facts.value });
    const beside = [...rooms.room('room').beside.fields.values()].map((value) => new TextDecoder().decode(value));
    expect(beside.join('\n')).not.toContain('🎻');
  });
});

function factsAt(rooms: SomeRooms, seq: number): TargetFacts {
  const facts = rooms.room('room').factsOf(seq, 'b');
  if (facts === null) throw new Error('no such message');
  return facts;
}
