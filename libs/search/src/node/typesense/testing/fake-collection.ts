import { FakeError, filterOf, tokensOf, type Document } from './fake-filter.ts';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly facet?: boolean;
  readonly optional?: boolean;
  readonly index?: boolean;
}

export interface FakeSearch {
  readonly q: string;
  readonly query_by?: string;
  readonly prefix?: string;
  readonly filter_by?: string;
  readonly sort_by?: string;
  readonly include_fields?: string;
  readonly facet_by?: string;
  readonly max_facet_values?: number;
  readonly page?: number;
  readonly per_page?: number;
}

interface Ranked {
  readonly document: Document;
  readonly textMatch: number;
}

const PER_PAGE_MAX = 250;
const SORT_FIELDS_MAX = 3;

function isOfType(value: unknown, type: string): boolean {
  if (type === 'string[]') return Array.isArray(value) && value.every((one) => typeof one === 'string');
  if (type === 'int64') return Number.isSafeInteger(value);
  return typeof value === (type === 'bool' ? 'boolean' : type);
}

/** One collection of the stand-in: its documents are looked at one after the other. */
export class FakeCollection {
  readonly name: string;
  readonly fields: readonly Field[];
  readonly #documents = new Map<string, Document>();
  /** The fields whose names fit a pattern of the schema are known once a document has had them. */
  readonly #seen = new Set<string>();

  constructor(name: string, fields: readonly Field[]) {
    this.name = name;
    this.fields = fields;
  }

  get described(): Document {
    return { name: this.name, fields: this.fields, num_documents: this.#documents.size, created_at: 1_700_000_000 };
  }

  #field(name: string): Field | undefined {
    return (
      this.fields.find((field) => field.name === name) ??
      this.fields.find((field) => field.name.includes('*') && new RegExp(`^${field.name}$`).test(name))
    );
  }

  readonly #typeOf = (name: string): string | undefined => {
    const field = this.#field(name);
    if (field?.index === false || (field?.name.includes('*') === true && !this.#seen.has(name))) return undefined;
    return field?.type;
  };

  /** @returns null, or why the document is refused. */
  put(document: Document): string | null {
    const { id } = document;
    if (typeof id !== 'string' || !/^[\w-]+$/.test(id)) return 'The id of a document should be a string.';
    for (const { name, type, optional } of this.fields) {
      if (name.includes('*') || (document[name] === undefined && optional === true)) continue;
      if (!isOfType(document[name], type)) return `Field \`${name}\` must be a ${type}.`;
    }
    for (const name of Object.keys(document)) {
      const field = this.#field(name);
      if (field?.name.includes('*') !== true) continue;
      if (!isOfType(document[name], field.type)) return `Field \`${name}\` must be a ${field.type}.`;
      this.#seen.add(name);
    }
    this.#documents.set(id, document);
    return null;
  }

  /** @returns how many documents there were. */
  remove(filter: string): number {
    const passes = filterOf(filter, this.#typeOf);
    const lost = [...this.#documents].filter(([, document]) => passes(document));
    for (const [id] of lost) this.#documents.delete(id);
    return lost.length;
  }

  search(search: FakeSearch): Document {
    const { per_page = 10, page = 1, include_fields = '', facet_by, max_facet_values = 10 } = search;
    if (per_page > PER_PAGE_MAX) {
      throw new FakeError(422, `Only upto ${String(PER_PAGE_MAX)} hits can be fetched per page.`);
    }
    const passes = search.filter_by === undefined ? () => true : filterOf(search.filter_by, this.#typeOf);
    const ranked = [...this.#documents.values()].flatMap((document): Ranked[] => {
      const textMatch = passes(document) ? this.#textMatch(document, search) : null;
      return textMatch === null ? [] : [{ document, textMatch }];
    });
    ranked.sort(this.#order(search.sort_by ?? ''));
    const included = include_fields === '' ? null : include_fields.split(',');
    const hits = ranked.slice((page - 1) * per_page, page * per_page).map(({ document, textMatch }) => ({
      document: Object.fromEntries(Object.entries(document).filter(([name]) => included?.includes(name) ?? true)),
      highlights: [],
      ...(search.q === '*' ? {} : { text_match: textMatch }),
    }));
    const facet_counts = facet_by === undefined ? [] : [this.#facet(facet_by, ranked, max_facet_values)];
    return { found: ranked.length, out_of: this.#documents.size, page, search_cutoff: false, facet_counts, hits };
  }

  #facet(name: string, ranked: readonly Ranked[], most: number): Document {
    if (this.#field(name)?.facet !== true) throw new FakeError(404, `Could not find a facet field named \`${name}\`.`);
    const counts = new Map<string, number>();
    for (const { document } of ranked) {
      const value = String(document[name]);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    const sorted = [...counts].sort(([, one], [, other]) => other - one).slice(0, most);
    const shown = sorted.map(([value, count]) => ({ value, highlighted: value, count }));
    return { field_name: name, sampled: false, counts: shown, stats: { total_values: counts.size } };
  }

  /** Null when a word is missing; otherwise the more, the better it fits. */
  #textMatch(document: Document, { q, query_by = '', prefix = 'true' }: FakeSearch): number | null {
    if (q === '*') return 0;
    if (this.#typeOf(query_by) !== 'string') throw new FakeError(404, `Could not find a field named \`${query_by}\`.`);
    const tokens = tokensOf(String(document[query_by]));
    const wanted = tokensOf(q);
    const isThere = (token: string, at: number): boolean =>
      prefix === 'true' && at === wanted.length - 1
        ? tokens.some((one) => one.startsWith(token))
        : tokens.includes(token);
    if (!wanted.every(isThere)) return null;
    const first = tokens.indexOf(wanted[0] ?? '');
    const isTogether = wanted.every((token, at) => tokens[first + at]?.startsWith(token) === true);
    return (isTogether ? 100_000 : 0) + Math.round(10_000 / (1 + tokens.length));
  }

  #order(sort_by: string): (one: Ranked, other: Ranked) => number {
    const keys = sort_by.split(',').filter((key) => key !== '');
    if (keys.length > SORT_FIELDS_MAX) {
      throw new FakeError(422, `Only upto ${String(SORT_FIELDS_MAX)} sort_by fields can be specified.`);
    }
    const parsed = keys.map((key) => {
      const [name = '', direction = ''] = key.split(':');
      const isSortable = name === '_text_match' || this.#typeOf(name)?.startsWith('int') === true;
      if (!isSortable) throw new FakeError(404, `Could not find a field named \`${name}\` in the schema for sorting.`);
      return { name, sign: direction === 'asc' ? 1 : -1 };
    });
    const valueOf = ({ document, textMatch }: Ranked, name: string): number =>
      name === '_text_match' ? textMatch : Number(document[name]);
    return (one, other) => {
      for (const { name, sign } of parsed) {
        const difference = valueOf(one, name) - valueOf(other, name);
        if (difference !== 0) return sign * difference;
      }
      return 0;
    };
  }
}
