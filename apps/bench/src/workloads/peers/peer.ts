import type { TargetKind } from '../../load/load-plan.ts';

/** Another program that passes messages on, as it is set up here. */
export interface Peer {
  readonly name: Exclude<TargetKind, 'millrace' | 'relay'>;
  /** Below `apps/bench/peers`. */
  readonly program: string;
  /** Whose versions are told. */
  readonly packages: readonly string[];
  /** Whether it keeps something in a Redis of its own. */
  readonly hasRedis: boolean;
  readonly setUp: string;
  /** What an acknowledgement of it tells. */
  readonly ack: string;
  /** Of what Millrace does for each message in the same run, what it does not do: name and sentence. */
  readonly lacks: Readonly<Record<'store' | 'inbox' | 'dedupe' | 'history', string>>;
}

export const peers: readonly Peer[] = [
  {
    name: 'socket.io',
    program: 'socket-io.mjs',
    packages: ['socket.io', '@socket.io/redis-streams-adapter', 'ioredis'],
    hasRedis: true,
    setUp:
      'over ws, with the Redis Streams adapter and connection state recovery, a room for each user and one for all',
    ack: 'the server has taken the message; whether Redis has it is not waited for',
    lacks: {
      store: 'one stream keeps about the last 10,000 packets of everybody; nothing is kept by conversation',
      inbox: 'who was away for longer than two minutes gets nothing of what was missed',
      dedupe: 'what is sent again is delivered again',
      history: 'there is none to ask for',
    },
  },
  {
    name: 'colyseus',
    program: 'colyseus.mjs',
    packages: ['@colyseus/core', '@colyseus/ws-transport'],
    hasRedis: false,
    setUp: 'over ws, one room for all, messages as bytes',
    ack: 'a message that the room sends back: the server has taken it',
    lacks: {
      store: 'nothing leaves the memory of the process',
      inbox: 'who is away gets nothing of what was missed',
      dedupe: 'what is sent again is delivered again',
      history: 'there is none to ask for',
    },
  },
];

/** Those that were asked for, all when none was. @throws for a name that is none. */
export function chosenPeers(names: readonly string[]): readonly Peer[] {
  const unknown = names.filter((name) => !peers.some((peer) => peer.name === name));
  if (unknown.length > 0) {
    throw new Error(`There is no peer ${unknown.join(', ')}; there are ${peers.map(({ name }) => name).join(', ')}.`);
  }
  return names.length === 0 ? peers : peers.filter(({ name }) => names.includes(name));
}
