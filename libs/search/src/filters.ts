import type { FieldFilter, SearchDocument, SearchFilters } from './search-index.ts';

/** What filters ask about a message. */
export type Filtered = Pick<SearchDocument, 'sender' | 'type' | 'at' | 'mentions' | 'mentionAll' | 'fields'>;

const fits = ({ fields }: Filtered, filter: FieldFilter): boolean => {
  const value = fields[filter.name];
  if ('is' in filter) return value === filter.is;
  return typeof value === 'number' && value >= (filter.min ?? -Infinity) && value <= (filter.max ?? Infinity);
};

/** Whether a message is what a query asks for beside its words. */
export function passesFilters(message: Filtered, filters: SearchFilters): boolean {
  const { senders, types, since = -Infinity, until = Infinity, mentioning, fields = [] } = filters;
  return (
    (senders === undefined || senders.includes(message.sender)) &&
    (types === undefined || types.includes(message.type)) &&
    message.at >= since &&
    message.at <= until &&
    (mentioning === undefined || message.mentionAll || message.mentions.includes(mentioning)) &&
    fields.every((filter) => fits(message, filter))
  );
}
