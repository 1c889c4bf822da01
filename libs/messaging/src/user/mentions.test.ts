import { isDiffused } from '@millrace/diffusion';
import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import { decodeEntry, mentionsUser } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDiffusion } from '../diffuse/plan.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { AUser } from '../testing/a-user.ts';
import { step, users } from '../testing/conversation-commands.ts';
import { StoredRecord, tellUser } from '../testing/stored-record.ts';
import type { Delivery } from './commands.ts';
import { headFor } from '../conversation/queries.ts';
import { summaryNow } from '../sync/listing.ts';

const ann = 'a' as UserId;
const slot = 1;

const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('step' as const), step }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('deliver' as const),
      count: fc.integer({ min: 1, max: 4 }),
      times: fc.constantFrom(1, 1, 2),
    }),
  },
);

/** What ann has not read and mentions her, counted in the Timeline. */
function counted(talk: AConversation): readonly SequenceId[] {
  const member = talk.state.members.get(ann);
  if (member === undefined) return [];
  return talk.stored.entries.flatMap((data, index) => {
    const seq = sequenceId(index + 1);
    const message = { gen: talk.state.gen, seq, ...decodeEntry(data) };
    const isReceived = member.intervals.some(({ joined, to }) => seq >= joined && (to === null || seq <= to));
    return isReceived && seq > member.readSeq && mentionsUser(message, ann) ? [seq] : [];
  });
}

/** Commands that say where a read position stands: the actor is not asked to read what is not there. */
const isSound = (talk: AConversation, command: ReturnType<AConversation['commandOf']>): boolean =>
  command.t !== 'markRead' || command.seq <= talk.state.head.value.seq;

describe('mentions', () => {
  it('are counted the same by list, conversation and a recount, whichever way they came and how often (I6, I7)', () => {
    const policy = fc.constantFrom('admins' as const, 'members' as const);
    fc.assert(
      fc.property(
        fc.array(action, { maxLength: 80, size: 'max' }),
        policy,
        fc.constantFrom(2, 3),
        (actions, mentionAllBy, above) => {
          const talk = new AConversation('g', { readAbove: above, writeBelow: 2, intervalsMax: 64 });
          const user = new AUser({}, new StoredRecord(), 1, ann);
          const waiting: Delivery[] = [];
          const take = (effects: Parameters<typeof planDiffusion>[0]): void => {
            for (const { delivery, users: of } of planDiffusion(effects)) if (of.includes(ann)) waiting.push(delivery);
          };
          const deliver = (count: number, times: number): void => {
            const batch = waiting.splice(0, count);
            for (let time = 0; time < times; time += 1) {
              user.deliver(batch);
              user.store();
              expect(tellUser(user.reloaded())).toEqual(tellUser(user.state));
            }
          };
          const members = users.slice(1) as unknown as UserId[];
          take(
            talk.do({
              ...{ t: 'create', creator: ann, kind: 'group', title: '', members },
              ...{ joinPolicy: 'open', historyPolicy: 'join' },
            }).effects,
          );
          take(talk.do({ t: 'settings', by: null, change: { mentionAllBy } }).effects);
          for (const each of actions) {
            if (each.do === 'deliver') deliver(each.count, each.times);
            else {
              const command = talk.commandOf(each.step);
              if (isSound(talk, command)) take(talk.do(command).effects);
            }
          }
          deliver(waiting.length, 2);
          expect(user.inbox.filter(({ kind }) => kind === 'break')).toEqual([]);
          const expected = counted(talk);
          const head = headFor(talk.state, { user: ann });
          expect(head?.mentions).toEqual(expected);
          const answered = user.actor.handle({ t: 'summaries', slots: [slot] }, user.nowMs).reply;
          const listed =
            answered.ok && answered.value !== null && 'summaries' in answered.value ? answered.value : null;
          const summary = listed?.summaries.get(slot);
          expect(summary).toBeDefined();
          if (summary === undefined || head === null) return;
          // What is gone is no mention any more; which that is, is counted by the test of what was changed.
          const shown = expected.filter((seq) => head.gone?.seqs.includes(seq) !== true);
          expect(summaryNow(summary, head).mentions ?? []).toEqual(shown);
          if (summary.diffusion === 'write') expect(summary.mentions ?? []).toEqual(shown);
          hintsAre(talk, user);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** One for each message of a read segment that names ann while she is in, and for what is said about her there. */
function hintsAre(talk: AConversation, user: AUser): void {
  const intervals = talk.state.members.get(ann)?.intervals ?? [];
  const expected = talk.stored.entries.flatMap((data, index) => {
    const seq = index + 1;
    const entry = decodeEntry(data);
    const isIn = intervals.some(({ joined, to }) => seq > joined && (to === null || seq < to));
    if (!isIn || isDiffused(talk.state.segments.value, sequenceId(seq))) return [];
    if (entry.type !== 'control') {
      return entry.from !== ann && entry.mentions?.includes(ann) === true ? [`mention ${String(seq)}`] : [];
    }
    const control = JSON.parse(String(entry.body)) as { readonly control: string; readonly user?: string };
    return control.control === 'role' && control.user === ann ? [`control ${String(seq)}`] : [];
  });
  const told = user.inbox.flatMap((entry) => (entry.kind === 'hint' ? [`${entry.why} ${String(entry.seq)}`] : []));
  expect(told).toEqual(expected);
}

describe('a message that mentions', () => {
  const talk = (): AConversation => new AConversation('g').created(['a', 'b', 'c']);
  const send = (group: AConversation, from: string, mentions: Parameters<AConversation['sendOf']>[4]) =>
    group.do(group.sendOf(from, 1, '1', false, mentions));

  it('one who is no member is refused, and nothing is stored', () => {
    const group = talk();
    const { reply } = send(group, 'a', { mentions: ['b', 'stranger'] as UserId[] });
    expect(reply).toMatchObject({ ok: false, error: { code: 'not_mentionable', retry: 'never' } });
    expect(group.stored.entries).toHaveLength(1);
  });

  it('all is refused to a mere member unless the group lets members', () => {
    const group = talk();
    expect(send(group, 'b', { mentionAll: true }).reply).toMatchObject({ ok: false, error: { code: 'forbidden' } });
    expect(send(group, 'a', { mentionAll: true }).reply.ok).toBe(true);
    group.do({ t: 'settings', by: ann, change: { mentionAllBy: 'members' } });
    expect(send(group, 'b', { mentionAll: true }).reply.ok).toBe(true);
  });

  it('somebody twice mentions them once, and is told to nobody of a small group beside the message', () => {
    const group = talk();
    const handled = send(group, 'a', { mentions: ['b', 'b'] as UserId[] });
    expect(decodeEntry(group.stored.entries.at(-1) ?? new Uint8Array())).toMatchObject({ mentions: ['b'] });
    expect(planDiffusion(handled.effects).map(({ delivery }) => delivery.d)).toEqual(['messages']);
  });

  it('hints at itself to those it names where it is pulled, and costs nobody else anything', () => {
    const crowd = Array.from({ length: 300 }, (_, index) => `u${String(index)}`);
    const group = new AConversation('g').created(crowd);
    const handled = send(group, 'u0', { mentions: ['u0', 'u7', 'u9'] as UserId[] });
    expect(planDiffusion(handled.effects)).toMatchObject([
      { delivery: { d: 'hint', why: 'mention' }, users: ['u7', 'u9'] },
    ]);
    expect(planDiffusion(send(group, 'u0', { mentionAll: true }).effects)).toEqual([]);
  });

  it('all while it is pulled is in the list of everybody when it is pulled no more', () => {
    const group = new AConversation('g', { readAbove: 2, writeBelow: 3 });
    const bob = new AUser({}, new StoredRecord(), 1, 'b' as UserId);
    const take = ({ effects }: ReturnType<AConversation['do']>): void => {
      for (const { delivery, users: of } of planDiffusion(effects)) if (of.includes(bob.id)) bob.deliver([delivery]);
      bob.store();
    };
    const members = ['b', 'c'] as UserId[];
    take(
      group.do({
        ...{ t: 'create', creator: ann, kind: 'group', title: '', members },
        ...{ joinPolicy: 'open', historyPolicy: 'join' },
      }),
    );
    take(send(group, 'a', { mentionAll: true }));
    expect(bob.state.concern(slot).mentions).toEqual([]);
    expect(headFor(group.state, { user: bob.id })?.mentions).toEqual([3]);
    take(group.do({ t: 'leave', user: 'c' as UserId }));
    expect(bob.state.concern(slot).mentions).toEqual([3]);
  });

  it('more than a hundred times is told of the latest hundred', () => {
    const group = talk();
    for (let count = 0; count < 120; count += 1) send(group, 'a', { mentions: ['b'] as UserId[] });
    const mentions = headFor(group.state, { user: 'b' as UserId })?.mentions ?? [];
    expect([mentions.length, mentions[0], mentions.at(-1)]).toEqual([100, 22, 121]);
  });
});
