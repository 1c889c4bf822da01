export { FakeTypesense } from './fake-typesense.ts';
export { OpenApiCheck } from './openapi-check.ts';
