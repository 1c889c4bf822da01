import { createRequire } from 'node:module';
import { Ajv } from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clientFrameJson } from '../client-codec.ts';
import { errorRetry } from '../errors.ts';
import type { ClientFrame, ControlBody, ServerFrame } from '../frames.ts';
import { decodeClientFrames, encodeServerFrames } from '../server-codec.ts';
import { clientFrames, serverFrames, toWire } from '../testing/arbitraries.ts';
import { frameNames, loadAsyncApi, validateControlBody, validateFrame, validateMessage } from './schema.ts';

const require = createRequire(import.meta.url);

describe('docs/asyncapi.yaml', () => {
  it('is an AsyncAPI 3.0 document by the schema that AsyncAPI publishes', () => {
    const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
    const { definitions, ...schema } = require('@asyncapi/specs/schemas/3.0.0.json') as {
      readonly definitions: Readonly<Record<string, unknown>>;
    };
    // It brings the meta-schema of JSON Schema along, which Ajv has already.
    const own = Object.entries(definitions).filter(([name]) => !name.startsWith('http://json-schema.org/'));
    const validate = ajv.compile({ ...schema, definitions: Object.fromEntries(own) });
    validate(loadAsyncApi());
    expect(validate.errors ?? []).toEqual([]);
  });

  it('has no reference that leads nowhere', () => {
    const document = loadAsyncApi() as Record<string, unknown>;
    const find = (reference: string): unknown =>
      reference
        .slice(2)
        .split('/')
        .reduce<unknown>((part, name) => (part as Record<string, unknown> | undefined)?.[name], document);
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"([^"]*)"/g)].map(
      ([, reference = '']) => reference,
    );
    expect(references.length).toBeGreaterThan(100);
    expect(references.filter((reference) => find(reference) === undefined)).toEqual([]);
  });

  it('has exactly the frames of the code, in both directions', () => {
    expect([...frameNames('client')].sort()).toEqual(Object.keys(clientFrames).sort());
    expect([...frameNames('server')].sort()).toEqual(Object.keys(serverFrames).sort());
  });

  it('has exactly the error codes of the code', () => {
    const codes = JSON.stringify(loadAsyncApi()).match(/"code":\{"(?:enum|const)":(\[[^\]]*\]|"[^"]*")/g) ?? [];
    const listed = codes.flatMap((part) => JSON.parse(`{${part}}}`) as { code: { enum?: string[]; const?: string } });
    expect(listed.flatMap(({ code }) => code.enum ?? [code.const]).sort()).toEqual(Object.keys(errorRetry).sort());
  });
});

describe('what the code says and what the schema says agree', () => {
  it.each<[string, fc.Arbitrary<ClientFrame>]>(Object.entries(clientFrames))(
    'on the client’s `%s`',
    (_name, frames) => {
      fc.assert(
        fc.property(frames, (frame) => {
          expect(validateMessage('client', clientFrameJson(frame))).toEqual([]);
        }),
      );
    },
  );

  it.each<[string, fc.Arbitrary<ServerFrame>]>(Object.entries(serverFrames))(
    'on the server’s `%s`',
    (_name, frames) => {
      fc.assert(
        fc.property(frames, (frame) => {
          expect(validateMessage('server', encodeServerFrames([toWire(frame)], 'json'))).toEqual([]);
        }),
      );
    },
  );

  it('on which wrong frames of a client are refused', () => {
    const values = fc.oneof(
      fc.constantFrom<unknown>(null, true, -1, 0, 0.5, 2 ** 53, 2 ** 32, '', 'a b', 'x'.repeat(70), [], {}, 1_001),
      fc.jsonValue(),
    );
    const client: fc.Arbitrary<ClientFrame> = fc.oneof(...Object.values(clientFrames));
    fc.assert(
      fc.property(client, fc.nat(), values, (frame, at, value) => {
        const fields = JSON.parse(clientFrameJson(frame)) as Record<string, unknown>;
        const names = Object.keys(fields).filter((name) => name !== 't');
        const changed = { ...fields, [names[at % names.length] ?? 'id']: value };
        const decoded = decodeClientFrames(JSON.stringify(changed), 'json');
        const taken = decoded.ok && decoded.value.every((one) => one.ok);
        // A schema cannot hold one field against another.
        const { after, n } = changed as { readonly after?: unknown; readonly n?: unknown };
        const isBackward = typeof after !== 'number' || typeof n !== 'number' || after < n;
        const isNumbered = frame.t === 'send' || ['forward', 'edit', 'react', 'recall'].includes(frame.t);
        const isRight = validateFrame('client', changed).length === 0 && (isBackward || !isNumbered);
        expect({ changed, taken }).toEqual({ changed, taken: isRight });
      }),
      { numRuns: 2_000 },
    );
  });

  it('on the bodies of control entries', () => {
    const bodies = [
      { control: 'created', kind: 'group', title: 'Tea', members: ['ann', 'bob'] },
      { control: 'joined', users: ['cat'] },
      { control: 'left', users: ['cat'] },
      { control: 'kicked', users: ['bob'] },
      { control: 'role', user: 'ann', role: 'admin' },
    ] as unknown as readonly ControlBody[];
    for (const body of bodies) expect(validateControlBody(body)).toEqual([]);
    expect(validateControlBody({ control: 'joined', user: 'cat' })).not.toEqual([]);
  });
});

describe('the schema is strict on what the server sends', () => {
  it.each([
    ['a field too many', { t: 'pong', id: 1, serverTime: 1, extra: 1 }],
    ['a field too few', { t: 'pong', id: 1 }],
    ['a code with the wrong advice', { t: 'error', id: 1, code: 'overloaded', message: '', retry: 'never' }],
    [
      'an out_of_order without what is expected',
      { t: 'error', id: 1, code: 'out_of_order', message: '', retry: 'in_order' },
    ],
    ['an unknown frame', { t: 'pung', id: 1 }],
    ['a frame of the client', { t: 'ping', id: 1 }],
    ['no frame at all', 5],
  ])('%s is found', (_what, frame) => {
    expect(validateFrame('server', frame)).not.toEqual([]);
  });
});
