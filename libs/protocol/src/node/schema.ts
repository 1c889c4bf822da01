import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import { parse } from 'yaml';

/*
 * docs/asyncapi.yaml as a check, for tests: every JSON frame that crosses a wire there can be held against the
 * published schema.
 */

/** Who sends the frame. */
export type Direction = 'client' | 'server';

interface Reference {
  readonly $ref: string;
}

interface Operation {
  /** As the server sees it. */
  readonly action: 'receive' | 'send';
  readonly messages: readonly Reference[];
  readonly reply?: { readonly messages: readonly Reference[] };
}

/** As much of an AsyncAPI document as the check needs. */
interface AsyncApiDocument {
  readonly operations: Readonly<Record<string, Operation>>;
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly name: string; readonly payload: Reference }>>;
    readonly schemas: Readonly<Record<string, unknown>>;
  };
}

const documentUrl = new URL('../../../../docs/asyncapi.yaml', import.meta.url);

/** The AsyncAPI document, parsed. */
export function loadAsyncApi(): unknown {
  return parse(readFileSync(documentUrl, 'utf8'));
}

const lastPart = (reference: Reference): string => reference.$ref.slice(reference.$ref.lastIndexOf('/') + 1);

/** Which message of the document is meant by `t`, by who sends it. */
function messagesByName(document: AsyncApiDocument): Readonly<Record<Direction, ReadonlyMap<string, string>>> {
  const client = new Map<string, string>();
  const server = new Map<string, string>();
  for (const operation of Object.values(document.operations)) {
    const sent = operation.action === 'receive' ? client : server;
    const all = [
      ...operation.messages.map((message) => [sent, message] as const),
      ...(operation.reply?.messages ?? []).map((message) => [server, message] as const),
    ];
    for (const [names, reference] of all) {
      const message = lastPart(reference);
      const name = document.components.messages[message]?.name;
      if (name === undefined) throw new Error(`docs/asyncapi.yaml: there is no message ${message}`);
      names.set(name, message);
    }
  }
  return { client, server };
}

interface Compiled {
  readonly names: Readonly<Record<Direction, ReadonlyMap<string, string>>>;
  readonly validate: (schema: string, value: unknown) => readonly string[];
}

function compile(): Compiled {
  const document = loadAsyncApi() as AsyncApiDocument;
  // In a document of its own a schema is found below `definitions`.
  const text = JSON.stringify(document.components.schemas).replaceAll('#/components/schemas/', '#/definitions/');
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true });
  ajv.addSchema({ $id: 'millrace', definitions: JSON.parse(text) as Record<string, unknown> });
  const compiled = new Map<string, ValidateFunction>();
  const validate = (schema: string, value: unknown): readonly string[] => {
    const check = compiled.get(schema) ?? ajv.compile({ $ref: `millrace#/definitions/${schema}` });
    compiled.set(schema, check);
    if (check(value)) return [];
    return (check.errors ?? []).map(
      ({ instancePath, message = '', params }) => `${instancePath || 'the frame'} ${message} ${JSON.stringify(params)}`,
    );
  };
  return { names: messagesByName(document), validate };
}

let once: Compiled | null = null;
const compiledOnce = (): Compiled => (once ??= compile());

/** The names (`t`) of the frames that one side sends. */
export const frameNames = (direction: Direction): readonly string[] => [...compiledOnce().names[direction].keys()];

/** @returns what is wrong with one JSON frame; nothing when it is as the schema says. */
export function validateFrame(direction: Direction, frame: unknown): readonly string[] {
  const { names, validate } = compiledOnce();
  const t = typeof frame === 'object' && frame !== null && 't' in frame ? frame.t : undefined;
  const message = names[direction].get(typeof t === 'string' ? t : '');
  if (message === undefined) return [`the ${direction} has no frame ${JSON.stringify(t)}`];
  return validate(message, frame);
}

/** @returns what is wrong with the parsed body of a message of type `control`. */
export const validateControlBody = (body: unknown): readonly string[] => compiledOnce().validate('ControlBody', body);

/** @returns what is wrong with a text message, which is one frame or an array of frames. */
export function validateMessage(direction: Direction, text: string): readonly string[] {
  const value: unknown = JSON.parse(text);
  const frames: readonly unknown[] = Array.isArray(value) ? value : [value];
  return frames.flatMap((frame) => validateFrame(direction, frame));
}
