import { createHmac } from 'node:crypto';
import { systemRandom, systemClock } from '@millrace/kernel';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { IndexUnderTest } from '../../conformance/index-under-test.ts';
import {
  apply,
  conversationId,
  found,
  partition,
  put,
  queryOf,
  room,
  seen,
  valueOf,
} from '../../conformance/messages.ts';
import { searchConformance } from '../../conformance/search-conformance.ts';
import { FakeTypesense } from './testing/fake-typesense.ts';
import { OpenApiCheck } from './testing/openapi-check.ts';
import { TypesenseSearch, type TypesenseSearchOptions } from './typesense-search.ts';
import { addressOf } from './typesense-address.ts';
import { TypesenseServer } from './typesense-server.ts';

/** `TYPESENSE_URL=http://… TYPESENSE_API_KEY=…`: the conformance suite then meets that server. */
const url = process.env['TYPESENSE_URL'];
const key = process.env['TYPESENSE_API_KEY'] ?? 'fake-key';
const name = url === undefined ? 'a stand-in for Typesense (no real server was met: set TYPESENSE_URL)' : 'Typesense';

const open = async (options: Partial<TypesenseSearchOptions> & { readonly nodes: readonly string[] }) =>
  valueOf(await TypesenseSearch.open({ key, ...options }));

/** An index of its own, which goes with the test. */
async function underTest(): Promise<IndexUnderTest> {
  const fake = url === undefined ? await FakeTypesense.start(OpenApiCheck.fromEnvironment(), key) : null;
  const options = { nodes: [fake?.url ?? url ?? ''], name: `test-${systemRandom.id().slice(0, 8)}` };
  let index = await open(options);
  return {
    get index() {
      return index;
    },
    async reopen() {
      await index.close();
      index = await open(options);
      return index;
    },
    async close() {
      await index.close();
      if (fake === null) await removeAll(options);
      else await fake.stop();
    },
  };
}

async function removeAll({
  nodes,
  name: ofIndex,
}: {
  readonly nodes: readonly string[];
  readonly name: string;
}): Promise<void> {
  const server = new TypesenseServer({
    nodes: nodes.map((node) => valueOf(addressOf(node))),
    key,
    answerSecondsMax: 10,
  });
  for (const alias of ['live', 'next']) await server.dropAlias(`${ofIndex}-${alias}`);
  for (const one of await server.collections()) if (one.startsWith(ofIndex)) await server.dropCollection(one);
  server.close();
}

searchConformance(name, underTest, 40);

describe('the index in Typesense', () => {
  let fake: FakeTypesense;
  const opened: TypesenseSearch[] = [];

  beforeEach(async () => {
    fake = await FakeTypesense.start(OpenApiCheck.fromEnvironment(), key);
  });

  afterEach(async () => {
    for (const index of opened.splice(0)) await index.close();
    await fake.stop();
  });

  const index = async (more: Partial<TypesenseSearchOptions> = {}): Promise<TypesenseSearch> => {
    const one = await open({ nodes: [fake.url], ...more });
    opened.push(one);
    return one;
  };

  it('is one for all nodes that name it alike, and another one under another name', async () => {
    const [one, same, another] = [await index(), await index(), await index({ name: 'other' })];
    await apply(one, [put(1, 'kettle')]);
    expect(await found(same, 'kettle')).toEqual(['1']);
    expect(await found(another, 'kettle')).toEqual([]);
    valueOf(await one.beginRebuild());
    valueOf(await another.beginRebuild());
    valueOf(await one.finishRebuild());
    expect(await found(same, 'kettle')).toEqual([]);
    const names = fake.collections.map((collection) => collection.replace(/-v1-.*/, ''));
    expect([...names].sort()).toEqual(['millrace', 'other', 'other']);
  });

  it('goes to another node when one does not answer, and is unavailable when none does', async () => {
    const dead = 'http://127.0.0.1:9';
    const one = await index({ nodes: [fake.url, dead], nearest: dead });
    await apply(one, [put(1, 'kettle')]);
    expect(await found(one, 'kettle')).toEqual(['1']);
    fake.isDown = true;
    const answer = await one.search(queryOf({ text: 'kettle' }));
    expect(answer).toMatchObject({ ok: false, error: { code: 'unavailable', retry: 'backoff' } });
    expect(JSON.stringify(answer)).not.toContain(key);
    fake.isDown = false;
    expect(await found(one, 'kettle')).toEqual(['1']);
  });

  it('is refused with a wrong key, a wrong address, or by a server that is too old', async () => {
    const refusal = async (more: Partial<TypesenseSearchOptions>) => {
      const outcome = await TypesenseSearch.open({ nodes: [fake.url], key, ...more });
      return outcome.ok ? null : outcome.error;
    };
    expect(await refusal({ key: 'wrong-key' })).toMatchObject({ code: 'denied' });
    expect(JSON.stringify(await refusal({ key: 'wrong-key' }))).not.toContain('wrong-key');
    for (const node of ['nowhere', 'redis://127.0.0.1:1', 'http://me:secret@127.0.0.1:1']) {
      const error = await refusal({ nodes: [node] });
      expect(error).toMatchObject({ code: 'bad_address' });
      expect(error?.message).not.toContain('secret');
    }
    expect(await refusal({ nodes: [] })).toMatchObject({ code: 'bad_address' });
    fake.version = '29.0';
    expect(await refusal({})).toMatchObject({ code: 'too_old' });
  });

  it('writes the cursor last: what is cut off before it comes again', async () => {
    const one = await index();
    const batch = { partition, after: null, cursor: 'a', changes: [put(1, 'kettle')], through: [] };
    await one.apply(batch);
    expect(await one.apply(batch)).toMatchObject({ ok: false, error: { code: 'cursor_moved', cursor: 'a' } });
    expect((await one.apply({ ...batch, after: 'a', cursor: 'b' })).ok).toBe(true);
    expect(await found(one, 'kettle')).toEqual(['1']);
  });

  it('makes keys for a scope that fits into one, signed by the search key', async () => {
    const one = await index({ searchKey: 'the-search-key' });
    const until = Math.floor(systemClock.nowMs() / 1_000) + 60;
    const scoped = Buffer.from(valueOf(one.scopedKey([seen(room, [[3, 9]])], until)), 'base64').toString();
    const parameters = scoped.slice(48);
    expect(scoped.slice(0, 44)).toBe(createHmac('sha256', 'the-search-key').update(parameters).digest('base64'));
    expect(scoped.slice(44, 48)).toBe('the-');
    expect(JSON.parse(parameters)).toMatchObject({ expires_at: until });
    expect(parameters).toContain('seq:[3..9]');
    expect(parameters).toContain('kind:=message');
    const many = Array.from({ length: 500 }, (_, at) => seen(conversationId(`room-${String(at)}`), [[at + 1, 2_000]]));
    expect(one.scopedKey(many, until)).toMatchObject({ ok: false, error: { code: 'bad_query' } });
    const none = Buffer.from(valueOf(one.scopedKey([], until)), 'base64').toString();
    expect(none).toContain('kind:=none');
  });
});
