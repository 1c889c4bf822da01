import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { parse } from 'yaml';

/** For tests: docs/openapi.yaml as a judge of what a server answers. */

interface ResponseObject {
  readonly $ref?: string;
  readonly content?: Readonly<Record<string, { readonly schema: object }>>;
}

interface OperationObject {
  readonly operationId: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

export interface DocumentedOperation {
  readonly id: string;
  /** Upper case. */
  readonly method: string;
  /** With `{parameters}`. */
  readonly path: string;
  /** Whether it may be asked without a key. */
  readonly isOpen: boolean;
}

export interface ObservedResponse {
  readonly method: string;
  /** As it was asked for, with or without a query. */
  readonly url: string;
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

const methods = ['get', 'post', 'put', 'patch', 'delete'];
const BASE = 'https://millrace.invalid/openapi.json';

export class OpenApiDocument {
  readonly #document: Document;
  readonly #ajv: Ajv2020;
  readonly #compiled = new Map<string, ValidateFunction>();

  constructor(file: URL | string = new URL('../../../docs/openapi.yaml', import.meta.url)) {
    this.#document = parse(readFileSync(file, 'utf8')) as Document;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: false });
    this.#ajv.addSchema(this.#document, BASE);
  }

  operations(): readonly DocumentedOperation[] {
    return Object.entries(this.#document.paths).flatMap(([path, item]) =>
      methods.flatMap((method) => {
        const operation = item[method];
        if (operation === undefined) return [];
        const { security } = operation;
        const isOpen =
          security !== undefined && (security.length === 0 || security.some((one) => Object.keys(one).length === 0));
        return [{ id: operation.operationId, method: method.toUpperCase(), path, isOpen }];
      }),
    );
  }

  /** @returns what is wrong with a response, nothing when it is as documented. */
  problems(observed: ObservedResponse): readonly string[] {
    const pathname = observed.url.split('?')[0] ?? '';
    const path = this.#templateOf(pathname);
    const operation = path === null ? undefined : this.#document.paths[path]?.[observed.method.toLowerCase()];
    const responses = operation?.responses ?? { default: { $ref: '#/components/responses/Refused' } };
    const key = String(observed.status) in responses ? String(observed.status) : 'default';
    if (key === 'default' && observed.status < 400)
      return [`${String(observed.status)} is not documented for ${pathname}`];
    const pointer =
      path === null || operation === undefined
        ? '/components/responses/Refused'
        : `/paths/${escapePointer(path)}/${observed.method.toLowerCase()}/responses/${key}`;
    const response = responses[key];
    const resolved = response?.$ref === undefined ? response : this.#at(response.$ref.slice(1));
    const at = response?.$ref === undefined ? pointer : response.$ref.slice(1);
    const mediaType = observed.contentType.split(';')[0] ?? '';
    if (resolved?.content?.[mediaType] === undefined) return [`${mediaType} is not documented for ${pathname}`];
    const value: unknown = mediaType === 'application/json' ? JSON.parse(observed.body) : observed.body;
    return this.#check(`${at}/content/${escapePointer(mediaType)}/schema`, value);
  }

  /** @returns what is wrong with a request body by the document. */
  requestProblems(operationId: string, body: unknown): readonly string[] {
    const operation = this.operations().find(({ id }) => id === operationId);
    if (operation === undefined) return [`${operationId} is not documented`];
    const path = `/paths/${escapePointer(operation.path)}/${operation.method.toLowerCase()}`;
    return this.#check(`${path}/requestBody/content/application~1json/schema`, body);
  }

  /** Compiles every schema under `components`, with whatever they refer to. @returns what cannot be compiled. */
  unusableSchemas(): readonly string[] {
    return Object.keys(this.#document.components.schemas).flatMap((name) => {
      try {
        this.#check(`/components/schemas/${name}`, null);
        return [];
      } catch (error) {
        return [`${name}: ${String(error)}`];
      }
    });
  }

  #check(pointer: string, value: unknown): readonly string[] {
    let validate = this.#compiled.get(pointer);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: `${BASE}#${encodeURI(pointer)}` });
      this.#compiled.set(pointer, validate);
    }
    if (validate(value)) return [];
    return (validate.errors ?? []).map((error: ErrorObject) => `${error.instancePath}: ${error.message ?? ''}`);
  }

  #at(pointer: string): ResponseObject | undefined {
    let value: unknown = this.#document;
    for (const step of pointer.split('/').slice(1)) value = (value as Record<string, unknown> | undefined)?.[step];
    return value as ResponseObject | undefined;
  }

  #templateOf(pathname: string): string | null {
    const found = Object.keys(this.#document.paths).find((template) =>
      new RegExp(`^${template.replace(/\{[^}]+\}/g, '[^/]+')}$`).test(pathname),
    );
    return found ?? null;
  }
}

const escapePointer = (text: string): string => text.replaceAll('~', '~0').replaceAll('/', '~1');
