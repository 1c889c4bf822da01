import { partitionId, sequenceId, type ConversationId, type SequenceId, type UserId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { ActorCalls } from '../actor-calls.ts';
import type { ConversationCommand } from '../conversation/commands.ts';
import type { CurrentReads } from '../revise/current.ts';
import { AConversation } from '../testing/a-conversation.ts';
import type { ImportedEntry } from './entry-line.ts';
import { importSlice, withoutHoles } from './import-slice.ts';
import type { ConversationLine } from './lines.ts';
import type { ImportSlice } from './transfer-service.ts';

const team = 'team' as ConversationId;
const alice = 'alice' as UserId;

const entry = (seq: number): ImportedEntry => ({
  seq: sequenceId(seq),
  fields: {
    ...{ from: alice, deviceTag: 0, n: 0, sentAt: 5, at: 1_000 + seq },
    ...{ type: 'text', body: `at ${String(seq)}`, countable: true },
  },
  stored: null,
});

const entries = (from: number, to: number): readonly ImportedEntry[] =>
  Array.from({ length: to - from + 1 }, (_, index) => entry(from + index));

const line = (last: number): ConversationLine => ({
  conversation: team,
  about: {
    ...{ kind: 'group', title: '', joinPolicy: 'open', historyPolicy: 'all', createdBy: alice, createdAt: 1 },
    ...{ muted: false, slowModeMs: 0, mentionAllBy: 'admins', pinBy: 'admins' },
  },
  first: sequenceId(1),
  last: sequenceId(last),
  segments: [],
  readReason: 'size',
  keyWindow: [1, 0],
});

const slice = (of: readonly ImportedEntry[], after: number | null, more: Partial<ImportSlice> = {}): ImportSlice => ({
  ...{ line: line(1_000), members: [], bans: [], keys: [], entries: of, isLast: false, announced: null },
  after: after === null ? null : sequenceId(after),
  ...more,
});

/** A conversation that is asked as by a node. @param before - sees each command first. */
function asked(into: AConversation, before: (command: ConversationCommand) => void = () => undefined) {
  const calls = {
    partitionOf: () => partitionId(0),
    conversation: (_id: ConversationId, command: ConversationCommand) => {
      before(command);
      return Promise.resolve(into.do(command).reply);
    },
  } as unknown as ActorCalls;
  return (what: ImportSlice) => importSlice(calls, {} as CurrentReads, what);
}

/** The store has nothing any more. */
function lose(of: AConversation): void {
  of.stored.head = null;
  of.stored.fields.clear();
  of.stored.entries.length = 0;
  of.become(of.reloaded());
}

describe('a slice of an import', () => {
  it('goes on behind what is there, and never makes a hole of what got lost on the way (I3)', async () => {
    const into = new AConversation('team');
    const take = asked(into);
    expect(await take(slice(entries(1, 10), 0))).toMatchObject({ ok: true, value: { seq: 10 } });
    // The slice in between has not come, or its commit was lost with the end of the store.
    const regressed = { ok: false, error: { code: 'regressed', retry: 'sync', from: 10 } };
    expect(await take(slice(entries(21, 30), 20))).toMatchObject(regressed);
    expect(await take(slice([], 20, { isLast: true }))).toMatchObject(regressed);
    // One that does not say what it goes on behind goes on behind what is there, and nowhere else.
    const unknown = await take(slice(entries(21, 30), null));
    expect(unknown).toMatchObject({ ok: false, error: { code: 'bad_request', seq: 21 } });
    expect(into.state.head.value.seq).toBe(10);
    expect(await take(slice(entries(8, 20), null))).toMatchObject({ ok: true, value: { seq: 20 } });
    // A hole of the source is one, wherever the slices part.
    expect(await take(slice(entries(25, 26), 20))).toMatchObject({ ok: true, value: { seq: 26 } });
    expect(await take(slice([entry(26), entry(29)], null))).toMatchObject({ ok: true, value: { seq: 29 } });
  });

  it('blames no line for what the store has lost while it was taken', async () => {
    const into = new AConversation('team');
    let parts = 0;
    const take = asked(into, (command) => {
      if (command.t !== 'import' || command.part.entries.length === 0) return;
      parts += 1;
      if (parts === 2) lose(into);
    });
    const outcome = await take(slice(entries(1, 600), 0));
    expect(outcome).toMatchObject({ ok: false, error: { code: 'regressed', from: 0 } });
  });

  it('leaves out so many entries at most, however they are spread (I9)', async () => {
    const into = new AConversation('team');
    const far = Array.from({ length: 3 }, (_, index) => entry(1 + 40_000 * (index + 1)));
    const outcome = await asked(into)(slice(far, 0, { line: line(200_000) }));
    expect(outcome).toMatchObject({ ok: false, error: { code: 'bad_request', seq: 120_001 } });
    expect(into.state.head.value.seq).toBe(0);
    // One at a time: nobody holds them all.
    const many = withoutHoles([entry(Number.MAX_SAFE_INTEGER)], 1 as SequenceId);
    expect(many.next().value).toMatchObject({ seq: 1, fields: { type: 'void' } });
    const once = asked(new AConversation('team'));
    expect(await once(slice([entry(600)], 0))).toMatchObject({ ok: true, value: { seq: 600 } });
  });
});
