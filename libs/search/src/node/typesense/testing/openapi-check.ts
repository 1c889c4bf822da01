import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';
import { endpoints } from './endpoints.ts';

/** What is read of a schema here; the rest is for the validator. */
export interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
}

type Content = Readonly<Record<string, { readonly schema: Schema } | undefined>>;

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content } | undefined>>;
}

export interface OpenApi {
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation | undefined>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Schema>> };
}

/** The library sends it along; it is its own, and Typesense does not look at it. */
const OF_THE_LIBRARY = new Set(['throwOnFail']);

/**
 * Holds requests and answers against an OpenAPI description: the path is there, every name in a query and in a body is
 * known, values are of their types, and answers are as described.
 */
export class OpenApiCheck {
  readonly #api: OpenApi;
  readonly #ajv = new Ajv({ strict: false, validateFormats: false });
  readonly #compiled = new Map<Schema, ValidateFunction>();
  readonly #violations = new Set<string>();

  constructor(api: OpenApi) {
    this.#api = api;
  }

  /** By Typesense's own description where `TYPESENSE_OPENAPI` names the file, otherwise by ours of what is used here. */
  static fromEnvironment(): OpenApiCheck {
    const path = process.env['TYPESENSE_OPENAPI'];
    return new OpenApiCheck(path === undefined ? endpoints : (parse(readFileSync(path, 'utf8')) as OpenApi));
  }

  request(method: string, url: URL, body: unknown): void {
    const where = `${method} ${url.pathname}`;
    const operation = this.#operation(method, url);
    if (operation === null) {
      this.#violations.add(`${where} is not described`);
      return;
    }
    const known = this.#queryNames(operation);
    for (const [name, value] of url.searchParams) {
      const schema = known.get(name);
      if (schema === undefined && !OF_THE_LIBRARY.has(name)) this.#violations.add(`${where}: ?${name} is not known`);
      if (schema !== undefined && !isOfType(value, this.#resolved(schema).type)) {
        this.#violations.add(`${where}: ?${name}=${value} is of the wrong type`);
      }
    }
    const content = operation.requestBody?.content['application/json'];
    if (content === undefined) return;
    this.#validate(`${where}, its body`, content.schema, body);
    this.#names(`${where}, its body`, content.schema, body);
  }

  response(method: string, url: URL, status: number, body: unknown, isLines: boolean): void {
    const where = `${method} ${url.pathname}, the answer ${String(status)}`;
    const described = this.#operation(method, url)?.responses[String(status)];
    if (described === undefined) this.#violations.add(`${where} is not described`);
    const schema = described?.content?.['application/json']?.schema;
    if (schema !== undefined && !isLines) this.#validate(where, schema, withoutDocuments(body));
  }

  mustBeClean(): void {
    if (this.#violations.size > 0) throw new Error(`against the API:\n${[...this.#violations].join('\n')}`);
  }

  #operation(method: string, url: URL): Operation | null {
    const parts = url.pathname.split('/');
    const fits = (template: string): boolean => {
      const wanted = template.split('/');
      return wanted.length === parts.length && wanted.every((part, at) => part.startsWith('{') || part === parts[at]);
    };
    // A literal path before one with a variable.
    const [path] = Object.keys(this.#api.paths)
      .filter(fits)
      .sort((one, other) => one.split('{').length - other.split('{').length);
    return (path === undefined ? undefined : this.#api.paths[path]?.[method]) ?? null;
  }

  /** By name; a parameter that is an object stands for each of its properties. */
  #queryNames({ parameters = [] }: Operation): ReadonlyMap<string, Schema> {
    const names = new Map<string, Schema>();
    for (const { name, in: place, schema } of parameters) {
      if (place !== 'query') continue;
      const properties = this.#properties(schema);
      if (properties.size === 0) names.set(name, schema);
      for (const [property, one] of properties) names.set(property, one);
    }
    return names;
  }

  #resolved(schema: Schema): Schema {
    if (schema.$ref === undefined) return schema;
    return this.#api.components.schemas[schema.$ref.split('/').at(-1) ?? ''] ?? schema;
  }

  #properties(schema: Schema): ReadonlyMap<string, Schema> {
    const { properties = {}, allOf = [] } = this.#resolved(schema);
    return new Map([...allOf.flatMap((part) => [...this.#properties(part)]), ...Object.entries(properties)]);
  }

  /** Names in a body that are not described. Objects without described names may have any. */
  #names(where: string, schema: Schema, value: unknown): void {
    const { items } = this.#resolved(schema);
    if (Array.isArray(value) && items !== undefined) for (const one of value) this.#names(where, items, one);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    const known = this.#properties(schema);
    if (known.size === 0) return;
    for (const [name, one] of Object.entries(value)) {
      const property = known.get(name);
      if (property === undefined) this.#violations.add(`${where}: ${name} is not known`);
      else this.#names(`${where}.${name}`, property, one);
    }
  }

  #validate(where: string, schema: Schema, value: unknown): void {
    const validate = this.#compiled.get(schema) ?? this.#ajv.compile({ ...schema, components: this.#api.components });
    this.#compiled.set(schema, validate);
    if (!validate(value)) this.#violations.add(`${where}: ${this.#ajv.errorsText(validate.errors)}`);
  }
}

function isOfType(value: string, type: string | undefined): boolean {
  if (type === 'integer') return /^-?\d+$/.test(value);
  return type === 'boolean' ? ['true', 'false'].includes(value) : true;
}

/** What a document holds is the application's, whatever the description says of it. */
const withoutDocuments = (body: unknown): unknown =>
  JSON.parse(JSON.stringify(body, (name, value: unknown) => (name === 'document' ? {} : value)));
