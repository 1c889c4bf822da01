import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { exitCode, parseCommandLine } from './command.ts';
import { readEnvironment } from './environment.ts';
import { explainCommand } from './explain-command.ts';
import type { StepAnswer, StoryAnswer } from './explain/story-answer.ts';
import { storyLines } from './explain/story-table.ts';
import type { Terminal } from './terminal.ts';

/** 2023-11-14 22:13:20 in UTC. */
const AT = 1_700_000_000_000;
const DAY_MS = 86_400_000;

const traced = (step: string, node: string, afterMs: number, more: Partial<StepAnswer> = {}): StepAnswer => ({
  step,
  known: 'traced',
  node,
  at: AT + afterMs,
  tookMs: null,
  why: [],
  ...more,
});

const untraced = (
  step: string,
  known: 'stored' | 'not',
  why: StepAnswer['why'],
  more: Partial<StepAnswer> = {},
): StepAnswer => ({
  ...traced(step, '', 0),
  known,
  node: null,
  at: null,
  why,
  ...more,
});

/** Everything is traced; one of bob's devices has it, another one not; cleo has none. */
const story: StoryAnswer = {
  conversation: 'team',
  kind: 'group',
  gen: 1,
  seq: 3,
  head: { gen: 1, seq: 9 },
  message: { from: 'alice', device: 'phone', n: 2, type: 'text', at: AT, bytes: 40 },
  steps: [
    traced('accepted', 'n1', -1, { via: 'socket', session: 's1', retries: 1 }),
    traced('routed', 'n1', -1, { tookMs: 4.5, to: 'n2', way: 'node_stream', waitedMs: 0.1, tries: 1 }),
    traced('sequenced', 'n2', 0, { partition: 5, epoch: 3, waitedMs: 0.25 }),
    traced('committed', 'n2', 2, { tookMs: 1.5, commitNo: 41, commands: 2, level: 'disk', again: false }),
    traced('acked', 'n1', 4, { tookMs: 5 }),
    traced('diffused', 'n2', 16, {
      tookMs: 14,
      recipients: 5,
      looked: 3,
      reached: 3,
      delivered: { count: 5, firstAt: AT + 3, lastAt: AT + 16 },
      pushed: { count: 3, firstAt: AT + 4, lastAt: AT + 9 },
      gateways: [
        { node: 'n1', count: 2, firstAt: AT + 4, lastAt: AT + 5 },
        { node: 'n2', count: 1, firstAt: AT + 9, lastAt: AT + 9 },
      ],
    }),
    traced('indexed', 'n2', 20, { tookMs: 3 }),
  ],
  recipients: { count: 5, delivered: 2, read: 1 },
  members: [
    {
      user: 'alice',
      role: 'owner',
      isAuthor: true,
      inbox: { state: 'there', seq: 30, at: AT + 3, tookMs: 0.5 },
      delivered: false,
      read: false,
      deliveredAt: null,
      readAt: null,
      devices: [
        {
          device: 'phone',
          node: 'n1',
          session: 's1',
          state: 'author',
          at: AT + 4,
          pushedAt: null,
          told: null,
          resynced: null,
        },
      ],
    },
    {
      user: 'bob',
      role: 'member',
      isAuthor: false,
      inbox: { state: 'there', seq: 1_200, at: null, tookMs: null },
      delivered: true,
      read: true,
      deliveredAt: AT + 50,
      readAt: null,
      devices: [
        {
          device: 'laptop',
          node: 'n2',
          session: 's2',
          state: 'applied',
          at: AT + 50,
          pushedAt: AT + 5,
          told: null,
          resynced: null,
        },
        {
          device: 'tablet',
          node: null,
          session: null,
          state: 'behind',
          at: null,
          pushedAt: null,
          told: { gen: 1, seq: 1_100, at: AT - DAY_MS },
          resynced: null,
        },
      ],
    },
    {
      user: 'cleo',
      role: null,
      isAuthor: false,
      inbox: { state: 'gone', seq: null, at: null, tookMs: null },
      delivered: false,
      read: false,
      deliveredAt: null,
      readAt: null,
      devices: [],
    },
  ],
  nodes: [
    { name: 'n1', state: 'told', since: AT - DAY_MS, messagesFrom: AT - 60_000, copiesFrom: AT - 1_000 },
    { name: 'n2', state: 'told', since: AT - 5_000, messagesFrom: null, copiesFrom: null },
  ],
};

/** Nothing is traced, for every reason that there is. */
const cold: StoryAnswer = {
  ...story,
  steps: [
    untraced('accepted', 'not', [
      { code: 'silent', nodes: ['n1'] },
      { code: 'off', nodes: ['n2', 'n3'] },
    ]),
    untraced('routed', 'not', [{ code: 'control', nodes: [] }]),
    untraced('sequenced', 'stored', [{ code: 'restarted', nodes: ['n1'] }], { at: AT, partition: 5, epoch: null }),
    untraced('committed', 'stored', [{ code: 'pushed_out', nodes: ['n1', 'n2'] }]),
    untraced('acked', 'not', [{ code: 'not_noted', nodes: [] }]),
    untraced('diffused', 'not', [{ code: 'moonlight', nodes: ['n4'] }], { recipients: 1, looked: 1, reached: 0 }),
  ],
  recipients: { count: 1, delivered: 0, read: 0 },
  members: story.members.slice(0, 1),
  nodes: [
    { name: 'n1', state: 'silent', since: null, messagesFrom: null, copiesFrom: null },
    { name: 'n2', state: 'off', since: null, messagesFrom: null, copiesFrom: null },
  ],
};

describe('the lines of a story', () => {
  it('go step by step, also one that this program does not know, then recipient by recipient', () => {
    expect(storyLines(story).join('\n')).toBe(
      [
        'group team, seq 3 of generation 1 (the last one is 9)',
        'text from alice, device phone, its number 2; 40 bytes stored',
        '2023-11-14, times in UTC as the clock of each node shows them; durations are measured within one node',
        '',
        'step       when          took     node',
        'accepted   22:13:19.999  -        n1    session s1, sent again 1 time, and answered alike',
        'routed     22:13:19.999  4.50 ms  n1    to n2 over node streams',
        'sequenced  22:13:20.000  -        n2    partition 5, epoch 3, after 0.25 ms in the mailbox',
        'committed  22:13:20.002  1.50 ms  n2    commit 41, with 2 commands, ack level disk, at the first try',
        'acked      22:13:20.004  5.00 ms  n1',
        'diffused   22:13:20.016  14 ms    n2    write-diffusion to 5 inboxes',
        'indexed    22:13:20.020  3.00 ms  n2',
        '',
        '5 recipients; 2 said that it is delivered, 1 that it is read',
        'inboxes by the traces: 5, from 22:13:20.003 to 22:13:20.016',
        'pushes by the traces: 3, from 22:13:20.004 to 22:13:20.009',
        '  on n1: 2, from 22:13:20.004 to 22:13:20.005',
        '  on n2: 1, from 22:13:20.009 to 22:13:20.009',
        '',
        'recipient  device  state                      when',
        'alice              inbox 30                   22:13:20.003  after 0.50 ms, the author',
        '           phone   sent it                    22:13:20.004  connected to n1, session s1',
        'bob                inbox 1,200                -             delivered 22:13:20.050, read',
        '           laptop  has it                     22:13:20.050  it said so, pushed 22:13:20.005, connected to n2, session s2',
        '           tablet  not pulled                 -             it said that it has 1,100 (2023-11-13 22:13:20.000), offline',
        'cleo               not in the inbox any more  -             not delivered, not read, no member any more',
        '2 more; --user NAME tells of one, --limit N of more of them',
        '',
        'traces:',
        '  n1 since 2023-11-13 22:13:20.000; of all messages since 22:12:20.000; of all copies since 22:13:19.000',
        '  n2 since 22:13:15.000',
      ].join('\n'),
    );
  });

  it('say what is not traced, and every reason that may be the one', () => {
    const lines = storyLines(cold);
    expect(lines.slice(4, 11)).toEqual([
      'step       when          took  node',
      'accepted   -             -     -     not known: n1 did not answer; n2, n3 keep no trace',
      'routed     -             -     -     not known: an entry of the conversation itself has no sender who waits',
      'sequenced  22:13:20.000  -     -     partition 5, by what is stored: n1 was started after it',
      'committed  -             -     -     by what is stored: on n1, n2 newer messages took its place',
      'acked      -             -     -     not known: whoever did it is not in the cluster any more',
      'diffused   -             -     -     write-diffusion to 1 inbox, in 0 of 1 that were looked at, not known: moonlight: n4',
    ]);
    expect(lines).toContain('1 recipient: the author');
    expect(lines.slice(-2)).toEqual(['  n1 did not answer', '  n2 keeps no trace']);
  });
});

describe('millrace explain', () => {
  let server: Server;
  let url = '';
  let out: string[];
  let notes: string[];
  let asked: (string | undefined)[];
  let answer: readonly [number, unknown];

  beforeEach(async () => {
    [out, notes, asked, answer] = [[], [], [], [200, story]];
    server = createServer((request, response) => {
      asked.push(request.url);
      response.writeHead(answer[0]);
      response.end(JSON.stringify(answer[1]));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}`;
  });
  afterEach(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });

  const run = (...argv: readonly string[]): Promise<number> => {
    const args = parseCommandLine(explainCommand, ['--key', 'k', ...argv]);
    if (!args.ok) throw new Error(args.error);
    const terminal: Terminal = {
      out: (line) => out.push(line),
      note: (line) => notes.push(line),
      status: () => undefined,
      clear: () => undefined,
      isInteractive: false,
      columns: 80,
      interrupted: new AbortController().signal,
    };
    return explainCommand.run(args.value, { terminal, environment: readEnvironment({ MILLRACE_URL: url }) });
  };

  it('asks for the story of one message, and shows it', async () => {
    expect(await run('alice!b%b', '3')).toBe(exitCode.done);
    expect(asked).toEqual(['/api/v1/conversations/alice!b%25b/messages/3/story']);
    expect(out).toEqual(storyLines(story));
    await run('team', '3', '--gen', '2', '--user', 'b+b');
    await run('team', '3', '--limit', '100');
    expect(asked.slice(1)).toEqual([
      '/api/v1/conversations/team/messages/3/story?gen=2&user=b%2Bb',
      '/api/v1/conversations/team/messages/3/story?limit=100',
    ]);
  });

  it('prints the answer of the server as it is, on request', async () => {
    expect(await run('team', '3', '--json')).toBe(exitCode.done);
    expect(JSON.parse(out.join('\n'))).toEqual(story);
  });

  it.each([
    [
      [404, { error: { message: 'team ends at seq 9: there is no 12 yet' } }],
      exitCode.failed,
      /^It cannot be told: team ends at seq 9: there is no 12 yet\.$/,
    ],
    [[409, { error: { message: 'it was lost' } }], exitCode.failed, /^It cannot be told: it was lost\.$/],
    [[503, {}], exitCode.failed, /HTTP status 503/],
    [[403, { error: { message: 'no scope' } }], exitCode.misused, /refuses the API key: no scope.*scope admin/],
    [[200, { steps: [] }], exitCode.misused, /is this a Millrace server\?/],
  ] as const)('explains %j and ends with %i', async (refusal, code, why) => {
    answer = refusal;
    expect(await run('team', '3')).toBe(code);
    expect(notes.join()).toMatch(why);
    expect(out).toEqual([]);
  });

  it.each([
    [['team'], /Say which message/],
    [['team', '3', '4'], /Say which message/],
    [['two words', '3'], /CONVERSATION: a conversation id must be/],
    [['team', 'third'], /SEQ must be a whole number from 1.*got "third"/],
    [['team', '0'], /SEQ must be/],
    [['team', '1e3'], /SEQ must be/],
    [['team', '9999999999999999'], /SEQ must be/],
    [['team', '3', '--gen', '0'], /--gen must be/],
    [['team', '3', '--limit', '101'], /--limit must be a whole number from 1 to 100/],
    [['team', '3', '--user', 'a b'], /--user: a user id must be/],
    [['team', '3', '--user', 'bob', '--limit', '2'], /leave --limit out/],
    [['team', '3', '--url', 'ws://127.0.0.1:1'], /must begin with http/],
  ])('refuses %j and says why', async (argv, why) => {
    expect(await run(...argv)).toBe(exitCode.misused);
    expect(notes.join()).toMatch(why);
    expect(asked).toEqual([]);
  });

  it('says that nothing answers', async () => {
    server.close();
    server.closeAllConnections();
    expect(await run('team', '3')).toBe(exitCode.failed);
    expect(notes.join()).toMatch(/Nothing answers at/);
    server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
  });
});
