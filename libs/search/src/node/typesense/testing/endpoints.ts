import type { OpenApi, Schema } from './openapi-check.ts';

const text: Schema = { type: 'string' };
const whole: Schema = { type: 'integer' };
const flag: Schema = { type: 'boolean' };
const list = (items: Schema): Schema => ({ type: 'array', items });
const record = (properties: Readonly<Record<string, Schema>>, ...required: readonly string[]): Schema => ({
  type: 'object',
  properties,
  required,
});
const ref = (name: string): Schema => ({ $ref: `#/components/schemas/${name}` });
const json = (schema: Schema) => ({ content: { 'application/json': { schema } } });
const name = { name: 'name', in: 'path', schema: text };
const inQuery = (properties: Readonly<Record<string, Schema>>) => ({
  name: 'parameters',
  in: 'query',
  schema: record(properties),
});
const failed = json(ref('Failure'));

/**
 * The endpoints of Typesense that are used, described for the tests in the form of OpenAPI: what is sent, and what may be
 * answered. Ours, and no more than that; the tests may be given the whole description of Typesense's makers instead.
 */
export const endpoints: OpenApi = {
  paths: {
    '/debug': { get: { responses: { 200: json(record({ version: text })) } } },
    '/health': { get: { responses: { 200: json(record({ ok: flag }, 'ok')) } } },
    '/collections': {
      get: { responses: { 200: json(list(ref('Collection'))) } },
      post: {
        requestBody: json(ref('NewCollection')),
        responses: { 201: json(ref('Collection')), 400: failed, 409: failed },
      },
    },
    '/collections/{name}': {
      delete: { parameters: [name], responses: { 200: json(ref('Collection')), 404: failed } },
    },
    '/collections/{name}/documents': {
      delete: {
        parameters: [name, inQuery({ filter_by: text, batch_size: whole })],
        responses: { 200: json(record({ num_deleted: whole }, 'num_deleted')), 404: failed },
      },
    },
    '/collections/{name}/documents/import': {
      post: {
        parameters: [name, inQuery({ action: text, dirty_values: text, batch_size: whole })],
        responses: { 200: { content: { 'application/octet-stream': { schema: text } } }, 400: failed, 404: failed },
      },
    },
    '/multi_search': {
      post: {
        requestBody: json(record({ searches: list(ref('Search')) }, 'searches')),
        responses: { 200: json(record({ results: list(ref('Found')) }, 'results')), 400: failed },
      },
    },
    '/aliases/{name}': {
      get: { parameters: [name], responses: { 200: json(ref('Alias')), 404: failed } },
      put: {
        parameters: [name],
        requestBody: json(record({ collection_name: text }, 'collection_name')),
        responses: { 200: json(ref('Alias')), 400: failed },
      },
      delete: { parameters: [name], responses: { 200: json(ref('Alias')), 404: failed } },
    },
  },
  components: {
    schemas: {
      Failure: record({ message: text }, 'message'),
      Alias: record({ name: text, collection_name: text }, 'name', 'collection_name'),
      NewCollection: record({ name: text, fields: list(ref('Field')) }, 'name', 'fields'),
      Field: record(
        { name: text, type: text, facet: flag, optional: flag, index: flag, sort: flag, range_index: flag },
        'name',
        'type',
      ),
      Collection: {
        allOf: [ref('NewCollection'), record({ num_documents: whole, created_at: whole }, 'num_documents')],
      },
      Search: record({
        collection: text,
        q: text,
        query_by: text,
        filter_by: text,
        sort_by: text,
        include_fields: text,
        facet_by: text,
        max_facet_values: whole,
        page: whole,
        per_page: whole,
        prefix: text,
        num_typos: text,
        drop_tokens_threshold: whole,
        typo_tokens_threshold: whole,
        exhaustive_search: flag,
        highlight_fields: text,
        highlight_full_fields: text,
      }),
      Found: record({
        found: whole,
        out_of: whole,
        page: whole,
        search_cutoff: flag,
        code: whole,
        error: text,
        hits: list(record({ text_match: whole })),
        facet_counts: list(record({ field_name: text, counts: list(record({ value: text, count: whole })) })),
      }),
    },
  },
};
