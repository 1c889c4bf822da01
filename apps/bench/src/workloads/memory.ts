import { directConversationId, type UserId } from '@millrace/kernel';
import { medianOf } from '../measure/median.ts';
import { memoryByKind } from '../measure/redis-memory.ts';
import type { BenchOptions } from '../options.ts';
import type { Target } from '../processes/server-process.ts';
import type { Findings, MeasureFindings } from '../report/findings.ts';
import { memoryFigures, memoryLines, type Grown, type MemoryFigures } from '../report/memory.ts';
import type { BenchHost } from './bench-host.ts';
import { addChecked, nothingChecked, type Checked } from './checked.ts';
import { measureShape } from './millrace-run.ts';
import { MillraceUsers } from './millrace-users.ts';
import { runName } from './run-name.ts';
import { directShape, PAYLOAD_BYTES, userNames, type Shape } from './shape.ts';
import { measuredOf, withServers } from './targets.ts';
import { inParallel, UserSessions } from './user-sessions.ts';

/** Who are in many conversations of two each, in which one message was said. */
const QUIET_USERS = 128;
const QUIET_USERS_MIN = 20;
const QUIET_CONVERSATIONS = 2_000;
/** Made before the first look: what a user or a partition takes once is not that of a conversation. */
const FIRST_CONVERSATIONS = 1_000;
/** Users who write to each other as fast as they can: few, so that each conversation becomes long. */
const BUSY_USERS = 50;

function busyShape(scale: number): Shape {
  const shape = directShape(1);
  const parts = shape.parts.filter(({ mode }) => mode.kind === 'saturated');
  return { ...shape, name: 'busy', users: Math.max(2, Math.round((BUSY_USERS * scale) / 2) * 2), parts };
}

interface Pair {
  readonly first: UserId;
  readonly second: UserId;
}

/** Each user with each other one, as many as are wanted. */
function pairsAmong(users: readonly UserId[], count: number): readonly Pair[] {
  const pairs: Pair[] = [];
  // By distance, so that all users get one before any gets many.
  for (let distance = 1; distance < users.length; distance += 1) {
    users.slice(distance).forEach((second, index) => {
      const first = users[index];
      if (first !== undefined && pairs.length < count) pairs.push({ first, second });
    });
  }
  return pairs;
}

/** Conversations of two with one message, and that message read back. */
async function makeQuiet(target: Target, pairs: readonly Pair[]): Promise<Checked> {
  const sessions = new UserSessions(target);
  let checked: Checked = nothingChecked;
  // Of one device there is one session at a time: each user makes all of theirs over one.
  const firsts = [...new Set(pairs.map(({ first }) => first))];
  await inParallel(firsts, (user) =>
    sessions.as(user, async (ask) => {
      for (const { second } of pairs.filter(({ first }) => first === user)) {
        const conversation = directConversationId(user, second);
        await ask({ t: 'create', kind: 'direct', members: [second] });
        const body = 'x'.repeat(PAYLOAD_BYTES);
        await ask({ t: 'send', conversation, n: 1, sentAt: 1, type: 'text', body });
        const page = await ask({ t: 'history', conversation, direction: 'forward', limit: 10 });
        const read = page.messages.filter((message) => message.countable && message.body === body).length;
        checked = addChecked(checked, {
          ...nothingChecked,
          ...{ sent: 1, acked: 1, stored: read, lost: read === 0 ? 1 : 0, duplicated: Math.max(0, read - 1) },
        });
      }
    }),
  );
  return checked;
}

interface MemoryRound {
  readonly figures: MemoryFigures;
  readonly quiet: Grown;
  readonly busy: Grown;
}

interface Measured {
  readonly round: MemoryRound;
  readonly checked: Checked;
  readonly faults: readonly string[];
}

async function measureOn(
  target: Target,
  options: BenchOptions,
  host: BenchHost,
  say: (text: string) => void,
): Promise<Measured> {
  const { redisUrl } = target;
  if (redisUrl === null) throw new Error('memory asks the Redis of servers of its own: leave --url out');
  const { scale } = options;
  const quietUsers = userNames(runName(), Math.max(QUIET_USERS_MIN, Math.round(QUIET_USERS * scale)));
  const [first, more] = [Math.ceil(FIRST_CONVERSATIONS * scale), Math.ceil(QUIET_CONVERSATIONS * scale)];
  const pairs = pairsAmong(quietUsers, first + more);
  say(`${String(pairs.length)} conversations with one message`);
  const warm = await makeQuiet(target, pairs.slice(0, first));
  const empty = await memoryByKind(redisUrl);
  const quiet = await makeQuiet(target, pairs.slice(first));
  const full = await memoryByKind(redisUrl);

  const shape = busyShape(scale);
  const run = runName();
  const users = new MillraceUsers(target);
  await users.prepare(shape, run);
  const before = await memoryByKind(redisUrl);
  const measured = await measureShape(host, options, shape, run, measuredOf(target, 'write'), (part) => {
    say(`${String(shape.users / 2)} busy conversations, ${part}`);
  });
  const read = await users.check(shape, run, measured.counts, 'write');
  say('what Redis keeps');
  const after = await memoryByKind(redisUrl);
  const looks = {
    payloadBytes: PAYLOAD_BYTES,
    quiet: { before: empty, after: full, count: quiet.stored },
    busy: { before, after, count: read.checked.stored },
  };
  const lacking = read.behind.length > 0 ? [`the lists of ${read.behind.slice(0, 5).join(', ')} lack messages`] : [];
  return {
    round: { figures: memoryFigures(looks), quiet: looks.quiet, busy: looks.busy },
    checked: [warm, quiet, read.checked].reduce(addChecked),
    faults: [...measured.faults, ...lacking],
  };
}

/** What Redis keeps of messages, inbox records and conversations, by its own books against what was counted. */
export const measureMemory: MeasureFindings = async (options, host): Promise<Findings> => {
  const rounds: MemoryRound[] = [];
  const faults = new Set<string>();
  let checked = nothingChecked;
  for (let round = 1; round <= options.rounds; round += 1) {
    const one = await withServers(host, options, (target) =>
      measureOn(target, options, host, (text) => {
        host.progress(`round ${String(round)} of ${String(options.rounds)}: ${text}`);
      }),
    );
    rounds.push(one.round);
    checked = addChecked(checked, one.checked);
    for (const fault of one.faults) faults.add(fault);
  }
  const median = medianOf(rounds.map(({ figures }) => figures));
  return {
    config: { payloadBytes: PAYLOAD_BYTES },
    rounds,
    median: { memory: median },
    floor: {},
    ratio: { busyMessage: median.busyMessageTimes },
    checked,
    faults: [...faults],
    lines: memoryLines(median),
    plots: [],
    notMeasured: [
      'What replication and the append-only log take beside: their buffers, and the disk.',
      'Conversations that were moved to an archive, and what is trimmed after weeks.',
      'Fragmentation: used_memory counts what was asked for, not what the system gave.',
      'Small changes of what Redis takes for its clients, which used_memory counts, too: with few messages they show.',
    ],
  };
};
