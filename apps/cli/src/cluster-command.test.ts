import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '@millrace/local-redis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clusterCommand } from './cluster-command.ts';
import type { ClusterAnswer, MemberAnswer, PartitionAnswer } from './cluster/cluster-answer.ts';
import { clusterLines, isAllServed, partitionLines, ranges } from './cluster/cluster-table.ts';
import { exitCode, parseCommandLine } from './command.ts';
import { readEnvironment } from './environment.ts';
import type { Terminal } from './terminal.ts';

const partition = (number: number, more: Partial<PartitionAnswer> = {}): PartitionAnswer => ({
  partition: number,
  epoch: 3,
  gen: 1,
  commitNo: 1_000 + number,
  serving: true,
  queued: 0,
  undiffused: 0,
  ...more,
});

const member = (name: string, owned: number, partitions: readonly PartitionAnswer[] | null): MemberAnswer => ({
  name,
  roles: ['gateway', 'actors'],
  draining: false,
  owned,
  status: partitions === null ? null : { viewVersion: 12, coordinator: 'node-1', usersAttached: 1_200, partitions },
});

const calm: ClusterAnswer = {
  version: 12,
  owners: ['node-1', 'node-1', 'node-2', 'node-2'],
  members: [
    member('node-1', 2, [partition(0), partition(1, { queued: 4, undiffused: 7 })]),
    member('node-2', 2, [partition(2), partition(3)]),
  ],
  unserved: [],
};

/** One drains and still has what is to go, one is silent, one partition has no owner. */
const rough: ClusterAnswer = {
  version: 12,
  owners: ['node-1', 'node-1', 'node-1', 'node-3', 'node-3', null],
  members: [
    member('node-1', 3, [partition(0), partition(1, { serving: false, epoch: 0, gen: 0, commitNo: 0 })]),
    { ...member('node-2', 0, [partition(1), partition(2)]), draining: true, roles: ['actors'] },
    member('node-3', 2, null),
  ],
  unserved: [3, 4, 5],
};

describe('the table of a cluster', () => {
  it('has a line for each node, marks the coordinator, and says that nothing moves or is unserved', () => {
    expect(clusterLines(calm).join('\n')).toBe(
      [
        'view 12: 2 nodes, 4 partitions',
        '',
        '  node    roles           state    partitions  users  queued  lag',
        '* node-1  gateway,actors  serving           2  1,200       4    7',
        '  node-2  gateway,actors  serving           2  1,200       0    0',
        '',
        '* coordinates',
        'moving: none',
        'unserved: none',
      ].join('\n'),
    );
    expect(isAllServed(calm)).toBe(true);
  });

  it('shows who drains and who is silent, what moves, and what nobody serves', () => {
    expect(clusterLines(rough).join('\n')).toBe(
      [
        'view 12: 3 nodes, 6 partitions',
        '',
        '  node    roles           state     partitions  users  queued  lag',
        '* node-1  gateway,actors  serving       1 of 3  1,200       0    0',
        '  node-2  actors          draining      2 of 0  1,200       0    0',
        '  node-3  gateway,actors  silent             2      -       -    -',
        '',
        '* coordinates',
        'moving: 1-2 from node-2 to node-1',
        'unserved: 3-5 (3 of 6 partitions)',
      ].join('\n'),
    );
    expect(isAllServed(rough)).toBe(false);
    expect(isAllServed({ ...calm, members: [...calm.members, member('node-3', 0, null)] })).toBe(false);
    expect(isAllServed({ ...calm, members: [] })).toBe(false);
  });

  it('says when the nodes disagree: about who coordinates, and by which view they go', () => {
    const [one, two] = calm.members;
    if (!one?.status || !two?.status) throw new Error('there are two');
    const late = { ...two, status: { ...two.status, coordinator: 'node-2', viewVersion: 11 } };
    expect(clusterLines({ ...calm, members: [one, late] })).toEqual(
      expect.arrayContaining(['coordinator: the nodes disagree, they name node-1, node-2', 'node-2 goes by view 11']),
    );
    const alone = { ...calm, members: [{ ...one, status: { ...one.status, coordinator: null } }] };
    expect(clusterLines(alone)).toContain('coordinator: not known');
  });

  it('has a line for each partition when asked, by its owner and where it stands', () => {
    expect(partitionLines(rough).join('\n')).toBe(
      [
        'partition  owner   state            epoch  generation  commit  lag',
        '        0  node-1  served               3           1    1000    0',
        '        1  node-1  still at node-2      3           1    1001    0',
        '        2  node-1  still at node-2      3           1    1002    0',
        '        3  node-3  unserved             -           -       -    -',
        '        4  node-3  unserved             -           -       -    -',
        '        5  nobody  unserved             -           -       -    -',
      ].join('\n'),
    );
    expect([ranges([]), ranges([5]), ranges([9, 1, 2, 3, 7, 8])]).toEqual(['', '5', '1-3, 7-9']);
  });
});

describe('millrace cluster', () => {
  let dir = '';
  let server: Server;
  let url = '';
  let out: string[];
  let notes: string[];
  let cleared = 0;
  let interrupt: AbortController;
  const keys: (string | undefined)[] = [];
  let answers: (readonly [number, unknown])[] = [];
  /** Called at each request, before it is answered. */
  let onAsked: () => void = () => undefined;

  beforeEach(async () => {
    dir = mkdtempSync(join(tmpdir(), 'millrace-cli-'));
    [out, notes, cleared, interrupt] = [[], [], 0, new AbortController()];
    keys.length = 0;
    onAsked = () => undefined;
    server = createServer((request, response) => {
      keys.push(request.headers.authorization);
      onAsked();
      const [status, body] = (answers.length > 1 ? answers.shift() : answers[0]) ?? [500, {}];
      response.writeHead(request.url === '/api/v1/cluster' ? status : 404);
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
    answers = [[200, calm]];
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
    rmSync(dir, { recursive: true });
  });

  const run = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<number> => {
    const args = parseCommandLine(clusterCommand, argv);
    if (!args.ok) throw new Error(args.error);
    const terminal: Terminal = {
      out: (line) => out.push(line),
      note: (line) => notes.push(line),
      status: () => undefined,
      clear: () => {
        cleared += 1;
      },
      isInteractive: false,
      columns: 80,
      interrupted: interrupt.signal,
    };
    const environment = readEnvironment({ MILLRACE_DATA_DIR: dir, MILLRACE_URL: url, ...env });
    return clusterCommand.run(args.value, { terminal, environment });
  };

  it('ends with 0 when everything is served and with 1 when not', async () => {
    expect(await run(['--key', 'k'])).toBe(exitCode.done);
    expect(out).toEqual(clusterLines(calm));
    answers = [[200, rough]];
    expect(await run(['--key', 'k', '--partitions'])).toBe(exitCode.failed);
    expect(out.at(-1)).toMatch(/ 5 {2}nobody {2}unserved/);
  });

  it('takes the key that it is given, else that of the environment, else that of the development server', async () => {
    writeFileSync(join(dir, 'dev-api-key'), 'of-the-file\n');
    await run(['--key', 'given'], { MILLRACE_API_KEY: 'of-the-environment' });
    await run([], { MILLRACE_API_KEY: 'of-the-environment' });
    await run([], { MILLRACE_API_KEY: '' });
    expect(keys).toEqual(['Bearer given', 'Bearer of-the-environment', 'Bearer of-the-file']);
  });

  it('prints the answer of the server as it is, on request', async () => {
    expect(await run(['--key', 'k', '--json'])).toBe(exitCode.done);
    expect(JSON.parse(out.join('\n'))).toEqual(calm);
    expect(out[0]).toContain('\n');
  });

  it('looks again and again until it is interrupted, also over a server that is away, and ends with what it saw last', async () => {
    answers = [
      [200, calm],
      [503, { error: { message: 'this node is about to go' } }],
      [200, rough],
    ];
    onAsked = () => {
      if (keys.length === 4) interrupt.abort();
    };
    expect(await run(['--key', 'k', '--watch', '--json'])).toBe(exitCode.failed);
    expect(out.map((line) => (JSON.parse(line) as ClusterAnswer).unserved)).toEqual([[], [3, 4, 5]]);
    expect(notes).toEqual([`${url} does not tell of its cluster: this node is about to go`]);
    expect(cleared).toBe(0);
  });

  it('empties the screen between two looks at the table', async () => {
    onAsked = () => {
      if (keys.length === 3) interrupt.abort();
    };
    expect(await run(['--key', 'k', '--watch'])).toBe(exitCode.done);
    expect([out.length, cleared]).toEqual([2 * clusterLines(calm).length, 1]);
  });

  it.each([
    [
      [401, { error: { message: 'this API key is not known' } }],
      exitCode.misused,
      /refuses the API key: this API key is/,
    ],
    [
      [403, { error: { message: 'it has not the scope admin' } }],
      exitCode.misused,
      /one with the scope admin: by --key/,
    ],
    [[503, { error: { message: 'ask again soon' } }], exitCode.failed, /does not tell of its cluster: ask again soon/],
    [[404, {}], exitCode.misused, /does not tell of its cluster: HTTP status 404/],
    [[200, '<html>'], exitCode.misused, /is this a Millrace server\?/],
    [[200, {}], exitCode.misused, /is this a Millrace server\?/],
  ] as const)('explains %j and ends with %i', async (answer, code, why) => {
    answers = [answer];
    expect(await run(['--key', 'k', '--watch'].slice(0, code === exitCode.failed ? 2 : 3))).toBe(code);
    expect(notes.join()).toMatch(why);
    expect(out).toEqual([]);
  });

  it.each([
    [['nodes'], /takes options only/],
    [['--key', 'k', '--json', '--partitions'], /has the partitions already/],
    [['--url', 'ws://127.0.0.1:1'], /must begin with http/],
    [['--key', 'with space'], /printable characters/],
    [[], /no development key at .*dev-api-key/],
  ])('refuses %j and says why', async (argv, why) => {
    expect(await run(argv)).toBe(exitCode.misused);
    expect(notes.join()).toMatch(why);
    expect(keys).toEqual([]);
  });

  it('says that nothing answers', async () => {
    expect(await run(['--key', 'k', '--url', `http://127.0.0.1:${String(await freePort())}`])).toBe(exitCode.failed);
    expect(notes.join()).toMatch(/Nothing answers at .* Start a server/);
  });
});
