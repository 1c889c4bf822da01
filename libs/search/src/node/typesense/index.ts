export { TypesenseSearch, type TypesenseSearchOptions } from './typesense-search.ts';
