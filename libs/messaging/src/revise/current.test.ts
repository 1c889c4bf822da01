import { generation, partitionId, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { decodeEntry, type ControlBody, type Message } from '@millrace/protocol';
import type { TimelineEntry, TimelineReader } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { visible } from '../conversation/queries.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { current, currentForAll, type CurrentReads } from './current.ts';

const g = 'g' as ConversationId;
const users = ['a', 'b', 'c'] as const;
const user = fc.constantFrom<string>(...users);

type Deed =
  | { readonly do: 'send'; readonly user: string }
  | { readonly do: 'edit' | 'react' | 'recall'; readonly user: string; readonly of: number }
  | { readonly do: 'leave' | 'join'; readonly user: string };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('send' as const), user }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('edit' as const, 'edit' as const, 'edit' as const, 'react' as const, 'recall' as const),
      user,
      of: fc.nat(5),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('leave' as const, 'join' as const), user }) },
);

/** A group of three whose first messages are changed while its members come and go. */
class AGroup {
  readonly talk: AConversation;
  #edits = 0;

  constructor(historyPolicy: 'all' | 'join') {
    this.talk = new AConversation('g', { intervalsMax: 64 }).created(users, { historyPolicy });
    for (const each of users) this.talk.do(this.talk.sendOf(each));
  }

  act(each: Deed): void {
    const { talk } = this;
    if (each.do === 'send') talk.do(talk.sendOf(each.user));
    else if (!('of' in each)) talk.do({ t: each.do, user: each.user as UserId });
    else {
      const facts = talk.factsOf(2 + each.of, each.user);
      if (facts === null) return;
      this.#edits += 1;
      const change = {
        edit: { op: 'edit', body: `edit ${String(this.#edits)}` },
        react: { op: 'react', emoji: '+', isOn: !facts.emojis.includes('+') },
        recall: { op: 'recall' },
      } as const;
      talk.do(talk.changeOf(each.user, change[each.do], facts));
    }
  }

  get entries(): readonly TimelineEntry[] {
    return this.talk.stored.entries.map((data, index) => ({
      ...{ gen: generation(1), seq: sequenceId(index + 1), data },
    }));
  }

  get calls(): ActorCalls {
    const conversation = (_id: unknown, { user }: { readonly user: UserId | null }) =>
      Promise.resolve(visible(this.talk.state, { user }));
    return { partitionOf: () => partitionId(0), conversation } as unknown as ActorCalls;
  }

  get reads(): CurrentReads {
    const at = (_partition: unknown, _actor: unknown, { seq }: { readonly seq: number }) =>
      Promise.resolve(this.entries[seq - 1] ?? null);
    const { fields } = this.talk.beside;
    const found = (names: readonly string[]) =>
      new Map(names.flatMap((name) => (fields.has(name) ? [[name, fields.get(name) as Uint8Array] as const] : [])));
    return {
      timelines: { at } as unknown as TimelineReader,
      records: { fields: (_partition, _actor, names) => Promise.resolve(found(names)) },
    };
  }

  sees(name: string, seq: number): boolean {
    const intervals = this.talk.state.members.get(name as UserId)?.intervals ?? [];
    return intervals.some(({ from, to }) => seq >= from && (to === null || seq <= to));
  }

  async shownTo(name: string | null): Promise<readonly Message[]> {
    const entries = this.entries.filter(({ seq }) => name === null || this.sees(name, seq));
    const shown = await current(this.calls, this.reads, g, name as UserId | null, Promise.resolve(entries), null);
    return shown.map(({ message }) => message);
  }

  /** What is told of each entry, found out by a fold over the entries that the user sees. */
  toldTo(name: string | null): readonly string[] {
    const sees = (seq: number): boolean => name === null || this.sees(name, seq);
    const all = this.entries.map(({ seq, data }) => ({ seq, ...decodeEntry(data) }));
    const controls = all.flatMap(({ seq, type, body, from }): readonly AControl[] => {
      if (type !== 'control') return [];
      const { seq: target, control, on } = JSON.parse(String(body)) as Partial<AControl> & Pick<ControlBody, 'control'>;
      return [{ seq, from, control, ...(target === undefined ? {} : { target }), ...(on === undefined ? {} : { on }) }];
    });
    const changesOf = (of: number) => controls.filter(({ target }) => target === of);
    return all
      .filter(({ seq }) => sees(seq))
      .map((entry) => {
        const { seq, type, body } = entry;
        const control = controls.find((each) => each.seq === seq);
        if (type === 'control') {
          if (control?.control !== 'edited') return `${String(seq)} ${String(body)}`;
          const target = (JSON.parse(String(body)) as { readonly seq: number }).seq;
          const others = changesOf(target).filter(({ control: what }) => what !== 'reacted');
          const next = others.find((each) => each.seq > seq);
          const isGone =
            others.some(({ control: what }) => what === 'recalled') || (next !== undefined && sees(next.seq));
          return `${String(seq)} ${isGone ? JSON.stringify({ control: 'edited', seq: target }) : String(body)}`;
        }
        const changes = changesOf(seq);
        const recall = changes.find(({ control: what }) => what === 'recalled');
        if (recall !== undefined) return `${String(seq)}  rev ${String(recall.seq)} recalled`;
        const edit = changes.findLast((each) => each.control === 'edited' && sees(each.seq));
        const reacted = changes.findLast(({ control: what }) => what === 'reacted');
        const isCounted = reacted !== undefined && sees(reacted.seq);
        const names = isCounted ? reactors(changes) : [];
        const rev = Math.max(edit?.seq ?? 0, isCounted ? reacted.seq : 0);
        const text = edit?.control === 'edited' ? bodyOf(all, edit.seq) : String(body);
        return `${String(seq)} ${text}${rev === 0 ? '' : ` rev ${String(rev)}`}${names.length === 0 ? '' : ` ${names.join()}`}`;
      });
  }
}

const bodyOf = (all: readonly { readonly seq: number; readonly body: unknown }[], seq: number): string =>
  (JSON.parse(String(all[seq - 1]?.body)) as { readonly body: string }).body;

/** A control entry, and the message that it changes. */
interface AControl {
  readonly seq: number;
  readonly from: UserId | null;
  readonly control: ControlBody['control'];
  readonly target?: number;
  readonly on?: boolean;
}

function reactors(changes: readonly AControl[]): readonly string[] {
  const names: string[] = [];
  for (const each of changes) {
    if (each.control !== 'reacted') continue;
    const at = names.indexOf(String(each.from));
    if (at >= 0) names.splice(at, 1);
    if (each.on === true) names.push(String(each.from));
  }
  return names;
}

const lineOf = ({ seq, body, rev, recalled, reactions = [] }: Message): string =>
  `${String(seq)} ${String(body)}${rev === undefined ? '' : ` rev ${String(rev)}`}${recalled === undefined ? '' : ' recalled'}${
    reactions.length === 0 ? '' : ` ${reactions.flatMap(({ users }) => users).join()}`
  }`;

describe('what became of messages, as it is told', () => {
  it.each(['all', 'join'] as const)(
    'is as of what each user sees, and a recall holds for all: %s (I7)',
    async (historyPolicy) => {
      await fc.assert(
        fc.asyncProperty(fc.array(deed, { minLength: 10, maxLength: 50 }), async (deeds) => {
          const group = new AGroup(historyPolicy);
          for (const each of deeds) group.act(each);
          for (const name of [null, ...users]) {
            expect((await group.shownTo(name)).map(lineOf), String(name)).toEqual(group.toldTo(name));
          }
          // The same in another activation, which knows by its record who left when.
          group.talk.become(group.talk.reloaded());
          for (const each of deeds) group.act(each);
          for (const name of users) expect((await group.shownTo(name)).map(lineOf)).toEqual(group.toldTo(name));
        }),
        { numRuns: 60 },
      );
    },
  );

  it('keeps one earlier edit for each leave between, however often it is edited', () => {
    const group = new AGroup('join');
    const earlier = () => group.talk.factsOf(2, null)?.revision?.earlier.length;
    for (let count = 0; count < 20; count += 1) group.act({ do: 'edit', user: 'a', of: 0 });
    expect(earlier()).toBe(0);
    for (let count = 0; count < 60; count += 1) {
      group.act({ do: 'leave', user: 'c' });
      for (let edits = 0; edits < 3; edits += 1) group.act({ do: 'edit', user: 'a', of: 0 });
      group.act({ do: 'join', user: 'c' });
    }
    expect(earlier()).toBe(50);
  });

  it('to all who are told late is what was written, but for what was taken back', async () => {
    const group = new AGroup('join');
    for (const what of ['edit', 'react'] as const) group.act({ do: what, user: 'b', of: 1 });
    group.act({ do: 'edit', user: 'c', of: 2 });
    group.act({ do: 'recall', user: 'c', of: 2 });
    const { head } = group.talk.state;
    const entries = Promise.resolve(group.entries);
    const shown = await currentForAll(group.calls, group.reads, g, entries, head.value);
    const texts = shown.map(({ message }) => String(message.body));
    expect([texts[2], texts[3]]).toEqual(['b/1 1', '']);
    expect([texts[4], texts[6]]).toEqual([
      JSON.stringify({ control: 'edited', seq: 3, body: 'edit 1' }),
      JSON.stringify({ control: 'edited', seq: 4 }),
    ]);
  });
});
