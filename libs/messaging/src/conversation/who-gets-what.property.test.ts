import {
  isDiffused,
  isReceived,
  lastReceived,
  lastVisible,
  modeBehind,
  modeNow,
  pullEnd,
  receivedRanges,
  sees,
  visibleRanges,
  type SeqRange,
} from '@millrace/diffusion';
import { sequenceId, type SequenceId, type UserId } from '@millrace/kernel';
import type { HistoryPolicy } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planDiffusion } from '../diffuse/plan.ts';
import type { Appended } from '../effects.ts';
import type { MessagingLimits } from '../limits.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { lines, recalledFrom } from '../testing/recalled-from.ts';
import { toldByEntries, type Told, type ToldByEntries, type Way } from '../testing/told-by-entries.ts';

const people = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => name as UserId);
const person = fc.constantFrom(...people);
const some = fc.uniqueArray(person, { minLength: 1, maxLength: 4 });
const policy = fc.constantFrom<HistoryPolicy[]>('join', 'all');

type Act =
  | { readonly do: 'send'; readonly user: UserId; readonly afterMs: number }
  | { readonly do: 'join' | 'leave'; readonly user: UserId }
  | { readonly do: 'invite' | 'kick' | 'ban' | 'unban'; readonly users: readonly UserId[] }
  | { readonly do: 'policy'; readonly historyPolicy: HistoryPolicy }
  | { readonly do: 'reload' };

const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    // In bursts, and with rests in between: load alone makes it switch, too.
    arbitrary: fc.record({ do: fc.constant('send' as const), user: person, afterMs: fc.constantFrom(1, 1, 5, 400) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('join' as const, 'leave' as const), user: person }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('invite' as const, 'kick' as const), users: some }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('ban' as const, 'unban' as const), users: some }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('policy' as const), historyPolicy: policy }) },
  { weight: 1, arbitrary: fc.constant<Act>({ do: 'reload' }) },
);

type Bounds = Pick<MessagingLimits, 'readAbove' | 'writeBelow' | 'readAboveLoad' | 'writeBelowLoad'>;
const limits = fc.constantFrom<Bounds[]>(
  { readAbove: 3, writeBelow: 2, readAboveLoad: 1e9, writeBelowLoad: 1e9 },
  { readAbove: 4, writeBelow: 3, readAboveLoad: 1e9, writeBelowLoad: 1e9 },
  { readAbove: 4, writeBelow: 3, readAboveLoad: 15, writeBelowLoad: 8 },
  { readAbove: 1_000, writeBelow: 900, readAboveLoad: 12, writeBelowLoad: 5 },
);

/** A conversation as it is lived, with every effect of its entries, and what its stored entries tell. */
class Life {
  readonly talk: AConversation;
  readonly effects: Appended[] = [];
  readonly #policy: HistoryPolicy;

  constructor(given: Bounds, opens: HistoryPolicy) {
    this.talk = new AConversation('g', { ...given, loadWindowMs: 1_000, intervalsMax: 64 });
    this.#policy = opens;
    const create = { t: 'create', creator: 'a' as UserId, kind: 'group', title: '', members: ['b', 'c'] as UserId[] };
    this.#do({ ...create, joinPolicy: 'open', historyPolicy: opens } as Parameters<AConversation['do']>[0]);
  }

  act(one: Act): void {
    const { talk } = this;
    if (one.do === 'send') {
      talk.nowMs += one.afterMs;
      this.#do(talk.sendOf(one.user));
    } else if ('user' in one) this.#do({ t: one.do, user: one.user });
    else if (one.do === 'policy') this.#do({ t: 'settings', by: null, change: { historyPolicy: one.historyPolicy } });
    else if (one.do === 'reload') talk.become(talk.reloaded());
    else this.#do({ t: one.do, by: null, users: one.users });
  }

  get head(): SequenceId {
    return this.talk.state.head.value.seq;
  }

  get segments() {
    return this.talk.state.segments.value;
  }

  intervalsOf(user: UserId) {
    return this.talk.state.members.get(user)?.intervals ?? [];
  }

  get told(): ToldByEntries {
    return toldByEntries(this.talk.stored.entries, this.#policy);
  }

  #do(command: Parameters<AConversation['do']>[0]): void {
    for (const effect of this.talk.do(command).effects) if (effect.e === 'appended') this.effects.push(effect);
  }
}

const life = fc
  .tuple(limits, policy, fc.array(act, { minLength: 5, maxLength: 80, size: 'max' }))
  .map(([given, opens, acts]): Life => {
    const one = new Life(given, opens);
    for (const each of acts) one.act(each);
    return one;
  });

const expand = (ranges: readonly SeqRange[]): readonly number[] =>
  ranges.flatMap(({ from, to }) => Array.from({ length: to - from + 1 }, (_, index) => from + index));
const whole = ({ head }: Life): SeqRange => ({ from: sequenceId(1), to: head });
const of = (entries: readonly Told[], user: string, way?: Way): readonly number[] =>
  entries.filter(({ ways }) => ways.has(user) && (way === undefined || ways.get(user) === way)).map(({ seq }) => seq);
const isSwitch = ({ control }: Told): boolean => control?.control === 'diffusion';

const RUNS = { numRuns: 100 };

describe('whoever comes and goes, and whatever a conversation switches to', { timeout: 120_000 }, () => {
  it('a member receives and sees exactly what the entries say, seq by seq and in ranges (I7)', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { entries, stays } = one.told;
        for (const user of people) {
          const intervals = one.intervalsOf(user);
          const received = of(entries, user);
          const isShown = (seq: number): boolean =>
            (stays.get(user) ?? []).some(({ from, to }) => seq >= from && seq <= (to ?? one.head));
          const shown = entries.map(({ seq }) => seq).filter(isShown);
          expect(expand(receivedRanges(intervals, whole(one)))).toEqual(received);
          expect(expand(visibleRanges(intervals, whole(one)))).toEqual(shown);
          expect(entries.filter(({ seq }) => sees(intervals, sequenceId(seq))).map(({ seq }) => seq)).toEqual(shown);
          expect(lastVisible(intervals, one.head)).toBe(received.at(-1) ?? 0);
        }
      }),
      RUNS,
    );
  });

  it('its mode at any seq is what the switches up to there come to, and the segments share the Timeline out', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { entries } = one.told;
        for (const { seq, mode } of entries) {
          expect(modeBehind(one.segments, sequenceId(seq))).toBe(mode);
          const before = entries[seq - 2]?.mode ?? 'write';
          const isBegun = entries[seq - 1]?.control?.control === 'diffusion';
          expect(isDiffused(one.segments, sequenceId(seq))).toBe(before === 'write' || isBegun);
        }
        expect(modeNow(one.segments)).toBe(entries.at(-1)?.mode ?? 'write');
        // Each begins and ends with a switch, in turn, and no switch is left over.
        const bounds = one.segments.flatMap(({ from, to }) => (to === null ? [from] : [from, to]));
        expect(bounds).toEqual(entries.filter(isSwitch).map(({ seq }) => seq));
        expect([...bounds].sort((left, right) => left - right)).toEqual(bounds);
        const within = expand(one.segments.map(({ from, to }) => ({ from, to: sequenceId((to ?? one.head + 1) - 1) })));
        expect(within).toEqual(entries.filter(({ mode }) => mode === 'read').map(({ seq }) => seq));
      }),
      RUNS,
    );
  });

  it('each entry reaches each member by exactly one way: told at once, found out after a crash, or pulled (I6, I7)', async () => {
    await fc.assert(
      fc.asyncProperty(life, async (one) => {
        const { entries } = one.told;
        const planned = planDiffusion(one.effects);
        for (const user of people) {
          const intervals = one.intervalsOf(user);
          const [inbox, pulled] = [of(entries, user, 'inbox'), of(entries, user, 'pull')];
          const told: number[] = [];
          for (const { delivery, users } of planned) {
            if (delivery.d !== 'messages' || !users.includes(user)) continue;
            // Where the inbox must stand that goes on across what was in none: at the last that it was told before.
            if (delivery.skipped !== null) expect(delivery.skipped.after).toBe(told.at(-1));
            told.push(...delivery.entries.map(({ seq }) => seq));
          }
          expect(told).toEqual(inbox);
          const seqs = entries.map(({ seq }) => sequenceId(seq));
          expect(seqs.filter((seq) => isReceived(intervals, one.segments, seq))).toEqual(inbox);
          for (const seq of seqs) {
            expect(lastReceived(intervals, one.segments, seq)).toBe(inbox.findLast((each) => each <= seq) ?? 0);
          }
          // From each record that begins a pull, as far as it reaches; who leaves has that entry in the inbox, too.
          const byPull = inbox.flatMap((seq, index) => {
            const end = pullEnd(intervals, one.segments, sequenceId(seq), one.head);
            if (end === null) return [];
            expect(end).toBeLessThanOrEqual(inbox[index + 1] ?? one.head);
            return expand([{ from: sequenceId(seq + 1), to: end }]).filter((each) => !inbox.includes(each));
          });
          expect(byPull).toEqual(pulled);
        }
        expect(lines(await recalledFrom(one.talk.state, one.effects))).toEqual(lines(planned));
      }),
      RUNS,
    );
  });

  it('nobody gets anything from behind a leave, a kick or a ban that they did not come back from', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { entries } = one.told;
        const banned = new Set<string>();
        for (const { control, members } of entries) {
          if (control?.control === 'banned') for (const user of control.users) banned.add(user);
          if (control?.control === 'unbanned') for (const user of control.users) banned.delete(user);
          expect([...members].filter((user) => banned.has(user))).toEqual([]);
        }
        expect([...one.talk.state.bans.keys()].sort()).toEqual([...banned].sort());
        expect([...(entries.at(-1)?.members ?? [])].sort()).toEqual([...one.talk.state.recipients].sort());
      }),
      RUNS,
    );
  });

  it('it goes over for its size only through the whole band, and never in one commit twice', () => {
    fc.assert(
      fc.property(life, (one) => {
        const { readAbove, writeBelow, readAboveLoad } = one.talk.limits;
        const { entries } = one.told;
        for (const [index, { mode, members }] of entries.entries()) {
          if (!isSwitch(entries[index] as Told)) continue;
          expect(entries[index - 1]).toSatisfy((before: Told | undefined) => before !== undefined && !isSwitch(before));
          if (mode === 'write') expect(members.size).toBeLessThanOrEqual(readAbove);
          if (readAboveLoad < 1e9) continue;
          if (mode === 'read') expect(members.size).toBeGreaterThan(readAbove);
          else expect(members.size).toBeLessThan(writeBelow);
        }
      }),
      RUNS,
    );
  });

  it('meets both modes, bans and returns in what is tried here', () => {
    const seen = { read: 0, write: 0, banned: 0, returns: 0, pulled: 0 };
    fc.assert(
      fc.property(life, (one) => {
        const { entries, stays } = one.told;
        for (const each of entries) {
          if (isSwitch(each)) seen[each.mode] += 1;
          if (each.control?.control === 'banned') seen.banned += 1;
          if ([...each.ways.values()].includes('pull')) seen.pulled += 1;
        }
        seen.returns += [...stays.values()].filter(({ length }) => length > 1).length;
      }),
      { ...RUNS, seed: 7 },
    );
    for (const [what, count] of Object.entries(seen)) expect([what, count > 5]).toEqual([what, true]);
  });

  it('goes over by its load alone, too, in what is tried here', () => {
    const one = new Life({ readAbove: 1_000, writeBelow: 900, readAboveLoad: 12, writeBelowLoad: 5 }, 'join');
    for (let count = 0; count < 10; count += 1) one.act({ do: 'send', user: 'a' as UserId, afterMs: 1 });
    expect(one.told.entries.at(-1)?.mode).toBe('read');
    for (let count = 0; count < 20; count += 1) one.act({ do: 'send', user: 'a' as UserId, afterMs: 2_000 });
    expect(one.told.entries.at(-1)?.mode).toBe('write');
  });
});
