import { generation, sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { encodeEntry, protocolLimits, WireEntry } from '@millrace/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { WatchState } from '../conversation/commands.ts';
import type { LiveChange, LiveNote } from './live-notes.ts';
import type { MentionOfAll } from '../conversation/conversation-state.ts';
import { watchMembers, type Present } from '../conversation/mentions.ts';
import { mentionsOfAllFor } from './mentions-of-all.ts';
import { Watch, type LiveStep, type WatchQuestion } from './watch.ts';

const tea = 'tea' as ConversationId;
const gen = generation(1);
const users = ['ann', 'bob', 'cat'] as UserId[];

/** The one who mentions all. */
const author = users[0] as UserId;

function entryAt(seq: number, mentionsAll: boolean): WireEntry {
  const fields = { msgNo: seq, countable: true, deviceTag: 0, n: 0, sentAt: 0, at: 0, body: '' };
  const mention = mentionsAll ? { from: author, mentionAll: true as const } : { from: null };
  return new WireEntry(gen, sequenceId(seq), encodeEntry({ ...fields, ...mention, type: 'text' }));
}

/** What is under way to the node that watches, in order. */
type Sent =
  { readonly what: 'note'; readonly note: LiveNote } | { readonly what: 'answer'; readonly state: WatchState };

/** A conversation, the node that watches it, and the way between them, on which notes may be lost. */
class Scene {
  seq = 0;
  readonly members = new Map<UserId, boolean[]>();
  readonly here = new Set<UserId>();
  readonly watch = new Watch((user) => this.here.has(user));
  readonly way: Sent[] = [];
  /** Joins that the inboxes have not told yet. */
  readonly joins: UserId[] = [];
  /** By user, what they were told of: entries, and positions up to which they know that there is something. */
  readonly told = new Map<UserId, number[]>();
  readonly known = new Map<UserId, number>();
  readonly inside = new Set<UserId>();
  /** By user who is inside, up to where what came is not for them. */
  readonly since = new Map<UserId, SequenceId>();
  mentionsOfAll: readonly MentionOfAll[] = [];
  question: WatchQuestion | null = null;
  #isWatched = false;

  isMember(user: UserId, seq = this.seq): boolean {
    return this.members.get(user)?.[seq] === true;
  }

  append(events: readonly (UserId | null)[]): void {
    const entries: WireEntry[] = [];
    const changes: LiveChange[] = [];
    for (const user of events) {
      this.seq += 1;
      const mentionsAll = user === null && this.seq % 3 === 0;
      const seq = sequenceId(this.seq);
      entries.push(entryAt(this.seq, mentionsAll));
      if (mentionsAll) this.mentionsOfAll = [...this.mentionsOfAll, { seq, from: author }];
      for (const each of users) {
        const before = this.isMember(each, this.seq - 1);
        const flags = this.members.get(each) ?? [false];
        flags[this.seq] = each === user ? !before : before;
        this.members.set(each, flags);
      }
      if (user === null) continue;
      const change = this.isMember(user) ? 'joined' : 'left';
      changes.push({ seq, change, users: [user] });
      if (change === 'joined') this.joins.push(user);
    }
    const note: LiveNote = { n: 'live', conversation: tea, gen, msgNo: this.seq, entries, changes };
    if (this.#isWatched) this.way.push({ what: 'note', note });
  }

  ask(question: WatchQuestion | null): void {
    if (question === null) return;
    this.question = question;
    this.#isWatched = true;
    const present = question.users.flatMap((user): readonly Present[] => {
      const joined = this.joinedAt(user);
      return joined === null ? [] : [[user, [{ joined, from: joined, to: null }]]];
    });
    const { seq } = this;
    const state = { mode: 'read', gen, seq: sequenceId(seq), msgNo: seq } as const;
    this.way.push({ what: 'answer', state: { ...state, ...watchMembers(present, this.mentionsOfAll) } });
  }

  /** Where the user's stay began; null for who is no member. */
  joinedAt(user: UserId): SequenceId | null {
    if (!this.isMember(user)) return null;
    let seq = this.seq;
    while (this.isMember(user, seq - 1)) seq -= 1;
    return sequenceId(seq);
  }

  /** What mentions all and is for the user to know: the latest of it, behind their join. */
  mentionsOf(user: UserId): readonly SequenceId[] {
    const joined = this.joinedAt(user);
    if (joined === null || user === author) return [];
    const latest = this.mentionsOfAll.slice(-protocolLimits.mentionsPerHead);
    return latest.flatMap(({ seq }) => (seq > joined ? [seq] : []));
  }

  deliver(isLost = false): void {
    const sent = this.way[0];
    // An answer is waited for, and asked for once more when it does not come.
    if (sent === undefined || (isLost && sent.what === 'answer')) return;
    this.way.shift();
    if (isLost) return;
    this.take(sent.what === 'note' ? this.watch.note(sent.note) : this.watch.answered(sent.state));
  }

  /** What comes behind an answer may overtake it: that waits for what else was asked about in one message. */
  overtake(): void {
    const [answer, note] = this.way;
    if (answer?.what !== 'answer' || note?.what !== 'note') return;
    this.way.splice(0, 2, note, answer);
  }

  take(steps: readonly LiveStep[]): void {
    const head = this.watch.head?.seq ?? 0;
    for (const step of steps) {
      if (step.do === 'entered') {
        for (const user of step.users) {
          // Once more only for one who left and came again unseen.
          expect(this.inside.has(user) && step.since === 0).toBe(false);
          this.inside.add(user);
          this.since.set(user, step.since);
          this.known.set(user, Math.max(this.known.get(user) ?? 0, head));
        }
      } else if (step.do === 'left') for (const user of step.users) this.inside.delete(user);
      else if (step.do === 'stands') for (const user of this.inside) this.known.set(user, head);
      else this.#live(step.prev, step.entries);
    }
  }

  #live(prev: SequenceId, entries: readonly WireEntry[]): void {
    expect(entries.map(({ seq }) => Number(seq))).toEqual(entries.map((_, index) => prev + 1 + index));
    for (const user of this.inside) {
      const told = this.told.get(user) ?? [];
      this.told.set(user, told);
      // A gap is nothing that they do not know of.
      expect(prev).toBeLessThanOrEqual(Math.max(this.known.get(user) ?? 0, told.at(-1) ?? 0));
      for (const { seq } of entries) {
        expect(seq).toBeGreaterThan(told.at(-1) ?? 0);
        expect([user, seq, this.isMember(user, seq) || this.isMember(user, seq - 1)]).toEqual([user, seq, true]);
        told.push(seq);
      }
      this.known.set(user, Math.max(this.known.get(user) ?? 0, entries.at(-1)?.seq ?? 0));
    }
  }

  comes(user: UserId): void {
    if (this.here.has(user)) return;
    this.here.add(user);
    this.watch.want(user);
  }

  goes(user: UserId): void {
    this.here.delete(user);
    this.watch.forget(user);
    this.inside.delete(user);
    this.told.delete(user);
    this.known.delete(user);
  }

  /** The inbox of one tells of their join. */
  tellJoin(): void {
    const user = this.joins.shift();
    if (user !== undefined && this.here.has(user)) this.watch.want(user);
  }

  /** Everything arrives from now on, and the owner is asked whatever there is to be asked. */
  heal(): void {
    for (let round = 0; round < 20; round += 1) {
      while (this.way.length > 0) this.deliver();
      while (this.joins.length > 0) this.tellJoin();
      if (this.watch.isBehind) this.watch.doubt();
      this.ask(this.watch.question());
      while (this.way.length > 0) this.deliver();
      if (round === 10) this.ask(this.watch.look());
    }
  }
}

const user = fc.constantFrom(...users);
const event = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.option(user, { freq: 2 }), { minLength: 1, maxLength: 4 }) },
  fc.constant('ask' as const),
  fc.constant('look' as const),
  { weight: 6, arbitrary: fc.constant('deliver' as const) },
  fc.constant('lose' as const),
  { weight: 3, arbitrary: fc.constant('overtake' as const) },
  fc.constant('doubt' as const),
  fc.constant('tell' as const),
  fc.record({ comes: user }),
  fc.record({ goes: user }),
);

describe('a conversation that a node watches', () => {
  it('is told to members only, each entry once and in order, no gap unsaid, with what mentions all (W1, W2, W3)', () => {
    fc.assert(
      fc.property(fc.boolean(), fc.array(event, { minLength: 10, maxLength: 60, size: 'max' }), (isBegun, events) => {
        const scene = new Scene();
        scene.append([users[0] ?? null, users[1] ?? null]);
        if (isBegun) {
          for (const each of users) scene.comes(each);
          scene.heal();
        }
        for (const each of events) {
          if (Array.isArray(each)) scene.append(each);
          else if (each === 'ask') scene.ask(scene.watch.question());
          else if (each === 'look') scene.ask(scene.watch.look());
          else if (each === 'deliver') scene.deliver();
          else if (each === 'lose') scene.deliver(true);
          else if (each === 'overtake') scene.overtake();
          else if (each === 'doubt') scene.watch.doubt();
          else if (each === 'tell') scene.tellJoin();
          else if ('comes' in each) scene.comes(each.comes);
          else scene.goes(each.goes);
        }
        scene.heal();
        for (const each of users) {
          const isIn = scene.here.has(each) && scene.isMember(each);
          expect([each, scene.inside.has(each)]).toEqual([each, isIn]);
          if (!isIn) continue;
          expect(scene.known.get(each)).toBe(scene.seq);
          const since = scene.since.get(each) ?? sequenceId(0);
          expect(mentionsOfAllFor(each, since, scene.watch.head?.mentionsOfAll ?? [])).toEqual(scene.mentionsOf(each));
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('is not told to one who has left since the owner answered, though the answer comes behind the leave (I7)', () => {
    const [ann, bob] = users as [UserId, UserId];
    const scene = new Scene();
    scene.append([ann, bob]);
    scene.comes(ann);
    scene.heal();
    scene.comes(bob);
    scene.ask(scene.watch.question());
    scene.append([bob]);
    scene.overtake();
    scene.heal();
    scene.append([null]);
    scene.deliver();
    expect([...scene.inside]).toEqual([ann]);
    expect(scene.told.get(ann)).toEqual([3, 4]);
    expect(scene.told.get(bob)).toBeUndefined();
  });

  it('holds a bounded number of notes while it is in doubt (I9), and asks once more when it lost some', () => {
    const scene = new Scene();
    scene.append([users[0] ?? null]);
    scene.comes(users[0] as UserId);
    scene.ask(scene.watch.question());
    for (let count = 0; count < 300; count += 1) scene.append([null]);
    const [answer, ...notes] = scene.way;
    for (const sent of notes) if (sent.what === 'note') expect(scene.watch.note(sent.note)).toEqual([]);
    scene.way.splice(0);
    if (answer?.what === 'answer') scene.take(scene.watch.answered(answer.state));
    expect(scene.watch.isInDoubt).toBe(true);
    scene.heal();
    expect(scene.known.get(users[0] as UserId)).toBe(scene.seq);
  });
});
