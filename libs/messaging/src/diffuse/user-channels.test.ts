import { err, generation, ok, sequenceId, type ConversationId, type Timers, type UserId } from '@millrace/kernel';
import { WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Delivery } from '../user/commands.ts';
import { UserChannels } from './user-channels.ts';

type Code = 'ok' | 'unavailable' | 'internal';

const delivery = (conversation: string, seq: number): Delivery => ({
  d: 'messages',
  facts: { conversation: conversation as ConversationId, kind: 'group', title: '' },
  gen: generation(1),
  entries: [new WireEntry(generation(1), sequenceId(seq), new Uint8Array())],
  change: null,
  behind: 'write',
  skipped: null,
});

const namesOf = (items: readonly Delivery[]): readonly string[] =>
  items.flatMap((item) =>
    item.d === 'messages' ? item.entries.map(({ seq }) => `${item.facts.conversation} ${String(seq)}`) : [],
  );

/** Users' actors that take what they are given, but for what is poison to them, and now and then cannot be reached. */
class Receivers {
  readonly taken = new Map<UserId, string[]>();
  readonly setAside: string[] = [];
  done: string[] = [];
  readonly channels: UserChannels;
  readonly #work: (() => void)[] = [];
  /** Attempts, to bound them. */
  attempts = 0;

  constructor(poison: ReadonlySet<string>, mood: Iterator<number>) {
    const timers: Timers = {
      after: (_delayMs, callback) => {
        this.#work.push(callback);
        return () => undefined;
      },
      soon: (callback) => {
        this.#work.push(callback);
      },
    };
    const answer = (
      code: Code,
      tell: (
        outcome: ReturnType<typeof ok<null>> | ReturnType<typeof err<{ code: 'internal' | 'unavailable' }>>,
      ) => void,
    ) => {
      this.#work.push(() => {
        tell(code === 'ok' ? ok(null) : err({ code }));
      });
    };
    this.channels = new UserChannels({
      timers,
      deliver: (user, items, tell) => {
        this.attempts += 1;
        const names = namesOf(items);
        const isAway = Number(mood.next().value) % 4 === 0;
        const isPoison = names.some((name) => poison.has(`${user}: ${name}`));
        const code = isAway ? 'unavailable' : isPoison ? 'internal' : 'ok';
        if (code === 'ok') this.taken.set(user, [...(this.taken.get(user) ?? []), ...names]);
        answer(code, tell);
      },
      setAside: (user, given, tell) => {
        const isAway = Number(mood.next().value) % 4 === 0;
        if (!isAway) this.setAside.push(...namesOf([given]).map((name) => `${user}: ${name}`));
        // Of two that cannot take the word either, one is beyond help; both must let the others go on.
        const mayTake = Number(mood.next().value) % 2 === 0;
        answer(isAway ? 'unavailable' : mayTake ? 'ok' : 'internal', tell);
      },
    });
  }

  run(): void {
    let steps = 0;
    for (let next = this.#work.shift(); next !== undefined; next = this.#work.shift()) {
      next();
      steps += 1;
      if (steps > 20_000) throw new Error('this goes on for ever');
    }
  }
}

const USERS = ['a', 'b', 'c'] as UserId[];

describe('the channels to users', () => {
  it('bring every delivery once and in order, and set aside just those that a handler cannot take (I6)', () => {
    const sends = fc.array(fc.tuple(fc.nat(2), fc.constantFrom('x', 'y')), { minLength: 1, maxLength: 60 });
    const poisonous = fc.array(fc.nat(59), { maxLength: 6 });
    fc.assert(
      fc.property(sends, poisonous, fc.infiniteStream(fc.nat()), (given, marks, mood) => {
        const at = new Map<string, number>();
        const planned = given.map(([index, conversation]) => {
          const user = USERS[index] ?? ('a' as UserId);
          const seq = (at.get(`${user} ${conversation}`) ?? 0) + 1;
          at.set(`${user} ${conversation}`, seq);
          return { user, item: delivery(conversation, seq), name: `${conversation} ${String(seq)}` };
        });
        const nameOf = ({ user, name }: { user: UserId; name: string }): string => `${user}: ${name}`;
        const poison = new Set(marks.flatMap((mark) => planned.slice(mark, mark + 1).map(nameOf)));
        const receivers = new Receivers(poison, mood);
        for (const each of planned) {
          receivers.channels.send(each.user, each.item, () => receivers.done.push(nameOf(each)));
          if (Number(mood.next().value) % 3 === 0) receivers.channels.flush();
          if (Number(mood.next().value) % 5 === 0) receivers.run();
        }
        receivers.channels.flush();
        receivers.run();
        for (const user of USERS) {
          const mine = planned.filter((each) => each.user === user);
          const good = mine.filter((each) => !poison.has(nameOf(each))).map(({ name }) => name);
          expect(receivers.taken.get(user) ?? []).toEqual(good);
          expect(receivers.done.filter((name) => name.startsWith(`${user}:`))).toEqual(mine.map(nameOf));
        }
        expect([...receivers.setAside].sort()).toEqual([...poison].sort());
        expect(receivers.channels.size).toBe(0);
      }),
    );
  });

  it('carry no more than a mebibyte at once, beside a first delivery of any size (I9)', () => {
    const batches: number[] = [];
    const large = (seq: number, bytes: number): Delivery => ({
      d: 'messages',
      facts: { conversation: 'x' as ConversationId, kind: 'group', title: '' },
      gen: generation(1),
      entries: [new WireEntry(generation(1), sequenceId(seq), new Uint8Array(bytes))],
      change: null,
      behind: 'write',
      skipped: null,
    });
    const channels = new UserChannels({
      timers: { after: () => () => undefined, soon: () => undefined },
      deliver: (_user, items, tell) => {
        batches.push(items.reduce((sum, item) => sum + (item.d === 'messages' ? item.entries.length : 0), 0));
        queueMicrotask(() => {
          tell(ok(null));
        });
      },
      setAside: () => undefined,
    });
    for (let seq = 1; seq <= 70; seq += 1) channels.send('a' as UserId, large(seq, 32_768), () => undefined);
    channels.send('a' as UserId, large(71, 3_000_000), () => undefined);
    channels.send('a' as UserId, large(72, 1), () => undefined);
    channels.flush();
    return Promise.resolve()
      .then(() => new Promise(setImmediate))
      .then(() => {
        expect(batches).toEqual([32, 32, 6, 1, 1]);
      });
  });

  it('find one poison among many by halving, not one by one (I9)', () => {
    const receivers = new Receivers(new Set(['a: x 100']), [1][Symbol.iterator]());
    for (let seq = 1; seq <= 256; seq += 1) {
      receivers.channels.send('a' as UserId, delivery('x', seq), () => receivers.done.push(String(seq)));
    }
    receivers.channels.flush();
    receivers.run();
    expect(receivers.done).toHaveLength(256);
    expect(receivers.setAside).toEqual(['a: x 100']);
    expect(receivers.attempts).toBeLessThan(40);
  });
});
