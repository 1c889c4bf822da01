import { ok, seededRandom, systemClock, systemTimers, type NodeId, type UserId } from '@millrace/kernel';
import { defaultLinkLimits, Links, type NodeStreams } from '@millrace/node-link';
import { emptyView, type ClusterView, type Member } from '@millrace/partition';
import { describe, expect, it } from 'vitest';
import { decodeNote, decodeRequest, encodeAnswer, encodeRequest, SPEECH, speechOf } from './node-messages.ts';
import { Peers } from './peers.ts';

const [self, other] = ['self-1' as NodeId, 'other-1' as NodeId];
const alice = 'alice' as UserId;
const log = { info: () => undefined, warn: () => undefined, error: () => undefined, debug: () => undefined };

/** Streams of one process, of which nothing is lost. */
function streams(): NodeStreams {
  const takers = new Map<NodeId, (entries: readonly Uint8Array[]) => void>();
  return {
    open: (node, take) => {
      takers.set(node, take);
      return Promise.resolve(ok({ onReset: () => () => undefined, close: () => Promise.resolve() }));
    },
    send: (to, entry) => {
      setImmediate(() => takers.get(to)?.([entry]));
      return Promise.resolve({ code: 'sent' });
    },
    discard: () => Promise.resolve(ok(null)),
  };
}

/** A node, and beside it one that writes down in which version it is spoken to, and answers in that of `answers`. */
async function beside(speaks: number | null, answers: number) {
  const platform = { clock: systemClock, timers: systemTimers, random: seededRandom(1) };
  const both = { streams: streams(), ...platform, limits: defaultLinkLimits, log };
  const heard: number[] = [];
  const links = new Links({
    ...{ ...both, self: other, random: seededRandom(2) },
    onRequest: (_, payload, answer) => {
      heard.push(speechOf(payload));
      expect(decodeRequest(payload).request).toEqual({ q: 'attach', user: alice });
      answer(encodeAnswer(ok('attached'), answers));
    },
    onNote: (_, payload) => {
      heard.push(speechOf(payload));
      expect(decodeNote(payload)).toEqual({ n: 'broken', user: alice });
    },
    ...{ onGap: () => undefined, onGone: () => undefined },
  });
  const member: Member = { name: 'other', node: other, roles: ['actors'], isDraining: false, url: '', socketUrl: '' };
  const told = speaks === null ? member : { ...member, speaks };
  let view: ClusterView | null = null;
  const peers = new Peers({
    ...both,
    self,
    view: () => view,
    behind: () => undefined,
    onRequest: (_, __, answer) => {
      answer(ok('asked'));
    },
    ...{ onNote: () => undefined, onGap: () => undefined, onGone: () => undefined },
  });
  await links.open();
  await peers.open(() => false);
  return {
    peers,
    links,
    heard,
    follow: () => {
      view = { ...emptyView(1), version: 3, members: [told] };
    },
  };
}

describe('what is said to a node', () => {
  it.each([
    { what: 'of the first version', speaks: null, heard: 1 },
    { what: 'of the version before', speaks: SPEECH - 1, heard: SPEECH - 1 },
    { what: 'of this version', speaks: SPEECH, heard: SPEECH },
    { what: 'of a later version', speaks: SPEECH + 1, heard: SPEECH },
  ])('$what is what it can read', async ({ speaks, heard }) => {
    const world = await beside(speaks, heard);
    const answer = world.peers.askWithin(5_000, other, { q: 'attach', user: alice });
    expect(await answer).toEqual(ok('attached'));
    world.follow();
    expect(await world.peers.askWithin(5_000, other, { q: 'attach', user: alice })).toEqual(ok('attached'));
    world.peers.tell(other, { n: 'broken', user: alice });
    world.peers.tellAll([other], { n: 'broken', user: alice });
    // One that no view names yet may be of any version.
    await expect.poll(() => world.heard).toEqual([1, heard, heard, heard]);
  });

  it.each([1, SPEECH])('is answered in the version in which it asked, %i', async (speech) => {
    const { links } = await beside(null, 1);
    const request = encodeRequest({ version: 0, request: { q: 'status' } }, speech);
    const answered = new Promise<number>((resolve, reject) => {
      links.call(self, request, (outcome) => {
        if (outcome.ok) resolve(speechOf(outcome.value));
        else reject(new Error(outcome.error.message));
      });
    });
    expect(await answered).toBe(speech);
  });
});
