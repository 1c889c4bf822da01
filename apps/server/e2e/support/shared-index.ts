import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { systemRandom } from '@millrace/kernel';
import type { SearchIndex } from '@millrace/search';
import { TypesenseSearch } from '@millrace/search/typesense';
import { FakeTypesense, OpenApiCheck } from '@millrace/search/typesense/testing';

/** `TYPESENSE_URL=http://… TYPESENSE_API_KEY=…`: that server is met, instead of the stand-in for one. */
const url = process.env['TYPESENSE_URL'];
const key = process.env['TYPESENSE_API_KEY'] ?? 'fake-key';

/** An index that all nodes of a test share, under a name of its own. */
export class SharedIndex {
  /** What a node needs to be told. */
  readonly env: Readonly<Record<string, string>>;
  readonly #place: { readonly nodes: readonly string[]; readonly key: string; readonly name: string };
  readonly #fake: FakeTypesense | null;

  private constructor(fake: FakeTypesense | null, dir: string) {
    const name = `e2e-${systemRandom.id().slice(0, 8)}`;
    const address = fake?.url ?? url ?? '';
    const keyFile = join(dir, 'typesense-key');
    writeFileSync(keyFile, `${key}\n`);
    this.env = { MILLRACE_SEARCH: `typesense:${address}?name=${name}`, MILLRACE_SEARCH_KEY_FILE: keyFile };
    this.#place = { nodes: [address], key, name };
    this.#fake = fake;
  }

  /** @param dir - where the key is kept. */
  static async start(dir: string): Promise<SharedIndex> {
    return new SharedIndex(
      url === undefined ? await FakeTypesense.start(OpenApiCheck.fromEnvironment(), key) : null,
      dir,
    );
  }

  /** As a node opens it. The caller closes it. */
  async open(): Promise<SearchIndex> {
    const index = await TypesenseSearch.open(this.#place);
    if (!index.ok) throw new Error(index.error.message);
    return index.value;
  }

  /** @throws when a request or an answer was not as the API is described. */
  async stop(): Promise<void> {
    await this.#fake?.stop();
  }
}
