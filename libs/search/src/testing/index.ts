export { MemorySearch, MemorySearchDisk } from './memory-search.ts';
export { measureRecall, type QuestionKind, type RecallOfKind, type RecallReport } from './recall.ts';
