import { partitionId, sequenceId, type ConversationId, type Random } from '@millrace/kernel';
import { charactersOf, unitsOf, type Unit } from '../text/units.ts';
import {
  BATCH_CHANGES_MAX,
  PAGE_HITS_MAX,
  type ScopedConversation,
  type SearchDocument,
  type SearchFilters,
  type SearchIndex,
  type SearchPage,
  type SearchQuery,
  type SeqInterval,
} from '../search-index.ts';
import { isNarrowed, narrowingOf } from './narrowing.ts';
import { partOfRun, piecesOf, ReferenceTexts, type Sought } from './reference-texts.ts';

/** What kind of question it is, for the report. */
export type QuestionKind =
  'word' | 'beginning' | 'two words' | 'quoted' | 'one character' | 'two characters' | 'three characters';

export interface RecallOfKind {
  readonly kind: QuestionKind;
  readonly questions: number;
  /** Of those, how many asked for a sender, a time, a type or a field, too. */
  readonly narrowed: number;
  /** Messages that a look at every visible one finds. */
  readonly wanted: number;
  readonly found: number;
  /** Hits that such a look does not find. */
  readonly wrong: number;
}

export interface RecallReport {
  readonly messages: number;
  readonly kinds: readonly RecallOfKind[];
  /** Questions of which the answer was not exactly what a look at everything finds; the first ones. */
  readonly misses: readonly string[];
}

/** A message that a question is made of. */
interface Looked {
  readonly document: SearchDocument;
  readonly units: readonly Unit[];
}

interface Question {
  readonly kind: QuestionKind;
  readonly text: string;
  readonly filters: SearchFilters;
}

const MISSES_MAX = 20;
/** Times as many as are wanted: a corpus may have nothing of most kinds. */
const ATTEMPTS_MAX = 8;
/**
 * A page costs as much as all that its question finds. Of a larger answer the hits of each conversation are counted, and those
 * of some conversations looked at one by one.
 */
const HITS_AT_ONCE = 500;
const CONVERSATIONS_LOOKED = 10;

const pick = <T>(random: Random, all: readonly T[]): T | undefined => all[Math.floor(random.fraction() * all.length)];

/** Part of a run of so many characters, or null where none is so long. */
function partOf(random: Random, units: readonly Unit[], count: number): string | null {
  const run = pick(
    random,
    units.filter(({ kind, places }) => kind === 'run' && places.length >= count),
  );
  if (run === undefined) return null;
  const characters = charactersOf(run.text);
  const from = Math.floor(random.fraction() * (characters.length - count + 1));
  return characters.slice(from, from + count).join('');
}

/** A question that this message answers; null where it has nothing of that kind. */
function questionAbout(random: Random, kind: QuestionKind, { units, document }: Looked): string | null {
  const words = units.filter((unit) => unit.kind === 'word' && !unit.joined);
  const word = pick(random, words);
  switch (kind) {
    case 'word':
      // As it was written, or in capitals; what stands behind it says that it is whole.
      return word === undefined ? null : `${random.fraction() < 0.5 ? word.text : word.text.toUpperCase()} `;
    case 'beginning': {
      const characters = charactersOf(word?.text ?? '');
      return characters.length < 2
        ? null
        : characters.slice(0, 1 + Math.floor(random.fraction() * (characters.length - 1))).join('');
    }
    case 'two words': {
      const other = pick(random, words);
      return word === undefined || other === undefined ? null : `${other.text} ${word.text} `;
    }
    case 'quoted': {
      const at = Math.floor(random.fraction() * (units.length - 1));
      const [one, two] = units.slice(at, at + 2);
      return one === undefined || two === undefined
        ? null
        : `"${document.text.slice(one.start, two.end).replaceAll('"', ' ')}"`;
    }
    case 'one character':
      return partOf(random, units, 1);
    case 'two characters':
      return partOf(random, units, 2);
    case 'three characters':
      return partOf(random, units, 3);
  }
}

const kinds: readonly QuestionKind[] = [
  ...(['word', 'beginning', 'two words', 'quoted'] as const),
  ...(['one character', 'two characters', 'three characters'] as const),
];

/** Some conversations whole, of others a stay or two, as members see them. */
function scopeOf(random: Random, heads: ReadonlyMap<ConversationId, number>): readonly ScopedConversation[] {
  const isWhole = random.fraction() < 0.3;
  return [...heads].flatMap(([conversation, head]): readonly ScopedConversation[] => {
    const part = isWhole ? 0 : random.fraction();
    if (part < 0.6) return [{ conversation, visible: [interval(1, head)] }];
    if (part < 0.7) return [];
    const [one, other] = [random.fraction(), random.fraction()].map((share) => 1 + Math.floor(share * head));
    const [from, to] = [Math.min(one ?? 1, other ?? 1), Math.max(one ?? 1, other ?? 1)];
    return [{ conversation, visible: part < 0.85 ? [interval(from, to)] : [interval(1, from), interval(to, head)] }];
  });
}

const interval = (from: number, to: number): SeqInterval => ({ from: sequenceId(from), to: sequenceId(to) });

const nameOf = ({ conversation, seq }: { readonly conversation: ConversationId; readonly seq: number }): string =>
  `${conversation} ${String(seq)}`;

async function fill(index: SearchIndex, documents: readonly SearchDocument[]): Promise<void> {
  const partition = partitionId(0);
  for (let from = 0; from < documents.length; from += BATCH_CHANGES_MAX) {
    const after = await index.cursor(partition);
    if (!after.ok) throw new Error(after.error.message);
    const changes = documents
      .slice(from, from + BATCH_CHANGES_MAX)
      .map((document) => ({ kind: 'put' as const, document }));
    const applied = await index.apply({
      partition,
      after: after.value,
      cursor: `at-${String(from)}`,
      changes,
      through: [],
    });
    if (!applied.ok) throw new Error(applied.error.message);
  }
}

/** What is asked, wherever. */
type Words = SearchFilters & { readonly text: string };

interface Answer {
  readonly total: number;
  /** By conversation. */
  readonly counts: ReadonlyMap<ConversationId, number>;
  /** Those in which each hit was looked at. */
  readonly looked: ReadonlySet<ConversationId>;
  readonly names: ReadonlySet<string>;
}

/** An index on a machine that is busy may give no answer in time: then it is asked again. */
const ASKED_MAX = 10;

async function asked(index: SearchIndex, query: SearchQuery): Promise<SearchPage> {
  for (let count = 1; ; count += 1) {
    const page = await index.search(query);
    if (page.ok) return page.value;
    if (page.error.code !== 'unavailable' || count === ASKED_MAX) throw new Error(page.error.message);
  }
}

async function namesOf(
  index: SearchIndex,
  words: Words,
  scope: readonly ScopedConversation[],
): Promise<readonly string[]> {
  const names: string[] = [];
  for (let cursor: string | null | undefined; cursor !== null;) {
    const query = { ...words, scope, sort: 'time', limit: PAGE_HITS_MAX } as const;
    const { hits, next }: SearchPage = await asked(index, cursor === undefined ? query : { ...query, cursor });
    names.push(...hits.map(nameOf));
    cursor = next;
  }
  return names;
}

async function answerOf(
  index: SearchIndex,
  random: Random,
  words: Words,
  scope: readonly ScopedConversation[],
): Promise<Answer> {
  const { total, facets = [] } = await asked(index, { ...words, scope, sort: 'time', limit: 1, facets: true });
  const counts = new Map(facets.map(({ conversation, count }) => [conversation, count]));
  if (total <= HITS_AT_ONCE) {
    const names = new Set(await namesOf(index, words, scope));
    return { total, counts, looked: new Set(scope.map(({ conversation }) => conversation)), names };
  }
  const names = new Set<string>();
  const looked = new Set<ConversationId>();
  for (let count = 0; count < CONVERSATIONS_LOOKED; count += 1) {
    const one = pick(random, scope);
    if (one === undefined || looked.has(one.conversation)) continue;
    looked.add(one.conversation);
    for (const name of await namesOf(index, words, [one])) names.add(name);
  }
  return { total, counts, looked, names };
}

/** How many of the messages that are wanted were found, and how many others. */
function compared(wanted: readonly SearchDocument[], { looked, names, counts }: Answer) {
  const unlooked = new Map<ConversationId, number>();
  let inLooked = 0;
  for (const document of wanted) {
    const { conversation } = document;
    if (looked.has(conversation)) inLooked += Number(names.has(nameOf(document)));
    else unlooked.set(conversation, (unlooked.get(conversation) ?? 0) + 1);
  }
  let found = inLooked;
  let wrong = names.size - inLooked;
  for (const conversation of new Set([...unlooked.keys(), ...counts.keys()])) {
    if (looked.has(conversation)) continue;
    const [there, counted] = [unlooked.get(conversation) ?? 0, counts.get(conversation) ?? 0];
    found += Math.min(there, counted);
    wrong += Math.max(0, counted - there);
  }
  return { found, wrong };
}

/**
 * Asks an index questions that are made of its messages, and holds the answers against a look at every message that is
 * visible.
 *
 * @param index - empty.
 * @param documents - each of them once, in rising seq within a conversation.
 */
export async function measureRecall(
  index: SearchIndex,
  documents: readonly SearchDocument[],
  questions: number,
  random: Random,
  onQuestion: (asked: number) => void = () => undefined,
): Promise<RecallReport> {
  await fill(index, documents);
  const texts = new ReferenceTexts(documents.map(({ text }) => text));
  const heads = new Map<ConversationId, number>();
  for (const { conversation, seq } of documents) heads.set(conversation, Math.max(seq, heads.get(conversation) ?? 0));
  const sums = new Map(kinds.map((kind) => [kind, { questions: 0, narrowed: 0, wanted: 0, found: 0, wrong: 0 }]));
  const misses: string[] = [];
  let count = 0;
  for (let at = 0; count < questions && at < ATTEMPTS_MAX * questions; at += 1) {
    const question = questionOf(random, documents, at);
    if (question === null) continue;
    count += 1;
    const { text, filters } = question;
    const scope = scopeOf(random, heads);
    const visible = visibleOf(documents, texts.saying(soughtBy(question)), scope);
    const wanted = visible.filter((document) => isNarrowed(document, filters));
    const answer = await answerOf(index, random, { text, ...filters }, scope);
    const { total } = answer;
    const { found, wrong } = compared(wanted, answer);
    const sum = sums.get(question.kind);
    if (sum === undefined) continue;
    sum.questions += 1;
    sum.narrowed += Number(Object.keys(filters).length > 0);
    sum.wanted += wanted.length;
    sum.found += found;
    sum.wrong += wrong;
    const isExact = found === wanted.length && wrong === 0 && total === wanted.length;
    if (!isExact && misses.length < MISSES_MAX) {
      misses.push(
        `${question.kind} ${JSON.stringify({ text, ...filters })}: ${String(found)} of ${String(wanted.length)}, ${String(wrong)} too many, ${String(total)} counted`,
      );
    }
    onQuestion(count);
  }
  return { messages: documents.length, kinds: [...sums].map(([kind, sum]) => ({ kind, ...sum })), misses };
}

/** Kinds take turns; where the corpus has nothing of one, another one is asked in its place. */
function questionOf(random: Random, documents: readonly SearchDocument[], asked: number): Question | null {
  const kind = kinds[asked % kinds.length] ?? 'word';
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const document = pick(random, documents);
    const text = document && questionAbout(random, kind, { document, units: unitsOf(document.text) });
    if (document !== undefined && typeof text === 'string')
      return { kind, text, filters: narrowingOf(random, document) };
  }
  return null;
}

function soughtBy({ kind, text }: Question): Sought {
  const pieces = piecesOf(text);
  switch (kind) {
    case 'word':
    case 'two words':
      return { how: 'words', pieces };
    case 'beginning':
      return { how: 'beginning', word: pieces[0] ?? '' };
    case 'quoted':
      return { how: 'side by side', pieces };
    case 'one character':
    case 'two characters':
    case 'three characters':
      return partOfRun(text);
  }
}

/** Those of them that are within the scope. */
function visibleOf(
  documents: readonly SearchDocument[],
  numbers: readonly number[],
  scope: readonly ScopedConversation[],
): readonly SearchDocument[] {
  const visible = new Map(scope.map((scoped) => [scoped.conversation, scoped.visible]));
  return numbers.flatMap((number) => {
    const document = documents[number];
    if (document === undefined) return [];
    const stays = visible.get(document.conversation) ?? [];
    return stays.some(({ from, to }) => document.seq >= from && document.seq <= to) ? [document] : [];
  });
}
