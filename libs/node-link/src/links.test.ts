import { InvariantViolation, seededRandom, utf8, type NodeId } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import { ANode, nodeId, someNodes, type SomeNodes } from './testing/some-nodes.ts';
import type { Fate } from './testing/scripted-streams.ts';

/** A seed whose first number is less than that of node a. */
const LOWER = 2;
const empty = { unanswered: 0, unansweredBytes: 0, queuedBytes: 0 };
const script = ({ streams }: SomeNodes, to: string, ...fates: Fate[]): void => {
  streams.fates.set(nodeId(to), fates);
};

describe('a call', () => {
  it('is answered once, and not before it returns (K1)', async () => {
    const { a, b, time } = await someNodes();
    const outcomes = a.call(b, 'one');
    expect(outcomes).toEqual([]);
    await time.run(10_000);
    expect(outcomes).toEqual(['re:one']);
    expect(b.heard).toEqual(['a?one']);
    expect(a.links.size).toMatchObject(empty);
    expect(b.links.size).toMatchObject(empty);
  });

  it('shares one entry with everything of its turn, and so do the answers', async () => {
    const { a, b, time, streams } = await someNodes();
    const outcomes = ['1', '2', '3'].map((text) => a.call(b, text));
    a.note(b, 'n');
    await time.run();
    expect(outcomes).toEqual([['re:1'], ['re:2'], ['re:3']]);
    expect(b.heard).toEqual(['a?1', 'a?2', 'a?3', 'a!n']);
    expect(streams.sends.map(({ to }) => to)).toEqual(['b', 'a']);
  });

  it('is spread over several entries when there is much of it', async () => {
    const { a, b, time, streams } = await someNodes({ entryBytesMax: 100 });
    const outcomes = Array.from({ length: 9 }, (_, index) => a.call(b, `${String(index)}${'x'.repeat(30)}`));
    const large = a.call(b, 'y'.repeat(500));
    await time.run();
    expect(outcomes.flat()).toHaveLength(9);
    expect(large).toHaveLength(1);
    expect(b.heard.map((text) => text.slice(0, 3))).toEqual(
      '0 1 2 3 4 5 6 7 8 y'.split(' ').map((first) => `a?${first}`),
    );
    const sizes = streams.sends.filter(({ to }) => to === b.id).map(({ entry }) => entry.length);
    expect(sizes.filter((size) => size > 100)).toHaveLength(1);
    expect(sizes.length).toBeGreaterThan(4);
  });

  it('is overloaded when too many are unanswered, and the next one is not once they were answered (I9)', async () => {
    const { a, b, time } = await someNodes({ unansweredMax: 2 });
    b.held = [];
    const outcomes = ['1', '2', '3'].map((text) => a.call(b, text));
    expect(outcomes[2]).toEqual([]);
    await time.run();
    expect(outcomes).toEqual([[], [], ['overloaded']]);
    for (const { text, answer } of b.held) answer(utf8(text));
    await time.run();
    expect(outcomes).toEqual([['1'], ['2'], ['overloaded']]);
    b.held = null;
    const later = a.call(b, '4');
    await time.run();
    expect(later).toEqual(['re:4']);
  });

  it('is overloaded when too many bytes are unanswered, or wait for a full stream (I9)', async () => {
    const bytes = await someNodes({ unansweredBytesMax: 100 });
    const large = bytes.a.call(bytes.b, 'x'.repeat(100));
    await bytes.time.run();
    expect(large).toEqual(['overloaded']);

    const nodes = await someNodes({ queuedBytesMax: 100 });
    script(nodes, 'b', ...Array<Fate>(50).fill('full'));
    const first = nodes.a.call(nodes.b, 'first');
    await nodes.time.run();
    const waiting = nodes.a.call(nodes.b, 'x'.repeat(100));
    const refused = nodes.a.call(nodes.b, 'refused');
    await nodes.time.run();
    expect([first, waiting, refused]).toEqual([[], [], ['overloaded']]);
    expect(nodes.a.links.backlog(nodes.b.id)).toBeGreaterThan(1);
    expect(nodes.a.links.backlog('x' as NodeId)).toBeLessThan(0.001);
    await nodes.time.run(60_000);
    expect(first).toEqual(['re:first']);
    expect(waiting).toHaveLength(1);
  });

  it('to a node whose stream is gone is answered gone, and its caller is told of the node', async () => {
    const nodes = await someNodes();
    await nodes.streams.discard(nodes.b.id);
    const outcomes = nodes.a.call(nodes.b, 'x');
    await nodes.time.run();
    expect(outcomes).toEqual(['gone']);
    expect(nodes.a.gone).toEqual(['b']);
    expect(nodes.a.links.size).toEqual({ links: 0, ...empty });
  });

  it('to a node that is forgotten is answered gone, and nothing is kept (K5)', async () => {
    const { a, b, time } = await someNodes();
    b.held = [];
    const outcomes = [a.call(b, '1'), a.call(b, '2')];
    await time.run();
    a.links.forget(b.id);
    expect(outcomes).toEqual([['gone'], ['gone']]);
    expect(a.links.size).toEqual({ links: 0, ...empty });
    for (const { answer } of b.held) answer(utf8('late'));
    await time.run(10_000);
    expect(outcomes).toEqual([['gone'], ['gone']]);
  });

  it('when the node stops is answered gone', async () => {
    const { a, b, time } = await someNodes();
    b.held = [];
    const outcomes = a.call(b, '1');
    await time.run();
    await a.links.close();
    const later = a.call(b, '2');
    await time.run();
    expect([outcomes, later]).toEqual([['gone'], ['gone']]);
  });

  it('to itself is a bug', async () => {
    const { a } = await someNodes();
    expect(() => a.call(a, 'x')).toThrow(InvariantViolation);
  });

  it('of too many bytes is refused, and throws at nobody (I9)', async () => {
    const { a, b, time } = await someNodes({ payloadBytesMax: 10 });
    const outcomes = a.call(b, 'x'.repeat(11));
    await time.run();
    expect(outcomes).toEqual(['overloaded']);
  });
});

describe('an entry', () => {
  it.each<Fate>(['full', 'unavailable', 'unknown', 'added'])(
    'that meets "%s" is sent again as it is (K4)',
    async (fate) => {
      const nodes = await someNodes();
      const { a, b, time, streams } = nodes;
      script(nodes, 'b', fate, fate, fate);
      const first = a.call(b, '1');
      await time.run();
      const second = a.call(b, '2');
      await time.run(1_000);
      expect([first, second]).toEqual([['re:1'], ['re:2']]);
      expect(b.heard).toEqual(['a?1', 'a?2']);
      const [one, ...others] = streams.sends.filter(({ to }) => to === b.id).map(({ entry }) => [...entry]);
      expect(others.slice(0, 3)).toEqual([one, one, one]);
    },
  );

  it('that the store lost is noticed with the next one, and its requests are made again, in order (K2)', async () => {
    const nodes = await someNodes();
    const { a, b, time } = nodes;
    script(nodes, 'b', 'lost');
    const lost = ['1', '2'].map((text) => a.call(b, text));
    await time.run();
    expect(b.heard).toEqual([]);
    const next = a.call(b, '3');
    await time.run();
    expect([...lost, next]).toEqual([['re:1'], ['re:2'], ['re:3']]);
    expect(b.heard).toEqual(['a?1', 'a?2', 'a?3']);
  });

  it('that the store lost is noticed after a silence when it was the last one (K2)', async () => {
    const nodes = await someNodes({ silenceMs: 500 });
    const { a, b, time } = nodes;
    const before = a.call(b, '0');
    await time.run();
    script(nodes, 'b', 'lost');
    const lost = a.call(b, '1');
    await time.run(499);
    expect([before, lost]).toEqual([['re:0'], []]);
    await time.run(2);
    expect(lost).toEqual(['re:1']);
    expect(b.heard).toEqual(['a?0', 'a?1']);
  });

  it('with answers that the store lost has its requests asked again (K1)', async () => {
    const nodes = await someNodes({ silenceMs: 500 });
    const { a, b, time } = nodes;
    script(nodes, 'a', 'lost');
    const lost = [a.call(b, '1'), a.call(b, '2')];
    await time.run(600);
    expect(lost).toEqual([['re:1'], ['re:2']]);
    expect(b.heard).toEqual(['a?1', 'a?2', 'a?1', 'a?2']);
  });

  it('that was lost in both directions at once is made good', async () => {
    const nodes = await someNodes({ silenceMs: 500 });
    const { a, b, time } = nodes;
    a.call(b, 'x');
    b.call(a, 'y');
    await time.run();
    script(nodes, 'a', 'lost', 'lost');
    script(nodes, 'b', 'lost', 'lost');
    const outcomes = [a.call(b, '1'), b.call(a, '2')];
    await time.run();
    outcomes.push(a.call(b, '3'), b.call(a, '4'));
    await time.run(2_000);
    expect(outcomes).toEqual([['re:1'], ['re:2'], ['re:3'], ['re:4']]);
    expect([a.links.size, b.links.size]).toMatchObject([empty, empty]);
  });

  it('of nonsense is logged and dropped, and does no harm', async () => {
    const { a, b, time, streams } = await someNodes();
    streams.deliver(b.id, utf8('nonsense'));
    streams.deliver(b.id, new Uint8Array());
    const outcomes = a.call(b, '1');
    await time.run();
    expect(outcomes).toEqual(['re:1']);
    expect(b.logged).toHaveLength(2);
  });
});

describe('a slow answer', () => {
  it('is waited for: a node that says that it heard the request is not asked again', async () => {
    const { a, b, time } = await someNodes({ silenceMs: 500 });
    b.held = [];
    const outcomes = a.call(b, '1');
    await time.run(5_000);
    expect(b.heard).toEqual(['a?1']);
    for (const { answer } of b.held) answer(utf8('at last'));
    await time.run();
    expect(outcomes).toEqual(['at last']);
  });

  it('that there is no room for is lost with a sign, and asked for again (I9)', async () => {
    const nodes = await someNodes({ queuedBytesMax: 50, silenceMs: 500 });
    const { a, b, time } = nodes;
    b.held = [];
    const outcomes = [a.call(b, '1'), a.call(b, '2'), a.call(b, '3')];
    await time.run();
    script(nodes, 'a', ...Array<Fate>(4).fill('full'));
    const answers = b.held;
    b.held = null;
    b.note(a, 'fills what is under way');
    await time.run();
    for (const { answer, text } of answers) answer(utf8(text + 'x'.repeat(60)));
    await time.run(2_000);
    expect(b.logged).toEqual(['an answer was lost: too much waits']);
    expect(outcomes.map((one) => one.length)).toEqual([1, 1, 1]);
    expect(outcomes[2]).toEqual(['re:3']);
  });
});

describe('notes', () => {
  it('are handed over in order with the requests to the same node', async () => {
    const { a, b, time } = await someNodes();
    a.note(b, '1');
    a.call(b, '2');
    a.note(b, '3');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a?2', 'a!3']);
  });

  it('that the store lost are announced before a later one, and before a later request (K3)', async () => {
    const nodes = await someNodes();
    const { a, b, time } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost');
    a.note(b, '2');
    await time.run();
    a.call(b, '3');
    await time.run();
    a.note(b, '4');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap', 'a?3', 'a!4']);
  });

  it('that there is no room for are announced in their place (K3, I9)', async () => {
    const nodes = await someNodes({ queuedBytesMax: 40 });
    const { a, b, time } = nodes;
    script(nodes, 'b', 'full');
    a.note(b, '1');
    await time.run();
    for (const text of ['2', '3', '4', '5', '6']) a.note(b, text);
    await time.run(100);
    a.note(b, '7');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a!2', 'a!3', 'a!4', 'a:gap', 'a!7']);
  });

  it('are not announced as lost when a new epoch begins and none was', async () => {
    const nodes = await someNodes();
    const { a, b, time } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost');
    a.call(b, '2');
    await time.run();
    a.call(b, '3');
    await time.run();
    a.note(b, '4');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a?2', 'a?3', 'a!4']);
  });

  it('to a node that was forgotten in between are announced as possibly lost (K3)', async () => {
    const { a, b, time } = await someNodes();
    a.note(b, '1');
    await time.run();
    a.links.forget(b.id);
    a.note(b, '2');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap', 'a!2']);
  });

  it('of a node that the receiver had forgotten go on, announced as possibly lost (K3)', async () => {
    const { a, b, time } = await someNodes();
    a.note(b, '1');
    await time.run();
    b.links.forget(a.id);
    a.note(b, '2');
    await time.run();
    a.note(b, '3');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap', 'a!3']);
  });
});

describe('a node that was taken for gone', () => {
  it('has nothing handed over a second time by a late copy of an entry (K2, K5)', async () => {
    const nodes = await someNodes();
    const { a, b, time } = nodes;
    script(nodes, 'b', 'added');
    script(nodes, 'a', 'gone');
    a.note(b, '1');
    b.call(a, 'x');
    await time.run(100);
    expect(b.gone).toEqual(['a']);
    a.note(b, '2');
    await time.run(1_000);
    a.note(b, '3');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a!2', 'a!3']);
  });
});

describe('a note that was lost, and has none behind it', () => {
  it('is found when nothing has confirmed it for a while, and then there is nothing more to say (K3)', async () => {
    const nodes = await someNodes({ silenceMs: 500 });
    const { a, b, time, streams } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost');
    a.note(b, '2');
    await time.run(5_000);
    expect(b.heard).toEqual(['a!1', 'a:gap']);
    const sends = streams.sends.length;
    await time.run(60_000);
    expect(streams.sends.length).toBe(sends);
    a.note(b, '3');
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap', 'a!3']);
  });

  it('is found, too, when it was the last of an epoch that has ended since', async () => {
    const nodes = await someNodes({ silenceMs: 500 });
    const { a, b, time } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost', 'sent', 'lost');
    a.note(b, '2');
    await time.run(10_000);
    expect(b.heard).toEqual(['a!1', 'a:gap']);
  });
});

describe('after a reconnect to the store', () => {
  it('a probe finds the last note lost, and the receiver hears of it (K3)', async () => {
    const nodes = await someNodes({ silenceMs: 120_000 });
    const { a, b, time } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost');
    a.note(b, '2');
    await time.run(60_000);
    expect(b.heard).toEqual(['a!1']);
    a.links.probe();
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap']);
  });

  it('a probe asks nobody when everything was confirmed', async () => {
    const { a, b, time, streams } = await someNodes();
    a.call(b, '1');
    await time.run();
    a.links.probe();
    await time.run();
    const sends = streams.sends.length;
    a.links.probe();
    await time.run();
    expect(streams.sends.length).toBe(sends);
  });

  it('a stream that was created anew has every known node asked what was lost', async () => {
    const nodes = await someNodes();
    const { a, b, time, streams } = nodes;
    a.note(b, '1');
    await time.run();
    script(nodes, 'b', 'lost');
    a.note(b, '2');
    await time.run();
    streams.reset(b.id);
    await time.run();
    expect(b.heard).toEqual(['a!1', 'a:gap']);
  });
});

describe('a node of the same name as an earlier one', () => {
  it('is heard, although the epochs of the earlier one were higher', async () => {
    const { a, b, time, streams } = await someNodes();
    a.note(b, 'old');
    await time.run();
    await a.links.close();
    // Without being told, it would be taken for a late copy for ever.
    expect(seededRandom(LOWER).uint32()).toBeLessThan(seededRandom(1).uint32());
    const again = new ANode('a', streams, time, {}, LOWER);
    await again.links.open();
    const outcomes = again.call(b, 'new');
    await time.run(10_000);
    expect(outcomes).toEqual(['re:new']);
    expect(b.heard).toEqual(['a!old', 'a:gap', 'a?new']);
  });
});

describe('the number of links', () => {
  it('is bounded: an idle one makes room, and without one the newcomer is refused (I9)', async () => {
    const { a, b, time, streams } = await someNodes({ linksMax: 1 });
    const c = new ANode('c', streams, time, {}, 3);
    await c.links.open();
    b.held = [];
    const busy = a.call(b, '1');
    await time.run();
    const refused = a.call(c, '2');
    await time.run();
    expect(refused).toEqual(['overloaded']);
    for (const { answer } of b.held) answer(utf8('ok'));
    await time.run();
    expect(busy).toEqual(['ok']);
    const accepted = a.call(c, '3');
    await time.run();
    expect(accepted).toEqual(['re:3']);
    expect(a.links.size.links).toBe(1);
  });
});
