/** The filters of Typesense, as far as they are used here, over documents in memory. */

export type Document = Readonly<Record<string, unknown>>;
export type FieldTypes = (name: string) => string | undefined;

export class FakeError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** Typesense cuts words here. */
const TOKEN_MAX = 100;
/** Clauses and signs between them; Typesense counts fewer. */
const OPERATIONS_MAX = 100;

/** Case and signs do not count, which is why ids are not stored as they are. */
export const tokensOf = (text: string): readonly string[] =>
  (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).map((token) => token.slice(0, TOKEN_MAX));

interface Clause {
  readonly name: string;
  readonly operator: string;
  readonly values: readonly string[];
  readonly isPhrase: boolean;
}

type Node = Clause | { readonly join: '&&' | '||'; readonly parts: readonly Node[] };

const CLAUSE = /^(\w+):\s*(!=|<=|>=|=|<|>|)\s*(\[[^\]]*\]|"[^"]*"|[^\s()&|]+)/;

const unreadable = (rest: string): FakeError =>
  new FakeError(400, `Could not parse the filter query: \`${rest.slice(0, 60)}\`.`);

class Parser {
  #rest: string;
  #operations = 0;

  constructor(text: string) {
    this.#rest = text.trim();
  }

  whole(): Node {
    const node = this.#any();
    if (this.#rest !== '') throw unreadable(this.#rest);
    if (this.#operations > OPERATIONS_MAX) throw new FakeError(400, '`filter_by` has too many operations.');
    return node;
  }

  #any(): Node {
    return this.#joined('||', () => this.#joined('&&', () => this.#one()));
  }

  #joined(join: '&&' | '||', part: () => Node): Node {
    const first = part();
    const parts = [first];
    while (this.#take(join)) {
      this.#operations += 1;
      parts.push(part());
    }
    return parts.length === 1 ? first : { join, parts };
  }

  #take(text: string): boolean {
    if (!this.#rest.startsWith(text)) return false;
    this.#rest = this.#rest.slice(text.length).trimStart();
    return true;
  }

  #one(): Node {
    if (this.#take('(')) {
      const node = this.#any();
      if (!this.#take(')')) throw unreadable(this.#rest);
      return node;
    }
    const match = CLAUSE.exec(this.#rest);
    if (match === null) throw unreadable(this.#rest);
    const [whole, name = '', operator = '', value = ''] = match;
    this.#rest = this.#rest.slice(whole.length).trimStart();
    this.#operations += 1;
    const isPhrase = value.startsWith('"');
    const plain = isPhrase ? value.slice(1, -1) : value;
    const values = plain.startsWith('[') ? plain.slice(1, -1).split(',') : [plain];
    return { name, operator, values, isPhrase };
  }
}

const hasPhrase = (tokens: readonly string[], phrase: readonly string[]): boolean =>
  tokens.some((_, at) => phrase.every((token, index) => tokens[at + index] === token));

function matchesText(text: string, { operator, isPhrase }: Clause, value: string): boolean {
  const [tokens, wanted] = [tokensOf(text), tokensOf(value)];
  if (operator === '=') return tokens.length === wanted.length && hasPhrase(tokens, wanted);
  return isPhrase ? hasPhrase(tokens, wanted) : wanted.every((token) => tokens.includes(token));
}

function matchesNumber(number: number, operator: string, value: string): boolean {
  if (operator === '<') return number < Number(value);
  if (operator === '<=') return number <= Number(value);
  if (operator === '>') return number > Number(value);
  if (operator === '>=') return number >= Number(value);
  const [from = '', to = from] = value.split('..');
  return number >= Number(from) && number <= Number(to);
}

function matchesClause(document: Document, types: FieldTypes, clause: Clause): boolean {
  const { name, operator, values } = clause;
  const held = document[name];
  if (name === 'id') return values.includes(String(held));
  if (held === undefined) return false;
  const type = types(name) ?? '';
  if (type === 'bool') return values.includes(held === true ? 'true' : 'false');
  if (type.startsWith('int')) return values.some((value) => matchesNumber(Number(held), operator, value));
  const texts = (Array.isArray(held) ? held : [held]) as readonly string[];
  return values.some((value) => texts.some((text) => matchesText(text, clause, value)));
}

function matches(document: Document, types: FieldTypes, node: Node): boolean {
  if (!('join' in node)) return matchesClause(document, types, node);
  return node.join === '&&'
    ? node.parts.every((part) => matches(document, types, part))
    : node.parts.some((part) => matches(document, types, part));
}

const clausesOf = (node: Node): readonly Clause[] => ('join' in node ? node.parts.flatMap(clausesOf) : [node]);

/**
 * What a filter lets pass.
 *
 * @throws FakeError as Typesense would answer.
 */
export function filterOf(text: string, types: FieldTypes): (document: Document) => boolean {
  const node = new Parser(text).whole();
  for (const { name, values } of clausesOf(node)) {
    if (name !== 'id' && types(name) === undefined) {
      throw new FakeError(404, `Could not find a filter field named \`${name}\` in the schema.`);
    }
    if (values.includes(''))
      throw new FakeError(400, `Error with filter field \`${name}\`: Filter value cannot be empty.`);
  }
  return (document) => matches(document, types, node);
}
