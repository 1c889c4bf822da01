import { join } from 'node:path';
import { parseFieldRules } from '@millrace/messaging';
import { isAlone } from '../archive/archive-choice.ts';
import type { ServerConfig } from '../server-config.ts';

/** Where messages are found, as it is configured. */
export type SearchChoice =
  | { readonly kind: 'none' }
  | { readonly kind: 'sqlite'; readonly directory: string }
  | {
      readonly kind: 'typesense';
      readonly nodes: readonly string[];
      /** The node that is asked first; null for any. */
      readonly nearest: string | null;
      /** What its collections are called. */
      readonly name: string;
      readonly keyFile: string;
    };

type TypesensePlace = Pick<Extract<SearchChoice, { readonly kind: 'typesense' }>, 'nodes' | 'nearest' | 'name'>;

const SQLITE = /^sqlite(?::(.+))?$/s;
const TYPESENSE = /^typesense:(https?:\/\/[^?]+)(?:\?(.*))?$/s;
const NAME = /^[A-Za-z0-9_-]{1,64}$/;

/** What `MILLRACE_SEARCH` may be, in words. */
export const searchAllowed =
  '`none`, `sqlite` or `sqlite:` and a directory, or `typesense:` and addresses that begin with `http://` or `https://`';

/** What `MILLRACE_SEARCH_FIELDS` may be, in words. */
export const searchFieldsAllowed = 'a path, or an object of JSON with rules by type of message';

const isAddress = (text: string): boolean => {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search } = new URL(text);
  return ['http:', 'https:'].includes(protocol) && username + password + search === '';
};

/** `typesense:http://one:8108,http://two:8108?nearest=http://one:8108&name=millrace`; null for another text. */
function typesensePlace(text: string): TypesensePlace | null {
  const [, addresses = '', options = ''] = TYPESENSE.exec(text) ?? [];
  const nodes = addresses.split(',');
  const told = new URLSearchParams(options);
  const [nearest, name] = [told.get('nearest'), told.get('name') ?? 'millrace'];
  const isKnown = [...told.keys()].every((key) => key === 'nearest' || key === 'name');
  const isGood = isKnown && nodes.every(isAddress) && (nearest === null || isAddress(nearest)) && NAME.test(name);
  return isGood ? { nodes, nearest, name } : null;
}

export const isSearchText = (text: string): boolean =>
  text === 'none' || (SQLITE.test(text) && !text.includes('\0')) || typesensePlace(text) !== null;

export const isInline = (fields: string): boolean => fields.trimStart().startsWith('{');

export const isSearchFieldsText = (text: string): boolean =>
  isInline(text) ? parseFieldRules(text).ok : text.length > 0 && !text.includes('\0');

type SearchConfig = Pick<ServerConfig, 'search' | 'searchKeyFile' | 'dataDir' | 'mode' | 'redisUrl' | 'processes'>;

export function searchChoiceOf(config: SearchConfig): SearchChoice {
  const text = config.search ?? (isAlone(config) ? 'sqlite' : 'none');
  const [isSqlite, directory] = SQLITE.exec(text) ?? [];
  if (isSqlite !== undefined) return { kind: 'sqlite', directory: directory ?? join(config.dataDir, 'search') };
  const place = typesensePlace(text);
  return place === null ? { kind: 'none' } : { kind: 'typesense', ...place, keyFile: config.searchKeyFile ?? '' };
}

/** What does not fit together. */
export function searchContradictions({
  search,
  searchKeyFile,
  processes,
}: Pick<ServerConfig, 'search' | 'searchKeyFile' | 'processes'>): readonly string[] {
  const problems: string[] = [];
  const isTypesense = search?.startsWith('typesense:') === true;
  if (processes > 1 && /^sqlite/.test(search ?? '')) {
    problems.push(
      `MILLRACE_SEARCH is a directory of one process, and MILLRACE_PROCESSES is ${String(processes)}; name a Typesense (typesense:https://…) for all of them, or run one process`,
    );
  }
  if (isTypesense && searchKeyFile === null) {
    problems.push('MILLRACE_SEARCH_KEY_FILE must be set: it names the file with the key of Typesense');
  }
  if (!isTypesense && searchKeyFile !== null) {
    problems.push('MILLRACE_SEARCH_KEY_FILE is set, and MILLRACE_SEARCH names no Typesense that it would be for');
  }
  return problems;
}
