import type { NodeId, UserId } from '@millrace/kernel';
import type { Member } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { endpointAt, endpointFor, type EndpointParts } from './socket-endpoint.ts';

const ann = 'ann' as UserId;
const member = (name: string, socketUrl = `ws://${name}.example:7401`): Member => ({
  name,
  node: `${name}.1` as NodeId,
  roles: ['gateway', 'actors', 'jobs'],
  isDraining: false,
  url: `http://${name}.example:7400`,
  socketUrl,
});
const [here, other, third, untold] = [member('here'), member('other'), member('third'), member('untold', '')];
const own = endpointAt(null, 7401);

/** Asked at `here`. */
const asked = (home: Member | null, user: UserId | null, change: Partial<EndpointParts> = {}) =>
  endpointFor(user, {
    own,
    isGateway: true,
    gateways: { others: [other, third, untold], homeOf: () => home },
    random: { fraction: () => 0.99 },
    ...change,
  });

describe('where a client is sent to', () => {
  it('is the node where its user lives, if that has told where its sockets are, else this one', () => {
    expect(asked(other, ann)?.publicUrl).toBe(other.socketUrl);
    expect(asked(here, ann)).toBe(own);
    expect(asked(untold, ann)).toBe(own);
    expect(asked(null, ann)).toBe(own);
    expect(asked(other, null)).toBe(own);
  });

  it('is any other node from one without sockets, but the one where the user lives before those', () => {
    const none = { own: null, isGateway: false };
    expect(asked(null, null, none)?.publicUrl).toBe(third.socketUrl);
    expect(asked(null, ann, none)?.publicUrl).toBe(third.socketUrl);
    expect(asked(null, ann, { ...none, random: { fraction: () => 0 } })?.publicUrl).toBe(other.socketUrl);
    expect(asked(other, ann, none)?.publicUrl).toBe(other.socketUrl);
    expect(asked(untold, ann, none)?.publicUrl).toBe(third.socketUrl);
    expect(asked(null, ann, { ...none, gateways: null })).toBeNull();
  });

  it('is nowhere before this node listens, unless the user lives elsewhere', () => {
    expect(asked(here, ann, { own: null })).toBeNull();
    expect(asked(null, null, { own: null, gateways: null })).toBeNull();
    expect(asked(other, ann, { own: null })?.publicUrl).toBe(other.socketUrl);
  });
});
