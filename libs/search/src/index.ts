export {
  describeSearchError,
  type BadCursor,
  type BadQuery,
  type CursorMoved,
  type NoRebuild,
  type SearchOpenError,
  type SearchUnavailable,
} from './search-errors.ts';
export {
  BATCH_CHANGES_MAX,
  FIELDS_MAX,
  FIELD_TEXT_MAX,
  MENTIONS_MAX,
  PAGE_HITS_MAX,
  QUERY_UNITS_MAX,
  QUERY_WORDS_MAX,
  RELEVANCE_HITS_MAX,
  SCOPE_MAX,
  TEXT_UNITS_MAX,
  THROUGH_MAX,
  type Change,
  type FieldFilter,
  type FieldValue,
  type IndexBatch,
  type IndexVersion,
  type IndexedThrough,
  type ScopedConversation,
  type SearchDocument,
  type SearchFilters,
  type SearchHealth,
  type SearchHit,
  type SearchIndex,
  type SearchPage,
  type SearchQuery,
  type SearchStats,
  type SeqInterval,
  type TimePlace,
} from './search-index.ts';
export { passesFilters, type Filtered } from './filters.ts';
export { highlight } from './text/highlight.ts';
export { TextQuery, type TextRank } from './text/text-query.ts';
export type { Place } from './text/units.ts';
