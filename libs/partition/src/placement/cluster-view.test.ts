import { InvariantViolation, type NodeId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeMember,
  decodeView,
  digestOf,
  emptyView,
  encodeMember,
  encodeView,
  placementOf,
  type Member,
} from './cluster-view.ts';

const member = (name: string, more: Partial<Member> = {}): Member => ({
  name,
  node: `${name}.run` as NodeId,
  roles: ['gateway', 'actors'],
  isDraining: false,
  url: `http://${name}:7400`,
  socketUrl: `ws://${name}:7401`,
  ...more,
});
const view = {
  version: 7,
  members: [member('a'), member('b', { isDraining: true, url: '', socketUrl: '' })],
  owners: ['a', null, 'c'],
  since: [7, 0, 3],
  before: [3, 0, 1],
};
const fieldsOf = (text: string): Record<string, unknown> => JSON.parse(text) as Record<string, unknown>;

describe('the text of a view', () => {
  it('is read back as it was', () => {
    expect(decodeView(encodeView(view))).toEqual({ ok: true, value: view });
    expect(decodeView(encodeView(emptyView(256)))).toEqual({ ok: true, value: emptyView(256) });
  });

  it('is read back whatever the names are', () => {
    const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.option(name), { maxLength: 300 }), (version, owners) => {
        const named = { ...emptyView(owners.length), version, owners };
        expect(decodeView(encodeView(named))).toEqual({ ok: true, value: named });
      }),
    );
  });

  it('stays small: a thousand partitions on long names are 9 kB', () => {
    const owners = Array.from({ length: 1_000 }, (_, at) => `a-node-with-a-rather-long-name-${String(at % 10)}`);
    expect(encodeView({ ...emptyView(1_000), owners }).length).toBeLessThan(9_000);
  });

  it.each([
    ['of a later format', { format: 2 }],
    ['without a version', { version: '7' }],
    ['with a version below zero', { version: -1 }],
    ['without members', { members: null }],
    ['with a nameless member', { members: [{ ...member('a'), name: '' }] }],
    ['with a member of no run', { members: [{ ...member('a'), node: 'no spaces' }] }],
    ['with a role that nobody has', { members: [{ ...member('a'), roles: ['king'] }] }],
    ['with a member that drains perhaps', { members: [{ ...member('a'), isDraining: 'perhaps' }] }],
    ['with a member without url', { members: [{ ...member('a'), url: null }] }],
    ['with a member with a socketUrl that is no text', { members: [{ ...member('a'), socketUrl: 1 }] }],
    ['without owners', { owners: {} }],
    ['with an owner outside of the names', { owners: [9] }],
    ['with an owner that is no place', { owners: ['a'] }],
    ['with one that is owned since nobody knows when', { since: [7, 0] }],
    ['with one that was owned by nobody knows whom', { before: [7, 0, 'x'] }],
    ['with too many partitions', { owners: Array.from({ length: 65_537 }, () => null) }],
  ])('%s is refused', (_, change) => {
    const text = JSON.stringify({ ...fieldsOf(encodeView(view)), ...change });
    expect(decodeView(text)).toMatchObject({ ok: false, error: { code: 'bad_view' } });
  });

  it('that is no JSON, or none of an object, is refused', () => {
    for (const text of ['', '{', 'null', '[]', '7']) {
      expect(decodeView(text)).toMatchObject({ ok: false, error: { code: 'bad_view' } });
    }
  });

  it('is never written so that it could not be read', () => {
    expect(() => encodeView({ ...view, version: 0.5 })).toThrow(InvariantViolation);
  });
});

describe('the placement of a partition', () => {
  const placed = { ...view, owners: ['a', 'a', 'b'], since: [7, 5, 3], before: [3, 0, 1] };

  it('is that of its owner, by when it was given to it', () => {
    expect(placementOf(placed, 0, member('a'))).toEqual({ givenIn: 7, precededBy: 3 });
    expect(placementOf(placed, 2, member('b'))).toEqual({ givenIn: 3, precededBy: 1 });
  });

  it('is that of the owner before for who has to give it away', () => {
    expect(placementOf(placed, 0, member('b'))).toEqual({ givenIn: 3, precededBy: 0 });
  });

  it('of a run that the view does not know yet follows the run that it was made for', () => {
    const again = member('a', { node: 'a.later' as NodeId });
    expect(placementOf(placed, 0, again)).toEqual({ givenIn: 7, precededBy: 7 });
  });

  it('is none without a view, or before anybody had it', () => {
    expect(placementOf(null, 0, member('a'))).toEqual({ givenIn: 0, precededBy: 0 });
    expect(placementOf(emptyView(3), 0, member('a'))).toEqual({ givenIn: 0, precededBy: 0 });
  });
});

describe('the text of a member', () => {
  it('is read back as it was, without what else the object carries', () => {
    const more = { ...member('a'), secret: 'not to be told' };
    expect(decodeMember(encodeMember(more))).toEqual({ ok: true, value: member('a') });
    expect(encodeMember(more)).not.toContain('secret');
  });

  it('says whether it rolls; whoever does not say so runs an older version, and does not', () => {
    const rolls = member('a', { roles: ['jobs'], rolls: true, speaks: 2 });
    expect(decodeMember(encodeMember(rolls))).toEqual({ ok: true, value: rolls });
    const decoded = decodeView(encodeView({ ...view, members: [rolls, member('b')] }));
    expect(decoded.ok && decoded.value.members.map((each) => each.rolls)).toEqual([true, undefined]);
    expect(decoded.ok && decoded.value.members.map((each) => each.speaks)).toEqual([2, undefined]);
  });

  it('has the digest that an older version has of it, which reads the same view without these', () => {
    const members = [member('a', { rolls: true, speaks: 2 }), member('b', { archive: 'f00d' })];
    const older = { ...view, members: [member('a'), member('b', { archive: 'f00d' })] };
    expect(digestOf({ ...view, members })).toBe(digestOf(older));
    expect(digestOf({ ...view, members: [] })).not.toBe(digestOf(older));
  });

  it('that is not one is refused', () => {
    for (const text of ['{}', encodeView(view)]) expect(decodeMember(text).ok).toBe(false);
  });
});
