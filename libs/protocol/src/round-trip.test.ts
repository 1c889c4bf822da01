import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ok } from '@millrace/kernel';
import { decodeServerFrames, encodeClientFrames } from './client-codec.ts';
import type { Encoding } from './encoding.ts';
import type { ClientFrame, PushItem, ServerFrame } from './frames.ts';
import type { WireEntry } from './entry.ts';
import { decodeClientFrames, encodePush, encodePushItems, encodeServerFrames, joinEncoded } from './server-codec.ts';
import { clientFrame, clientFrames, serverFrame, serverFrames, toWire } from './testing/arbitraries.ts';

const encodings = ['json', 'binary'] as const satisfies readonly Encoding[];

describe.each(encodings)('over %s', (encoding) => {
  it.each<[string, fc.Arbitrary<ClientFrame>]>(Object.entries(clientFrames))(
    'a client frame `%s` arrives as it was sent',
    (_name, frames) => {
      fc.assert(
        fc.property(frames, (frame) => {
          expect(decodeClientFrames(encodeClientFrames([frame], encoding), encoding)).toEqual(ok([ok(frame)]));
        }),
      );
    },
  );

  it.each<[string, fc.Arbitrary<ServerFrame>]>(Object.entries(serverFrames))(
    'a server frame `%s` arrives as it was sent',
    (_name, frames) => {
      fc.assert(
        fc.property(frames, (frame) => {
          expect(decodeServerFrames(encodeServerFrames([toWire(frame)], encoding), encoding)).toEqual(ok([frame]));
        }),
      );
    },
  );

  it('several frames joined into one message arrive in order, in both directions', () => {
    fc.assert(
      fc.property(
        fc.array(clientFrame, { minLength: 1, maxLength: 8 }),
        fc.array(serverFrame, { minLength: 1, maxLength: 8 }),
        (toServer, toClient) => {
          const read = decodeClientFrames(encodeClientFrames(toServer, encoding), encoding);
          expect(read).toEqual(ok(toServer.map(ok)));
          expect(decodeServerFrames(encodeServerFrames(toClient.map(toWire), encoding), encoding)).toEqual(
            ok(toClient),
          );
        },
      ),
    );
  });

  it('frames that were encoded one by one join into the message that they would have been encoded to together', () => {
    fc.assert(
      fc.property(fc.array(serverFrame, { minLength: 1, maxLength: 5 }), (frames) => {
        const wire = frames.map(toWire);
        const parts = wire.map((frame) => encodeServerFrames([frame], encoding));
        expect(joinEncoded<Encoding>(parts, encoding)).toEqual(encodeServerFrames(wire, encoding));
      }),
    );
  });

  it('a push around shared items is the same message as the push encoded whole', () => {
    fc.assert(
      fc.property(serverFrames.push, (push) => {
        const wire = toWire(push) as { readonly items: readonly PushItem<WireEntry>[] } & typeof push;
        const shared = encodePushItems(wire.items, encoding);
        expect(encodePush<Encoding>(push, shared)).toEqual(encodeServerFrames([toWire(push)], encoding));
      }),
    );
  });
});

it('JSON messages may be given as their UTF-8 bytes, in both directions', () => {
  fc.assert(
    fc.property(clientFrame, serverFrame, (toServer, toClient) => {
      const asBytes = new TextEncoder().encode(encodeClientFrames([toServer], 'json'));
      expect(decodeClientFrames(asBytes, 'json')).toEqual(ok([ok(toServer)]));
      const answer = new TextEncoder().encode(encodeServerFrames([toWire(toClient)], 'json'));
      expect(decodeServerFrames(answer, 'json')).toEqual(ok([toClient]));
    }),
  );
});

it('what was decoded holds no view into the message, which a socket may reuse', () => {
  fc.assert(
    fc.property(clientFrames.send, serverFrames.page, (send, page) => {
      const toServer = new Uint8Array(encodeClientFrames([send], 'binary'));
      const read = decodeClientFrames(toServer, 'binary');
      const toClient = new Uint8Array(encodeServerFrames([toWire(page)], 'binary'));
      const got = decodeServerFrames(toClient, 'binary');
      toServer.fill(0xff);
      toClient.fill(0xff);
      expect(read).toEqual(ok([ok(send)]));
      expect(got).toEqual(ok([page]));
    }),
  );
});

it('in JSON a stored message is decoded once for all of its receivers, in binary never', () => {
  fc.assert(
    fc.property(serverFrames.page, (page) => {
      const wire = toWire(page) as Extract<ReturnType<typeof toWire>, { t: 'page' }>;
      const texts = wire.messages.map((entry) => entry.json);
      // Whoever looked inside again would now find nothing that it can read.
      for (const entry of wire.messages) entry.data.fill(0);
      expect(decodeServerFrames(encodeServerFrames([wire], 'json'), 'json')).toEqual(ok([page]));
      expect(wire.messages.map((entry) => entry.json)).toEqual(texts);
      expect(encodeServerFrames([wire], 'binary').length).toBeGreaterThan(0);
    }),
  );
});
