import { readFileSync } from 'node:fs';
import { err, ok, type Result, type Timers } from '@millrace/kernel';
import { EMBEDDED_INDEX, noFieldRules, parseFieldRules, type FieldRules } from '@millrace/messaging';
import { describeSearchError, type SearchIndex, type SearchOpenError, type SearchUnavailable } from '@millrace/search';
import { SqliteSearch } from '@millrace/search/sqlite';
import { TypesenseSearch } from '@millrace/search/typesense';
import type { ServerLog } from '../logging.ts';
import { LateSearch } from './late-search.ts';
import { isInline, type SearchChoice } from './search-choice.ts';

/** An index that does not answer yet is asked as often. */
const RETRY_MS = 2_000;

/** Beside the server's own program, as they are built together. */
const workerProgram = new URL('./search-worker.mjs', import.meta.url);

export interface OpenedSearch {
  readonly index: SearchIndex;
  /** What nodes tell each other of it, see `IndexerParts.identity`. */
  readonly identity: string;
  readonly rules: FieldRules;
  /** For people: without a key. */
  readonly shown: string;
}

export interface OpenSearchParts {
  readonly timers: Timers;
  readonly log: ServerLog;
}

type Opening = () => Promise<Result<SearchIndex, SearchOpenError>>;

function textOf(variable: string, file: string): Result<string, string> {
  try {
    return ok(readFileSync(file, 'utf8').trim());
  } catch (error) {
    const { code = 'unknown error' } = error as { readonly code?: string };
    return err(`${variable} names ${file}, which cannot be read (${code})`);
  }
}

/** What of which type of message is searched for. @param fields - as `MILLRACE_SEARCH_FIELDS` has it. */
export function fieldRulesOf(fields: string | null): Result<FieldRules, string> {
  if (fields === null) return ok(noFieldRules);
  const json = isInline(fields) ? ok(fields) : textOf('MILLRACE_SEARCH_FIELDS', fields);
  if (!json.ok) return json;
  const rules = parseFieldRules(json.value);
  return rules.ok ? rules : err(`MILLRACE_SEARCH_FIELDS: ${rules.error}`);
}

function openingOf(choice: Exclude<SearchChoice, { readonly kind: 'none' }>): Result<Opening, string> {
  if (choice.kind === 'sqlite') {
    const { directory } = choice;
    return ok(() => SqliteSearch.open({ directory, program: workerProgram }));
  }
  const { nodes, nearest, name, keyFile } = choice;
  const key = textOf('MILLRACE_SEARCH_KEY_FILE', keyFile);
  if (!key.ok) return key;
  if (key.value === '') return err(`MILLRACE_SEARCH_KEY_FILE names ${keyFile}, which is empty`);
  const options = { nodes, key: key.value, name, ...(nearest === null ? {} : { nearest }) };
  return ok(() => TypesenseSearch.open(options));
}

const unavailableOf = ({ message, whatToDo }: SearchOpenError): SearchUnavailable => ({
  code: 'unavailable',
  retry: 'backoff',
  message,
  whatToDo,
});

/**
 * Opens the search index that is configured; null when there is to be none. One that does not answer holds nothing up: it is
 * opened when it does, and is `unavailable` until then. One that can never be used is a sentence for the operator.
 */
export async function openSearch(
  choice: SearchChoice,
  fields: string | null,
  { timers, log }: OpenSearchParts,
): Promise<Result<OpenedSearch | null, string>> {
  if (choice.kind === 'none') return ok(null);
  const rules = fieldRulesOf(fields);
  if (!rules.ok) return rules;
  const opening = openingOf(choice);
  if (!opening.ok) return opening;
  const opened = await opening.value();
  const told = {
    rules: rules.value,
    identity: choice.kind === 'sqlite' ? EMBEDDED_INDEX : `typesense:${choice.name}`,
    shown: choice.kind === 'sqlite' ? choice.directory : `${choice.name} in Typesense at ${choice.nodes.join(', ')}`,
  };
  if (opened.ok) return ok({ index: opened.value, ...told });
  if (opened.error.code !== 'unavailable') return err(`MILLRACE_SEARCH: ${describeSearchError(opened.error)}`);
  const late = new LateSearch(unavailableOf(opened.error));
  log.warn('the search index does not answer; chat goes on without it', { error: describeSearchError(opened.error) });
  void openLater(late, opening.value, { timers, log });
  return ok({ index: late, ...told });
}

async function openLater(late: LateSearch, opening: Opening, { timers, log }: OpenSearchParts): Promise<void> {
  let told = '';
  while (!late.isClosed()) {
    await new Promise<void>((resolve) => timers.after(RETRY_MS, resolve));
    if (late.isClosed()) return;
    const opened = await opening();
    if (opened.ok) {
      if (late.isClosed()) await opened.value.close();
      else late.become(opened.value);
      log.info('opened the search index');
      return;
    }
    late.waits(unavailableOf(opened.error));
    const { code } = opened.error;
    if (code !== 'unavailable' && code !== told) {
      log.error('the search index cannot be used', { error: describeSearchError(opened.error) });
    }
    told = code;
  }
}
