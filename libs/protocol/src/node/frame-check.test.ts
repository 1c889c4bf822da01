import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeClientFrames } from '../client-codec.ts';
import { subprotocols } from '../encoding.ts';
import type { ClientFrame, ServerFrame } from '../frames.ts';
import { encodeServerFrames } from '../server-codec.ts';
import { clientFrames, serverFrames, toWire } from '../testing/arbitraries.ts';
import { FrameCheck } from './frame-check.ts';
import type { Direction } from './schema.ts';

const { json, binary } = subprotocols;

function problemsOf(direction: Direction, data: string | Uint8Array, subprotocol: string): readonly string[] {
  const check = new FrameCheck();
  check.check(direction, data, subprotocol);
  return check.take().problems;
}

/** A record of kind 0, with any text and any id. */
function jsonRecord(text: string, id: number, kind = 0): Uint8Array {
  const payload = Buffer.from(text);
  const header = Buffer.alloc(12);
  header.writeUInt32BE(payload.length, 0);
  header[4] = kind;
  header.writeUInt32BE(id, 8);
  return Buffer.concat([header, payload]);
}

describe('the frame check', () => {
  it('finds nothing wrong with any frame of the code, of either side, in either encoding', () => {
    const client: fc.Arbitrary<ClientFrame> = fc.oneof(...Object.values(clientFrames));
    const server: fc.Arbitrary<ServerFrame> = fc.oneof(...Object.values(serverFrames));
    const some = { minLength: 1, maxLength: 3 };
    fc.assert(
      fc.property(fc.array(client, some), fc.array(server, some), (asked, said) => {
        const check = new FrameCheck();
        const wire = said.map(toWire);
        check.check('client', encodeClientFrames(asked, 'json'), json);
        check.check('client', encodeClientFrames(asked, 'binary'), binary);
        check.check('server', encodeServerFrames(wire, 'json'), json);
        check.check('server', encodeServerFrames(wire, 'binary'), binary);
        const { problems, checked } = check.take();
        expect([problems, checked]).toEqual([[], 2 * (asked.length + said.length)]);
      }),
    );
  });

  it.each<[string, Direction, string | Uint8Array, string, RegExp]>([
    ['a field too few', 'server', '{"t":"pong","id":1}', json, /^server pong: .*serverTime/],
    [
      'a field too many, which a decoder would drop',
      'server',
      jsonRecord('{"t":"pong","id":1,"serverTime":1,"extra":1}', 1),
      binary,
      /^server pong: .*extra/,
    ],
    ['a frame that is not known', 'server', jsonRecord('{"t":"pung","id":1}', 1), binary, /no frame "pung"/],
    ['a frame of the other side', 'server', '[{"t":"ping","id":1}]', json, /no frame "ping"/],
    ['two ids', 'client', jsonRecord('{"t":"ping","id":1}', 2), binary, /the id is 1, but 2/],
    ['a record that is not known', 'server', jsonRecord('', 0, 9), binary, /no record of kind 9/],
    ['a record of the other side', 'client', jsonRecord('', 1, 2), binary, /no record of kind 2/],
    ['an ack that is cut off', 'server', jsonRecord('\u0005ab', 1, 2), binary, /a record of kind 2: /],
    ['a send that cannot be', 'client', jsonRecord('', 1, 1), binary, /send: /],
    ['half a header', 'client', new Uint8Array(5), binary, /cut off/],
    ['text over the binary subprotocol', 'client', '{"t":"ping","id":1}', binary, /a text message/],
    ['bytes over the JSON subprotocol', 'server', Buffer.from('{"t":"ok","id":1}'), json, /a binary message/],
    ['what is no JSON', 'server', '{', json, /no JSON/],
    ['what is no object', 'server', '5', json, /no frame/],
    ['an array of nothing', 'server', '[]', json, /an array of 0 frames/],
    ['another subprotocol', 'server', '{"t":"ok","id":1}', 'chat', /the subprotocol "chat"/],
  ])('finds %s', (_what, direction, data, subprotocol, problem) => {
    expect(problemsOf(direction, data, subprotocol)).toEqual([expect.stringMatching(problem)]);
  });

  it('tells problems once, names what it looked at, and keeps a bounded number of problems', () => {
    const check = new FrameCheck();
    for (let n = 0; n < 60; n += 1) {
      check.check('server', `[{"t":"pong","id":1},{"t":"ok","id":1,"extra${String(n)}":1}]`, json);
    }
    const { problems, checked, checkedByName } = check.take();
    expect(problems[0]).toMatch(/^server pong: .*serverTime.* \(60 times\)$/);
    expect([problems.length, problems.at(-1)]).toEqual([51, 'and 11 more']);
    expect([checked, checkedByName]).toEqual([120, { 'server pong': 60, 'server ok': 60 }]);
    expect(check.take()).toEqual({ problems: [], checked, checkedByName });
  });
});
