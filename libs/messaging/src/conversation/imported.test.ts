import { partitionId, sequenceId, type ConversationId, type UserId } from '@millrace/kernel';
import { decodeEntry } from '@millrace/protocol';
import { keptFrom } from '@millrace/timeline';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import { retiredOf } from '../archive/retention-plan.ts';
import type { CurrentReads } from '../revise/current.ts';
import { AConversation } from '../testing/a-conversation.ts';
import { step, type Step } from '../testing/conversation-commands.ts';
import { tellConversation } from '../testing/stored-record.ts';
import { entryLine, type ImportedEntry } from '../transfer/entry-line.ts';
import { withoutHoles } from '../transfer/import-slice.ts';
import { importTargets } from '../transfer/import-targets.ts';
import type { BanLine, ConversationLine, KeyLine, MemberLine, StateLine } from '../transfer/lines.ts';
import type { ExportFrom, Exported } from './exported.ts';
import type { ImportPart } from './imported.ts';

interface Whole {
  readonly line: ConversationLine;
  readonly state: readonly StateLine[];
  readonly entries: readonly ImportedEntry[];
}

const small = { keysPerWindow: 2, sendWindow: 4, readAbove: 3, writeBelow: 3, recalledListed: 3 };

function pageOf(from: AConversation, at: ExportFrom): Exported {
  const { reply } = from.do({ t: 'exported', ...at });
  if (!reply.ok) throw new Error(reply.error.message);
  return reply.value as Exported;
}

/** Everything, through JSON as it is in a file. */
function exportOf(from: AConversation): Whole {
  const first = pageOf(from, { section: 'members', after: null, upTo: null });
  const state = [...first.lines];
  for (let { next } = first; next !== null;) {
    const page = pageOf(from, { ...next, upTo: first.line.last });
    state.push(...page.lines);
    ({ next } = page);
  }
  const start = first.line.first;
  const entries = from.stored.entries.map((data, index): ImportedEntry => {
    const line = entryLine(sequenceId(start + index), data);
    expect(line.storedBase64).toBeUndefined();
    return { seq: line.seq, fields: decodeEntry(data), stored: null };
  });
  const throughJson = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
  return { line: throughJson(first.line), state: throughJson(state), entries };
}

type Part = Omit<ImportPart, 'targets'>;

const partOf = ({ line, state }: Whole, entries: readonly ImportedEntry[], isLast: boolean): Part => ({
  line,
  members: state.filter((each): each is MemberLine => 'member' in each),
  bans: state.filter((each): each is BanLine => 'ban' in each),
  keys: state.filter((each): each is KeyLine => 'key' in each),
  entries,
  isLast,
});

/** What is stored of it, as a node reads it. */
const readsOf = (of: AConversation): CurrentReads => ({
  timelines: {
    at: (_partition, _actor, { gen, seq }) => {
      const data = of.stored.entries[seq - keptFrom(of.state.head.value)];
      return Promise.resolve(data === undefined ? null : { gen, seq, data });
    },
    range: () => Promise.reject(new Error('no page is read')),
  },
  records: {
    fields: (_partition, _actor, names) =>
      Promise.resolve(new Map([...of.beside.fields].filter(([name]) => names.includes(name)))),
  },
});

const calls = { partitionOf: () => partitionId(0) } as unknown as ActorCalls;

async function whole(into: AConversation, part: Part): Promise<ImportPart> {
  const { id, head, answeredAt: at } = into.state;
  return { ...part, targets: await importTargets(calls, readsOf(into), id, { head: head.value, at }, part.entries) };
}

const handled = async (into: AConversation, part: Part) => into.do({ t: 'import', part: await whole(into, part) });
const take = async (into: AConversation, part: Part) => (await handled(into, part)).reply;

/** The step as a client could have asked it: what it says of the Timeline is true. */
function truthful(of: AConversation, each: Step): Step {
  if (each.kind !== 'command' || each.command.t !== 'markRead') return each;
  const { user } = each.command;
  const seq = sequenceId(Math.min(each.command.seq, of.state.head.value.seq));
  const read = of.stored.entries.slice(0, seq).map(decodeEntry);
  const sentAtRead = read.filter(({ countable, from }) => countable && from === user).length;
  return { kind: 'command', command: { ...each.command, seq, msgNo: read.at(-1)?.msgNo ?? 0, sentAtRead } };
}

function alive(steps: readonly Step[]): AConversation {
  const conversation = new AConversation('g', small).created(['a', 'b', 'c']);
  for (const each of steps) {
    // What somebody has deleted for themselves is in no entry, and does not travel.
    if (each.kind === 'change' && each.op === 'delete') continue;
    conversation.do(conversation.commandOf(truthful(conversation, each)));
    if (each.kind !== 'change') continue;
    // Once more of one that is there, by the number that is next: most are refused otherwise.
    const seq = 1 + (each.seq % conversation.state.head.value.seq);
    conversation.do(conversation.commandOf({ ...each, seq, ahead: 1 }));
  }
  return conversation;
}

/** The order in which devices came is of no concern. */
function told(of: AConversation): object {
  const all = tellConversation(of.state) as { readonly senders: readonly (readonly [string, readonly string[]])[] };
  const senders = all.senders.map(([user, devices]) => [user, [...devices].sort()]);
  return { ...all, storedAt: null, senders, beside: new Map(of.beside.fields) };
}

describe('a conversation that comes out of an export', () => {
  it('is what it was in everything, and is exported the same again, however often its parts come', async () => {
    const steps = fc.array(step, { maxLength: 60, size: 'max' });
    const sizes = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 8 });
    const turns = fc.array(fc.boolean(), { minLength: 4, maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(steps, sizes, turns, async (all, parts, chances) => {
        const original = alive(all);
        const exported = exportOf(original);
        const copy = new AConversation('g', small);
        for (let from = 0, turn = 0; from < exported.entries.length; turn += 1) {
          const to = from + (parts[turn % parts.length] ?? 1);
          const part = partOf(exported, exported.entries.slice(from, to), to >= exported.entries.length);
          expect(await take(copy, part)).toMatchObject({ ok: true });
          // Nobody sees it before the last part.
          expect(copy.state.meta.value === null).toBe(!part.isLast);
          if (chances[turn % 4] === true) expect(await take(copy, part)).toMatchObject({ ok: true });
          if (chances[(turn + 1) % 4] === true) copy.become(copy.reloaded());
          from = to;
        }
        expect(told(copy)).toEqual(told(original));
        expect(JSON.stringify(exportOf(copy))).toBe(JSON.stringify(exported));
        expect(copy.stored.entries).toEqual(original.stored.entries);
      }),
    );
  });

  it('tells followers once that it is there, and diffuses nothing', async () => {
    const exported = exportOf(alive([]));
    const copy = new AConversation('g');
    const part = partOf(exported, exported.entries, true);
    const last = exported.line.last;
    expect((await handled(copy, part)).effects).toEqual([
      { e: 'imported', conversation: 'g', gen: 1, from: 1, to: last },
    ]);
    expect((await handled(copy, part)).effects).toEqual([]);
  });

  it('takes a part as a whole or not at all, and says which line is wrong', async () => {
    const exported = exportOf(alive([]));
    const copy = new AConversation('g');
    const [first] = exported.entries;
    if (first === undefined) throw new Error('a conversation has an entry');
    const line = { ...exported.line, last: sequenceId(3) };
    const at = (seq: number, more = {}): ImportedEntry => ({
      ...first,
      seq: sequenceId(seq),
      fields: { ...first.fields, countable: true, msgNo: seq - 1, ...more },
    });
    const wrong = (entries: readonly ImportedEntry[]) => take(copy, { ...partOf(exported, entries, false), line });
    expect(await wrong([first, at(3)])).toMatchObject({ ok: false, error: { code: 'bad_request', seq: 3 } });
    expect(await wrong([first, at(2, { msgNo: 7 })])).toMatchObject({ ok: false, error: { seq: 2 } });
    expect(await wrong([first, at(2), at(3), at(4)])).toMatchObject({ ok: false, error: { seq: 4 } });
    const early = partOf(exported, [first], true);
    expect(await take(copy, { ...early, line })).toMatchObject({ ok: false, error: { code: 'bad_request' } });
    expect(copy.state.dirty).toBe(false);
    expect(copy.stored.head).toBeNull();
    expect(await wrong([first, at(2), at(3)])).toMatchObject({ ok: true, value: { seq: 3, isDone: false } });
  });

  it('lays no change over what is not there, was taken back, or is no message, and refuses what says none', async () => {
    const original = new AConversation('g').created(['a', 'b']);
    original.do(original.sendOf('a'));
    const exported = exportOf(original);
    const [created, message] = exported.entries;
    if (created === undefined || message === undefined) throw new Error('a message was sent');
    const control = (seq: number, body: object): ImportedEntry => ({
      seq: sequenceId(seq),
      fields: {
        ...{ from: 'a' as UserId, deviceTag: 0, n: 0, sentAt: 0, at: 2_000 + seq, type: 'control', countable: false },
        body: JSON.stringify(body),
      },
      stored: null,
    });
    const recall = control(3, { control: 'recalled', seq: 2, author: 'a' });
    const late = control(4, { control: 'edited', seq: 2, body: 'too late' });
    const word = control(5, { control: 'edited', seq: 1, body: 'no word of mine' });
    const line = { ...exported.line, last: sequenceId(5) };
    const part = { ...partOf(exported, [created, message, recall, late, word], true), line };
    const copy = new AConversation('g');
    expect(await take(copy, part)).toMatchObject({ ok: true, value: { isDone: true } });
    expect(copy.factsOf(2, null)?.revision).toMatchObject({ rev: 3, edited: null, recalled: { by: 'a', at: 2_003 } });
    expect(copy.factsOf(1, null)?.revision).toBeNull();
    const cut = new AConversation('g');
    const behind = { ...part, line: { ...line, first: sequenceId(3) }, members: [], entries: [recall, late, word] };
    expect(await take(cut, behind)).toMatchObject({ ok: true });
    expect(cut.beside.fields.size).toBe(0);
    for (const body of [
      { control: 'edited', seq: 3, body: 'itself' },
      { control: 'edited', seq: 2, bodyBase64: '~' },
      { control: 'reacted', seq: 2 },
      { control: 'recalled' },
    ]) {
      const wrong = { ...part, entries: [created, message, control(3, body)], isLast: false };
      const outcome = await take(new AConversation('g'), wrong);
      expect([body, outcome]).toMatchObject([body, { ok: false, error: { code: 'bad_request', seq: 3 } }]);
    }
  });

  it('keeps the bodies that somebody left with, and no others, wherever its parts end and whenever it is loaded', async () => {
    const original = new AConversation('g').created(['a', 'b', 'c']);
    original.do(original.sendOf('a'));
    const edit = (body: string): void => {
      const facts = original.factsOf(2, 'a');
      if (facts === null) throw new Error('a message was sent');
      original.do(original.changeOf('a', { op: 'edit', body }, facts));
    };
    for (const body of ['one', 'two']) edit(body);
    original.do({ t: 'leave', user: 'b' as UserId });
    for (const body of ['three', 'four']) edit(body);
    original.do({ t: 'leave', user: 'c' as UserId });
    edit('five');
    // `b` left with the second, and `c` with the fourth.
    expect(original.factsOf(2, null)?.revision?.earlier.map(({ seq }) => seq)).toEqual([4, 7]);
    const exported = exportOf(original);
    for (let size = 1; size <= exported.entries.length; size += 1) {
      const copy = new AConversation('g');
      for (let from = 0; from < exported.entries.length; from += size) {
        const isLast = from + size >= exported.entries.length;
        await take(copy, partOf(exported, exported.entries.slice(from, from + size), isLast));
        copy.become(copy.reloaded());
      }
      expect(new Map(copy.beside.fields)).toEqual(new Map(original.beside.fields));
    }
  });

  it('is looked up again where another import has changed what was looked up', async () => {
    const original = new AConversation('g').created(['a', 'b']);
    original.do(original.sendOf('a'));
    const facts = original.factsOf(2, 'a');
    if (facts === null) throw new Error('a message was sent');
    for (const body of ['one', 'two']) original.do(original.changeOf('a', { op: 'edit', body }, facts));
    const exported = exportOf(original);
    const copy = new AConversation('g');
    await take(copy, partOf(exported, exported.entries.slice(0, 2), false));
    const late = await whole(copy, partOf(exported, exported.entries.slice(2), true));
    const first = await take(copy, partOf(exported, exported.entries.slice(2, 3), false));
    expect(first).toMatchObject({ ok: true, value: { seq: 3, isDone: false } });
    copy.become(copy.reloaded());
    expect(copy.do({ t: 'import', part: late }).reply).toEqual({ ok: true, value: 'stale' });
    expect(copy.state.head.value.seq).toBe(3);
    expect(await take(copy, partOf(exported, exported.entries.slice(2), true))).toMatchObject({ ok: true });
    expect(new Map(copy.beside.fields)).toEqual(new Map(original.beside.fields));
  });

  it('goes on with what was begun only, and is not mixed with what is there', async () => {
    const exported = exportOf(alive([]));
    const copy = new AConversation('g');
    expect(await take(copy, partOf(exported, [], false))).toMatchObject({ ok: true, value: { seq: 0 } });
    const other = {
      ...partOf(exported, exported.entries, true),
      line: { ...exported.line, keyWindow: [3, 1] as const },
    };
    expect(await take(copy, other)).toMatchObject({ ok: false, error: { code: 'conflict' } });
    const create = { creator: 'z' as UserId, kind: 'group', title: '', members: [] } as const;
    const made = copy.do({ t: 'create', ...create, joinPolicy: 'open', historyPolicy: 'all' });
    expect(made.reply).toMatchObject({ ok: false, error: { code: 'conflict' } });
    expect(copy.do(copy.sendOf('a')).reply).toMatchObject({ ok: false, error: { code: 'not_found' } });
    expect(copy.do({ t: 'readPlan', user: 'a' as UserId, seq: sequenceId(1) }).reply).toMatchObject({ ok: false });
    expect(await take(new AConversation('g').created(['a']), other)).toMatchObject({
      ok: false,
      error: { code: 'conflict' },
    });
  });

  it('begins at any seq, with void entries in its holes, which count for nobody (I3)', async () => {
    const message = (seq: number, from: string): ImportedEntry => ({
      seq: sequenceId(seq),
      fields: {
        ...{ from: from as UserId, deviceTag: 0, n: 0, sentAt: 5, at: 1_000 + seq },
        ...{ type: 'text', body: `at ${String(seq)}`, countable: true },
      },
      stored: null,
    });
    const source = [message(7, 'a'), message(9, 'b'), message(12, 'a')];
    const filled = [...withoutHoles(source, sequenceId(7))];
    expect(filled.map(({ seq, fields: { type } }) => [seq, type])).toEqual([
      [7, 'text'],
      [8, 'void'],
      [9, 'text'],
      [10, 'void'],
      [11, 'void'],
      [12, 'text'],
    ]);
    const line = { ...exportOf(alive([])).line, first: sequenceId(7), last: sequenceId(12) };
    const reads = (member: string, readSeq: number): MemberLine => {
      const stays = [[sequenceId(1), sequenceId(1), null]] as const;
      const at = sequenceId(readSeq);
      return { member: member as UserId, role: 'member', stays, readSeq: at, deliveredSeq: at, devices: [] };
    };
    const copy = new AConversation('g');
    const members = [reads('a', 0), reads('b', 10)];
    const part = { line, members, bans: [], keys: [], entries: filled, isLast: true };
    expect(await take(copy, part)).toMatchObject({ ok: true, value: { seq: 12, isDone: true } });
    const unread = (user: string): number => {
      const { readMsgNo, sentAtRead } = copy.state.members.get(user as UserId) ?? { readMsgNo: 0, sentAtRead: 0 };
      return copy.state.msgNo.value - readMsgNo - (copy.state.sent(user as UserId).count - sentAtRead);
    };
    // Of three messages two are a's own; b has read all but the last one.
    expect([unread('a'), unread('b')]).toEqual([1, 1]);
    expect(copy.state.head.value).toMatchObject({ first: 7, seq: 12 });
  });

  it('goes on behind the numbers of one that keeps none of its entries any more, with all of it read (I3)', async () => {
    const source = alive([]);
    for (const user of ['a', 'b', 'a']) source.do(source.sendOf(user));
    const { gen } = source.state;
    const stored = source.stored.entries.map((data, index) => ({
      gen,
      seq: sequenceId(index + 1),
      ...decodeEntry(data),
    }));
    const retired = retiredOf(stored, source.beside.fields);
    if (retired === null) throw new Error('all of it is to go');
    expect(source.do({ t: 'retire', retired }).reply.ok).toBe(true);
    const last = stored.length;
    const exported = { ...exportOf(source), entries: [] };
    expect(exported.line).toMatchObject({ first: last + 1, last, retiredMsgNo: 3 });

    const copy = new AConversation('g', small);
    const started = partOf(exported, [], false);
    expect(await take(copy, started)).toMatchObject({ ok: true, value: { seq: 0, isDone: false } });
    copy.become(copy.reloaded());
    expect(await take(copy, partOf(exported, [], true))).toMatchObject({
      ok: true,
      value: { seq: last, isDone: true },
    });
    copy.become(copy.reloaded());
    expect(keptFrom(copy.state.head.value)).toBe(last + 1);
    expect([exportOf(copy).line, exportOf(copy).state]).toEqual([exported.line, exported.state]);
    for (const { readMsgNo } of copy.state.members.values()) expect(readMsgNo).toBe(3);
    expect(copy.do(copy.sendOf('b')).reply).toMatchObject({ ok: true, value: { seq: last + 1 } });
    expect(copy.state.msgNo.value).toBe(4);
  });

  it('can be made by its users where it is but a block of one by the other, and by another import', async () => {
    const line = { ...exportOf(alive([])).line, conversation: 'a!b' as ConversationId, about: null };
    const none = { first: sequenceId(0), last: sequenceId(0) };
    const ban: BanLine = { ban: 'b' as UserId, by: 'a' as UserId, at: 7 };
    const blocks = { line: { ...line, ...none }, members: [], bans: [ban], keys: [], entries: [], isLast: true };
    const copy = new AConversation('a!b');
    expect(await take(copy, blocks)).toMatchObject({ ok: true, value: { isDone: true } });
    copy.become(copy.reloaded());
    const create = { creator: 'a' as UserId, kind: 'direct', title: '', members: ['b' as UserId] } as const;
    const made = copy.do({ t: 'create', ...create, joinPolicy: 'invite', historyPolicy: 'all' });
    expect(made.reply).toMatchObject({ ok: true, value: { fresh: true } });
    expect(copy.do(copy.sendOf('b')).reply).toMatchObject({ ok: false, error: { code: 'blocked' } });
    const once = new AConversation('a!b');
    await take(once, blocks);
    const original = new AConversation('a!b').created(['a', 'b'], { kind: 'direct', joinPolicy: 'invite' });
    const exported = exportOf(original);
    expect(await take(once, partOf(exported, exported.entries, true))).toMatchObject({ ok: true });
    expect(once.do(once.sendOf('a')).reply).toMatchObject({ ok: true });
  });

  it('is refused with members of others in what two say to each other, and with segments that cannot be', async () => {
    const original = new AConversation('a!b').created(['a', 'b'], { kind: 'direct', joinPolicy: 'invite' });
    const part = partOf(exportOf(original), exportOf(original).entries, true);
    const [member] = part.members;
    if (member === undefined) throw new Error('there are two');
    const eve = { ...part, members: [...part.members, { ...member, member: 'eve' as UserId }] };
    expect(await take(new AConversation('a!b'), eve)).toMatchObject({ ok: false, error: { user: 'eve' } });
    const at = sequenceId;
    const wrong = [
      [
        [at(1), null],
        [at(1), null],
      ],
      [[at(2), at(1)]],
      [[at(9), null]],
      [
        [at(1), at(1)],
        [at(1), null],
      ],
      Array.from({ length: 65 }, () => [at(1), at(1)] as const),
    ] as const satisfies readonly ConversationLine['segments'][];
    for (const segments of wrong) {
      const outcome = await take(new AConversation('a!b'), { ...part, line: { ...part.line, segments } });
      expect([segments, outcome]).toMatchObject([segments, { ok: false, error: { code: 'bad_request' } }]);
    }
  });
});
