import { parseArgs } from 'node:util';
import { err, ok, type Result } from '@millrace/kernel';
import type { Encoding } from '@millrace/protocol';
import { CROSSING_SECONDS } from './workloads/crossing-shape.ts';

export const workloads = [
  'direct',
  'group',
  'huge-group',
  'lobby',
  'crossing',
  'burst',
  'sync',
  'idle',
  'disk',
  'replicated',
  'scale-out',
  'commit',
  'memory',
  'profile',
  'growth',
  'failover',
  'replay',
  'history',
  'search',
  'peers',
  'redis-floor',
  'ws-floor',
  'all',
] as const;
export type Workload = (typeof workloads)[number];
/** A fifth of what a server can be told to take, for `huge-group` grows to five times as many. */
const MEMBERS = [3, 20_000] as const;
/** What a server takes by default. */
const LOBBY_MEMBERS_MAX = 1_000;
/** Measured by default, where it is not ten. */
const secondsOf: Partial<Record<Workload, number>> = {
  sync: 2,
  growth: 3,
  lobby: 5,
  peers: 5,
  crossing: CROSSING_SECONDS,
};
/** Of one measurement, and not of where it goes. */
const HANDED_ON = [
  'rounds',
  'seconds',
  'warmup',
  'ack',
  'engine',
  'encoding',
  'nodes',
  'masters',
  'scale',
  'corpus',
] as const;
/** A fault takes a minute or more, and a history is as long as its corpus. */
const roundsOf: Partial<Record<Workload, number>> = { profile: 1, growth: 2, failover: 1, history: 1, search: 1 };
export type EngineChoice = 'auto' | 'uws' | 'ws';
export const ackLevels = ['memory', 'disk', 'replicated'] as const;
export type AckLevel = (typeof ackLevels)[number];

export interface BenchOptions {
  readonly workload: Workload;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  /** Null: written under reports/ only. */
  readonly json: string | null;
  /** A server that runs already; null starts one. */
  readonly url: string | null;
  readonly tokenSecretFile: string | null;
  readonly ackLevel: AckLevel;
  readonly engine: EngineChoice;
  /** In which the load speaks to a server where users write to each other. */
  readonly encoding: Encoding;
  /** How many servers are started, over one Redis. */
  readonly nodes: number;
  /** Masters of a Redis Cluster that is started for them; 0: one Redis, and no Cluster. */
  readonly masters: number;
  /** Fewer users, for a test of the bench itself: a share of the workload's, 0..1. */
  readonly scale: number;
  /** Of the group of `huge-group` and `crossing`, of each lobby; null for the workload's own. */
  readonly members: number | null;
  /** For `replay`, `history` and `search`, which takes several with commas; null: one that is made. */
  readonly corpus: string | null;
  /** Of `failover` the faults that are wanted, of `peers` the peers, of `growth` what grows, by name; empty: all that there are. */
  readonly only: readonly string[];
  /** Of `all`: nothing is gone on with. */
  readonly anew: boolean;
  /** Options of a measurement that were given, as words: those that `all` hands on to each workload. */
  readonly given: readonly string[];
  /** Of `idle`: as many connections as take more than one server. Of `growth`: the largest sizes. Of `all`: what takes long, too. */
  readonly long: boolean;
  /** Where reports go. */
  readonly reports: string;
}

export const usage = `Usage: npm run bench -- WORKLOAD [options]

Workloads:
  direct        500 users in 250 pairs write to each other: saturated, then at 1,000 and 10,000 a second
  group         one group of 100 and one of 500, all online: at 20 a second, then saturated
  huge-group    10,000 online in one group: one message at a time, then saturated; the same with 50,000 members
  lobby         1,000 lobbies of 50: created, joined, 100 of them at 20 messages a second, all saturated, dropped
  crossing      one group grown from 2 to 12,000 members and back, while 50 write
  burst         ten times the rate that the pairs just reached, for five seconds: into one node, then into all
  sync          a device that missed 10,000 messages logs in; then 10,000 devices come back at once
  idle          10,000 connections that say nothing: bytes each, and CPU; with --long 50,000 over four servers
  disk          direct, saturated, at ack level disk beside ack level memory
  replicated    the same at ack level replicated
  scale-out     direct, saturated, on two nodes and two Redis masters beside one of each, with twice the users
  commit        entries by the store of a node, with all that it checks, beside XADD by redis-benchmark
  memory        what Redis keeps of a message, of an inbox record and of a quiet conversation
  profile       where the server's CPU time of a message goes, step by step: pairs and groups, saturated
  growth        CPU time of a message against conversations, stored messages, members and connections; with --long up to
                1,000,000 conversations and 5,000,000 messages
  failover      nodes and Redis are killed, stopped, cut off, added and drained under load: the longest pause of a client
  replay        a corpus of real conversations is sent through the server, and read back as every member
  history       a corpus is archived while it is sent, and read back by pages from anywhere in both directions
  search        a corpus is imported, indexed and searched: messages a second, how soon each is found, how fast
  peers         Socket.IO and Colyseus beside Millrace and ws-floor: pairs and a group, saturated, then at 1,000 a second
  all           one after the other in under 40 minutes, gone on with where it was ended; with --long all that there is
  ws-floor      the socket engine passes messages on, nothing stored (direct and group shapes)
  redis-floor   redis-benchmark, XADD of 200 bytes, 16 in a pipeline

Options:
  --rounds N          Rounds, each with a server and a floor of its own; the median counts. Default: 5,
                      for growth 2, for profile, failover, history and search 1
  --seconds N         Measured time of each part of a round. Default: 10, for lobby and peers 5, for growth 3, for sync 2, for each
                      size of crossing 1.5
  --warmup N          Seconds before it that are not measured. Default: 2, for sync 0.5
  --json FILE         Also writes the result to FILE.
  --url URL           Measures the server at this HTTP address instead of starting one.
  --token-secret-file FILE
                      Signs users' tokens for --url. Default: .millrace/dev-jwt-secret
  --ack LEVEL         memory (the default), disk, or replicated: then each Redis that is started has one replica.
  --engine ENGINE     auto (the default), uws or ws.
  --encoding NAME     What the load of direct, group, burst, disk and profile speaks: binary (the default) or json.
  --nodes N           Servers, over one Redis. Default: 1, for burst 2
  --masters N         Masters of a Redis Cluster in the place of that one Redis, up to 3.
  --scale SHARE       Fewer users: a share of the workload's, above 0 and up to 1. For trying the bench itself.
  --members N         Members of huge-group that are online (default 10,000), of each lobby (default 50, at most 1,000), of
                      crossing at the most (default 12,000).
  --corpus FILE       For replay, history and search (several with commas): as the command line's replay takes it. Default:
                      conversations that are made up, of search with --long 2,000,000 messages.
  --only NAME,NAME    Of failover: only these faults. Of peers: only these. Of growth: only what grows in these ways
                      (conversations, messages, members, connections). Of all: only these workloads.
  --long              Also what takes long: 50,000 connections of idle, the largest sizes of growth; of all, the large
                      workloads.
  --anew              Of all: begins anew, whatever was done before.
  --reports DIR       Where the JSON and HTML reports go. Default: reports`;

const isOneOf = <T extends string>(values: readonly T[], value: string): value is T =>
  (values as readonly string[]).includes(value);

function numberOf(text: string | undefined, name: string, fallback: number, max: number): Result<number, string> {
  const value = text === undefined ? fallback : Number(text);
  if (text !== '' && Number.isFinite(value) && value > 0 && value <= max) return ok(value);
  return err(`--${name} must be a number above 0 and up to ${String(max)}, got "${text ?? ''}".`);
}

function membersOf(text: string | undefined, workload: Workload): Result<number | null, string> {
  if (text === undefined) return ok(null);
  const members = Number(text);
  const most = workload === 'lobby' ? LOBBY_MEMBERS_MAX : MEMBERS[1];
  if (Number.isInteger(members) && members >= MEMBERS[0] && members <= most) return ok(members);
  return err(`--members must be a whole number from ${String(MEMBERS[0])} to ${String(most)}, got "${text}".`);
}

/** @returns `help` when that was asked for. */
export function parseBenchOptions(argv: readonly string[]): Result<BenchOptions | 'help', string> {
  let parsed;
  try {
    parsed = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        warmup: { type: 'string' },
        json: { type: 'string' },
        url: { type: 'string' },
        'token-secret-file': { type: 'string' },
        ack: { type: 'string' },
        engine: { type: 'string' },
        encoding: { type: 'string' },
        nodes: { type: 'string' },
        masters: { type: 'string' },
        scale: { type: 'string' },
        members: { type: 'string' },
        corpus: { type: 'string' },
        only: { type: 'string' },
        long: { type: 'boolean' },
        anew: { type: 'boolean' },
        reports: { type: 'string' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  const { values, positionals } = parsed;
  if (values.help === true) return ok('help');
  const [workload, ...more] = positionals;
  if (workload === undefined || more.length > 0 || !isOneOf(workloads, workload)) {
    return err(`Name one workload: ${workloads.join(', ')}.`);
  }
  const rounds = numberOf(values.rounds, 'rounds', roundsOf[workload] ?? 5, 1_000);
  if (!rounds.ok) return rounds;
  if (!Number.isInteger(rounds.value)) return err('--rounds must be a whole number.');
  const seconds = numberOf(values.seconds, 'seconds', secondsOf[workload] ?? 10, 3_600);
  if (!seconds.ok) return seconds;
  const warmup = numberOf(values.warmup, 'warmup', workload === 'sync' ? 0.5 : 2, 600);
  if (!warmup.ok) return warmup;
  const scale = numberOf(values.scale, 'scale', 1, 1);
  if (!scale.ok) return scale;
  const members = membersOf(values.members, workload);
  if (!members.ok) return members;
  const nodes = numberOf(values.nodes, 'nodes', workload === 'burst' ? 2 : 1, 9);
  if (!nodes.ok) return nodes;
  if (!Number.isInteger(nodes.value)) return err('--nodes must be a whole number.');
  const masters = values.masters === undefined ? ok(0) : numberOf(values.masters, 'masters', 0, 3);
  if (!masters.ok) return masters;
  if (!Number.isInteger(masters.value)) return err('--masters must be a whole number.');
  const ackLevel = values.ack ?? 'memory';
  if (!isOneOf(ackLevels, ackLevel)) return err(`--ack must be ${ackLevels.join(', ')}, got "${ackLevel}".`);
  const engine = values.engine ?? 'auto';
  if (!isOneOf(['auto', 'uws', 'ws'] as const, engine))
    return err(`--engine must be auto, uws or ws, got "${engine}".`);
  const encoding = values.encoding ?? 'binary';
  if (!isOneOf(['binary', 'json'] as const, encoding))
    return err(`--encoding must be binary or json, got "${encoding}".`);
  return ok({
    workload,
    rounds: rounds.value,
    seconds: seconds.value,
    warmupSeconds: warmup.value,
    json: values.json ?? null,
    url: values.url?.replace(/\/+$/, '') ?? null,
    tokenSecretFile: values['token-secret-file'] ?? null,
    ackLevel,
    engine,
    encoding,
    nodes: nodes.value,
    masters: masters.value,
    scale: scale.value,
    members: members.value,
    corpus: values.corpus ?? null,
    only: values.only?.split(',').filter((name) => name !== '') ?? [],
    anew: values.anew === true,
    given: HANDED_ON.flatMap((name) => {
      const value = values[name];
      return value === undefined ? [] : [`--${name}`, value];
    }),
    long: values.long === true,
    reports: values.reports ?? 'reports',
  });
}
