import { InvariantViolation, type NodeId } from '@millrace/kernel';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeMember, decodeView, emptyView, encodeMember, encodeView, type Member } from './cluster-view.ts';

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
        expect(decodeView(encodeView({ version, members: [], owners }))).toEqual({
          ok: true,
          value: { version, members: [], owners },
        });
      }),
    );
  });

  it('stays small: a thousand partitions on long names are 5 kB', () => {
    const owners = Array.from({ length: 1_000 }, (_, at) => `a-node-with-a-rather-long-name-${String(at % 10)}`);
    expect(encodeView({ version: 1, members: [], owners }).length).toBeLessThan(5_000);
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

describe('the text of a member', () => {
  it('is read back as it was, without what else the object carries', () => {
    const more = { ...member('a'), secret: 'not to be told' };
    expect(decodeMember(encodeMember(more))).toEqual({ ok: true, value: member('a') });
    expect(encodeMember(more)).not.toContain('secret');
  });

  it('that is not one is refused', () => {
    for (const text of ['{}', encodeView(view)]) expect(decodeMember(text).ok).toBe(false);
  });
});
