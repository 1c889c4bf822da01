import { utf8 } from '@millrace/kernel';
import { describe, expect, it } from 'vitest';
import type { Fate } from './testing/scripted-streams.ts';
import { ANode, someNodes } from './testing/some-nodes.ts';

describe('a call, over all links of a node', () => {
  it('is overloaded when too many bytes are unanswered by all nodes together, and not when they are answered or gone (I9)', async () => {
    const { a, b, time, streams } = await someNodes({ unansweredBytesMax: 100, unansweredBytesOverAllMax: 160 });
    const c = new ANode('c', streams, time, {}, 3);
    await c.links.open();
    [b.held, c.held] = [[], []];
    const outcomes = [a.call(b, 'x'.repeat(60)), a.call(c, 'y'.repeat(60)), a.call(c, 'z')];
    await time.run();
    expect(outcomes).toEqual([[], [], ['overloaded']]);
    b.held.map(({ answer }) => answer(utf8('done')));
    await time.run();
    expect(a.call(c, 'z')).toEqual([]);
    await time.run();
    a.links.forget(c.id);
    const [first, second] = [a.call(b, 'x'.repeat(70)), a.call(b, 'x'.repeat(70))];
    await time.run();
    expect([first, second]).toEqual([[], ['overloaded']]);
  });

  it('is overloaded when too many bytes wait for all nodes together, and notes are lost and announced (I9)', async () => {
    const { a, b, time, streams } = await someNodes({ queuedBytesMax: 100, queuedBytesOverAllMax: 150 });
    const c = new ANode('c', streams, time, {}, 3);
    await c.links.open();
    const d = new ANode('d', streams, time, {}, 4);
    await d.links.open();
    streams.fates.set(b.id, Array<Fate>(50).fill('full'));
    streams.fates.set(c.id, Array<Fate>(50).fill('full'));
    // Of each the first is packed, and the second waits behind it.
    for (const to of [b, c]) a.call(to, 'first');
    await time.run();
    for (const to of [b, c]) a.call(to, 'x'.repeat(70));
    await time.run();
    const refused = a.call(d, 'refused');
    a.note(d, 'lost');
    await time.run();
    expect(refused).toEqual(['overloaded']);
    expect(d.heard).toEqual(['a:gap']);
    // What is not sent any more counts no more.
    a.links.forget(b.id);
    const taken = a.call(d, 'taken');
    await time.run();
    expect(taken).toEqual(['re:taken']);
  });
});
