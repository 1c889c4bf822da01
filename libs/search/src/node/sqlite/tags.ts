import type { FieldValue, SearchDocument } from '../../search-index.ts';

/** What can be asked of a message beside its words: a name that says the kind of the value, too, and the value. */
export interface Tag {
  readonly name: string;
  readonly value: string | number;
}

/** No name of a field has it. */
export const MENTION = '@';
/** No user id is it. */
export const ALL = '*';

/** A field's name with the kind of its value: 5, "5" and true are three things, for SQLite two. */
export function tagOf(name: string, value: FieldValue): Tag {
  if (typeof value === 'boolean') return { name: `b.${name}`, value: value ? 1 : 0 };
  return { name: `${typeof value === 'number' ? 'n' : 's'}.${name}`, value };
}

export const numberTag = (name: string): string => `n.${name}`;

export function tagsOf({ mentions, mentionAll, fields }: SearchDocument): readonly Tag[] {
  return [
    ...[...new Set<string>([...mentions, ...(mentionAll ? [ALL] : [])])].map((value) => ({ name: MENTION, value })),
    ...Object.entries(fields).map(([name, value]) => tagOf(name, value)),
  ];
}
