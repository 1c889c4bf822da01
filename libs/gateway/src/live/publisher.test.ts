import type { Encoded } from '@millrace/protocol';
import { describe, expect, it } from 'vitest';
import { Publisher, SOCKETS_PER_TURN, type Topic } from './publisher.ts';

function aPublisher() {
  const turns: (() => void)[] = [];
  const done: string[] = [];
  const publisher = new Publisher<Topic>({
    timers: { after: () => () => undefined, soon: (run) => turns.push(run) },
    publish: ({ name }, message) => done.push(`${name} ${String(message)}`),
    flush: () => done.push('flush'),
    shed: ({ name }) => done.push(`shed ${name}`),
  });
  const turn = (): string[] => {
    for (const run of turns.splice(0)) run();
    return done.splice(0);
  };
  return { publisher, turn, turns };
}

const topic = (name: string, size: number): Topic => ({ name, size, encoding: 'json' });
const frame = (text: string): Encoded => text;

describe('what is published to many sockets', () => {
  it('goes to a bounded number of them in a turn, each topic in order', () => {
    const { publisher, turn, turns } = aPublisher();
    const topics = ['a', 'b', 'c', 'd'].map((name) => topic(name, SOCKETS_PER_TURN / 2));
    for (const each of topics) publisher.add(each, frame('1'));
    publisher.add(topic('one', SOCKETS_PER_TURN * 2), frame('1'));
    expect(turn()).toEqual(['a 1', 'b 1', 'flush']);
    expect(turn()).toEqual(['c 1', 'd 1', 'flush']);
    expect(turn()).toEqual(['one 1', 'flush']);
    expect(turns).toEqual([]);
  });

  it('gathers while a topic waits for its turn, and leaves as one message', () => {
    const { publisher, turn } = aPublisher();
    const [first, second] = [topic('a', SOCKETS_PER_TURN), topic('b', SOCKETS_PER_TURN)];
    publisher.add(first, frame('1'));
    publisher.add(second, frame('1'));
    turn();
    publisher.add(second, frame('2'));
    publisher.add(first, frame('2'));
    expect(turn()).toEqual(['b [1,2]', 'flush']);
    expect(turn()).toEqual(['a 2', 'flush']);
  });

  it('is left out, and that is said, when too much waits (I9)', () => {
    const { publisher, turn } = aPublisher();
    const large = topic('large', 1);
    publisher.add(large, frame('x'.repeat(1_000_000)));
    publisher.add(large, frame('x'.repeat(100_000)));
    const many = topic('many', 1);
    for (let count = 0; count <= 200; count += 1) publisher.add(many, frame('1'));
    expect(turn()).toEqual(['shed large', 'shed many', 'flush']);
    publisher.add(many, frame('2'));
    expect(turn()).toEqual(['many 2', 'flush']);
  });

  it('goes out at once when somebody begins or ends to listen', () => {
    const { publisher, turn } = aPublisher();
    const some = topic('some', 3);
    publisher.finish(some);
    publisher.add(some, frame('1'));
    publisher.finish(some);
    expect(turn()).toEqual(['some 1', 'flush']);
  });
});
